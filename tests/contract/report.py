"""The report of a contract run: the result of each case on each subject.

`build/contract.json` is the report about the apps of this repository. A deployed app has a report
of its own in `build/contract/`.
"""

import json
import os
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from tests.contract.registry import CASES, MAIN, VERSION, Part
from tests.contract.subjects import Subject, versions_of
from tests.contract.vocabulary import Answer, Closed, Exchange, Request

Outcome = Literal["fail", "waived", "pass", "skipped"]


@dataclass
class Result:
    """One part of a case on one subject.

    - `observed`: what the case has seen, for comparison.
    - `reason`: why it is waived or was skipped.
    - `failure`: the error, the last exchanges, and what every app answers to the last request.
    - `exchanges`: for the canonical result, see `tests/contract/canonical_exchanges.py`.
    """

    case: str
    app: str
    server: str
    mount: str
    store: str | None
    outcome: Outcome
    observed: list[str] = field(default_factory=list)
    reason: str | None = None
    failure: dict[str, Any] | None = None
    part: str = MAIN
    exchanges: list[dict[str, Any]] = field(default_factory=list)

    @property
    def where(self) -> tuple[str | None, ...]:
        """The case and the subject, which the results of several parts share."""
        return self.case, self.app, self.server, self.mount, self.store


def result(part: Part, subject: Subject, outcome: Outcome, **more: Any) -> Result:
    return Result(
        part.case_id,
        subject.framework.name if subject.framework else "unknown",
        subject.server,
        subject.mount.id,
        subject.store,
        outcome,
        part=part.name,
        **more,
    )


def merged(results: Iterable[Result]) -> dict[str, Any]:
    """One case on one subject, from the results of its parts.

    A part that failed decides the outcome, then one that is waived, then one that passed. With
    more than one part, `parts` names the outcome of each.
    """
    parts = list(results)
    decisive = min(parts, key=lambda result: get_args(Outcome).index(result.outcome))
    document = asdict(decisive)
    del document["part"], document["exchanges"]
    document["observed"] = [seen for result in parts for seen in result.observed]
    if len(CASES[decisive.case].parts) > 1:
        document["parts"] = {result.part: result.outcome for result in parts}
    return {key: value for key, value in document.items() if value not in (None, [])}


def exchange_json(exchange: Exchange) -> dict[str, Any]:
    """The request and the answer; for a websocket, the messages after the handshake too."""
    messages = [[who, message_text(message)] for who, message in exchange.messages]
    document = {
        "request": request_json(exchange.request),
        "answer": answer_json(exchange.answer) if exchange.answer else None,
    }
    return document | ({"messages": messages} if messages else {})


def request_json(request: Request) -> dict[str, Any]:
    headers = [[name, text_of(value)] for name, value in request.headers]
    document = {"method": request.method, "target": request.target, "headers": headers}
    trailers = [[name, text_of(value)] for name, value in request.trailers]
    return document | ({"trailers": trailers} if trailers else {})


def answer_json(answer: Answer) -> dict[str, Any]:
    return {"status": answer.status, "headers": answer.headers, "body": text_of(answer.body)}


def message_text(message: str | bytes | Closed) -> str:
    """A message of a websocket, or how the other side closed it."""
    if isinstance(message, Closed):
        return f"closed with {message.code} {message.reason}".rstrip()
    return text_of(message)


def text_of(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "backslashreplace")


def write(file: Path, results: list[Result], subjects: list[Subject]) -> None:
    """Replaces the report atomically."""
    frameworks = {
        subject.framework.name: subject.framework for subject in subjects if subject.framework
    }
    by_case_and_subject: dict[tuple[str | None, ...], list[Result]] = {}
    for result in results:
        by_case_and_subject.setdefault(result.where, []).append(result)
    document = {
        "contract_version": VERSION,
        "python": platform.python_version(),
        "apps": {
            name: {"title": framework.title, "versions": versions_of(framework)}
            for name, framework in sorted(frameworks.items())
        },
        "cases": [
            {
                "id": case.id,
                "level": case.level,
                "sentence": case.sentence,
                "parts": [part.name for part in case.parts],
            }
            for case in CASES.values()
        ],
        "results": [merged(parts) for parts in by_case_and_subject.values()],
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    replace_file(file, json.dumps(document, ensure_ascii=False, indent=1) + "\n")


def replace_file(file: Path, text: str) -> None:
    """Writes a file, or leaves the old one as it was. Raises `OSError`."""
    new = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        new.write_text(text, encoding="utf-8")
        new.replace(file)
    finally:
        new.unlink(missing_ok=True)
