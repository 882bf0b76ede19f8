"""What a contract run found, case by case, app by app.

`build/contract.json` is of the apps here; each deployed app has a file of its own in `build/contract/`.
"""

import json
import os
import platform
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from tests.contract.registry import CASES, VERSION
from tests.contract.subjects import Subject, versions_of
from tests.contract.vocabulary import Answer, Closed, Exchange, Request

Outcome = Literal["pass", "fail", "waived", "skipped"]


@dataclass
class Result:
    """One case on one subject.

    `observed`: what a SHOULD case saw, for comparison. `reason`: of a waiver or a skip. `failure`: what went
    wrong, the request, and what every app answers to it.
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


def result(case_id: str, subject: Subject, outcome: Outcome, **more: Any) -> Result:
    app = subject.framework.name if subject.framework else "unknown"
    return Result(case_id, app, subject.server, subject.mount.id, subject.store, outcome, **more)


def shown(exchange: Exchange) -> dict[str, Any]:
    """The request and the answer; over a websocket, what each side said after the handshake."""
    said = [[who, shown_message(message)] for who, message in exchange.messages]
    told = {
        "request": shown_request(exchange.request),
        "answer": shown_answer(exchange.answer) if exchange.answer else None,
    }
    return told | ({"messages": said} if said else {})


def shown_request(request: Request) -> dict[str, Any]:
    headers = [[name, shown_text(value)] for name, value in request.headers]
    return {"method": request.method, "target": request.target, "headers": headers}


def shown_answer(answer: Answer) -> dict[str, Any]:
    return {"status": answer.status, "headers": answer.headers, "body": shown_text(answer.body)}


def shown_message(message: str | bytes | Closed) -> str:
    """Of a websocket; how it was closed in words."""
    if isinstance(message, Closed):
        return f"closed with {message.code} {message.reason}".rstrip()
    return shown_text(message)


def shown_text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "backslashreplace")


def write(file: Path, results: list[Result], subjects: list[Subject]) -> None:
    """Replaces the report, whole or not at all."""
    frameworks = {
        subject.framework.name: subject.framework for subject in subjects if subject.framework
    }
    document = {
        "contract_version": VERSION,
        "python": platform.python_version(),
        "apps": {
            name: {"title": framework.title, "versions": versions_of(framework)}
            for name, framework in sorted(frameworks.items())
        },
        "cases": [
            {"id": case.id, "level": case.level, "sentence": case.sentence}
            for case in CASES.values()
        ],
        "results": [
            {key: value for key, value in asdict(r).items() if value not in (None, [])}
            for r in results
        ],
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        new.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        new.replace(file)
    finally:
        new.unlink(missing_ok=True)
