"""Describes a failed case in a few lines: its sentence, the request, the answer and the error."""

import traceback
from collections.abc import Sequence
from pathlib import Path

from tests.contract.registry import CASES, Part
from tests.contract.report import message_text, text_of
from tests.contract.vocabulary import Exchange

_CASES = str(Path(__file__).with_name("cases"))
_HELPERS = ("expect.py", "slow.py")
_WIDTH = 160


def describe(
    part: Part, subject: str, error: BaseException, exchanges: Sequence[Exchange], record: Path
) -> str:
    """The description of a failure, for a reader who has not written the case.

    `subject` is the ID of a subject, `record` the path of the report.
    """
    case = CASES[part.case_id]
    lines = [f"{part.id}, a {case.level}: {case.sentence}", f"  on        {subject}"]
    last = exchanges[-1] if exchanges else None
    if last is not None:
        lines.append(f"  asked     {_asked(last)}")
    if expected := _expected(error):
        lines.append(f"  expected  {expected}")
    if last is not None:
        lines.append(f"  received  {_received(last)}")
    lines.append(f"  error     {_cut(str(error) or repr(error))}")
    lines.append(f"  record    {record} (PYTEST_ADDOPTS=-vv adds the traceback)")
    return "\n".join(lines)


def _asked(exchange: Exchange) -> str:
    request = exchange.request
    headers = "".join(f", {name}: {text_of(value)}" for name, value in request.headers)
    return _cut(f"{request.method} {request.target}{headers}")


def _received(exchange: Exchange) -> str:
    answer = exchange.answer
    if answer is None:
        return "no answer"
    if answer.status == 101:
        sent = [f"{who} {message_text(message)!r}" for who, message in exchange.messages[-4:]]
        return _cut("a websocket: " + (", ".join(sent) or "no message"))
    kind = answer.header("content-type") or "no content type"
    body = " ".join(text_of(answer.body).split())
    return _cut(f"{answer.status}, {kind}: {body or 'no body'}")


def _expected(error: BaseException) -> str:
    """The statement of the case that failed."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename.startswith(_CASES) and Path(frame.filename).name not in _HELPERS
    ]
    return _cut(" ".join((frames[-1].line or "").split()).removeprefix("assert ")) if frames else ""


def _cut(text: str) -> str:
    text = text.partition("\n")[0]
    return text if len(text) <= _WIDTH else text[: _WIDTH - 3] + "..."
