"""The requests of the benchmark, and what a right answer to each is."""

import http.client
import json
from collections.abc import Callable
from dataclasses import dataclass

from comparison.bench.client import fetch
from comparison.bench.prober import Request
from comparison.bench.subjects import CREDENTIALS, Subject
from tooling.frameworks import ROOT

_GREETINGS = json.loads((ROOT / "shared" / "greetings.json").read_text(encoding="utf-8"))
_STYLES = ROOT / "shared" / "static" / "styles.css"


@dataclass(frozen=True)
class Workload:
    """One request, and the check of the body."""

    target: str
    check: Callable[[bytes], bool]
    headers: tuple[tuple[str, str], ...] = ()


def _json(expected: object) -> Callable[[bytes], bool]:
    """Stock applications may escape, order and space JSON in another way."""
    return lambda body: bool(json.loads(body) == expected)


GREETINGS = Workload(
    "/greetings", _json([{"lang": lang, "text": _GREETINGS[lang]} for lang in sorted(_GREETINGS)])
)
GREETING = Workload("/greetings/en", _json({"lang": "en", "text": _GREETINGS["en"]}))
HELLO = Workload("/hello", _json({"message": "So nice to see you, ada!"}), (CREDENTIALS,))
ABOUT = Workload("/about", lambda body: b"<html" in body.lower() and b"about" in body.lower())
STATIC = Workload("/static/styles.css", lambda body: body == _STYLES.read_bytes())
WORKLOADS = (GREETINGS, GREETING, HELLO, ABOUT, STATIC)


@dataclass(frozen=True)
class Prepared:
    """A workload on a running subject."""

    request: Request | None
    """None: the subject does not answer it with 200, or answers wrongly."""
    note: str = ""
    faults: tuple[str, ...] = ()


def prepare(workload: Workload, subject: Subject, port: int) -> Prepared:
    """Sends the request once; the body, if it is right, must come again with every answer.

    A stock application may lack the route: that is a note. Everything else is a fault.
    """
    try:
        answer = fetch(port, workload.target, workload.headers)
    except (OSError, http.client.HTTPException) as error:
        return Prepared(None, faults=(f"No answer: {error!r}.",))
    if answer.status != 200:
        sentence = f"{workload.target} is answered with {answer.status}."
        if subject.form == "stock" and answer.status == 404:
            return Prepared(None, note=f"The stock application has no {workload.target}.")
        return Prepared(None, faults=(sentence,))
    try:
        right = workload.check(answer.body)
    except ValueError:
        right = False
    if not right:
        return Prepared(None, faults=(f"The first answer to {workload.target} had a wrong body.",))
    return Prepared(Request(workload.target, workload.headers, answer.body))
