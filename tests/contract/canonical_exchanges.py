"""A canonical form of what was sent and received: the same in every run, on every machine.

`RULES` says what the form leaves out or replaces.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from tests.contract.report import answer_json, message_text, request_json
from tests.contract.vocabulary import Exchange
from tooling.frameworks import ROOT

RULES = (
    "A request that a case sends several times is listed once, with each different answer.",
    "Requests that a case repeats until something happens are left out: their number varies.",
    "The headers Date, Connection and Keep-Alive are left out: they depend on the connection.",
    "The methods in Allow are sorted: their order is not defined.",
    "The value of ETag is written as ETAG, of Last-Modified as LAST-MODIFIED, also where a request"
    " sends it: both depend on when the file was checked out.",
    "The port of a server is written as PORT; a measured time in an observation as ….",
    "The content of a file in shared/static/ is written as its name, and its Content-Length as"
    " LENGTH: what a file contains is no matter of the contract.",
    "Text beyond the first 1,200 characters is replaced by its length and its SHA-256.",
    "Beyond 60 different requests of one part of a case only their number and their SHA-256 are"
    " given.",
)

KEPT = 60
"""How many different requests of one part are written out."""

_LONGEST = 1200
_OF_THE_CONNECTION = frozenset({"connection", "date", "keep-alive"})
_VALIDATORS = {"etag": "ETAG", "last-modified": "LAST-MODIFIED"}
_PORT = re.compile(r"(?<=127\.0\.0\.1:)\d{2,5}")
_MEASURED = re.compile(r"\d+\.\d+(?= x )")


def observation(text: str) -> str:
    """What a case has observed, without measured times."""
    return _shortened(_PORT.sub("PORT", _MEASURED.sub("…", text)))


def identity(value: object) -> str:
    """A short name for a JSON value: equal values have equal names."""
    return _sha256(json.dumps(value, ensure_ascii=False, sort_keys=True))[:10]


def canonical_exchanges(exchanges: Iterable[Exchange]) -> list[dict[str, Any]]:
    """Returns each different request, in the order of its first occurrence, with its answers.

    An item has `request`, a JSON object, and `answers`, the different answers in the order of
    arrival; an answer is None if the case did not read it. If there are more than `KEPT` requests,
    a last item has `more`, their number, and `sha256`.
    """
    recorded = [exchange for exchange in exchanges if not exchange.repeated]
    validators = _validators(recorded)
    found: dict[str, dict[str, Any]] = {}
    for exchange in recorded:
        request, answer = _request(exchange, validators), _answer(exchange, validators)
        step = found.setdefault(identity(request), {"request": request, "answers": []})
        if answer not in step["answers"]:
            step["answers"].append(answer)
    steps = list(found.values())
    if more := steps[KEPT:]:
        digest = _sha256(" ".join(sorted(map(identity, more))))[:16]
        return [*steps[:KEPT], {"more": len(more), "sha256": digest}]
    return steps


def _validators(exchanges: Iterable[Exchange]) -> dict[str, str]:
    """The values to replace: the opaque texts of the entity tags, and the dates."""
    return {
        value.removeprefix("W/").strip('"'): _VALIDATORS[name]
        for exchange in exchanges
        if exchange.answer is not None
        for name, value in exchange.answer.headers
        if name in _VALIDATORS and value.strip('W/"')
    }


def _request(exchange: Exchange, validators: Mapping[str, str]) -> dict[str, Any]:
    request = request_json(exchange.request)
    request["target"] = _shortened(request["target"])
    for kind in ("headers", "trailers"):
        headers = request.pop(kind, [])
        if headers:
            request[kind] = [[name, _value(value, validators)] for name, value in headers]
    request["mount"] = exchange.mount.id
    return request if exchange.trust else {**request, "trust": False}


def _answer(exchange: Exchange, validators: Mapping[str, str]) -> dict[str, Any] | None:
    if exchange.answer is None:
        return None
    answer = answer_json(exchange.answer)
    answer["headers"] = sorted(
        [name, _header(name, value, exchange.request.target, validators)]
        for name, value in answer["headers"]
        if name not in _OF_THE_CONNECTION
    )
    file = _static_files().get(exchange.answer.body)
    answer["body"] = file or _shortened(_PORT.sub("PORT", answer["body"]))
    if exchange.messages:
        answer["messages"] = [
            [who, _shortened(message_text(message))] for who, message in exchange.messages
        ]
    return {key: value for key, value in answer.items() if value not in ("", [])}


def _header(name: str, value: str, target: str, validators: Mapping[str, str]) -> str:
    if name == "allow":
        return _sorted(value)
    if name == "content-length" and "/static/" in target and value in _static_lengths():
        return "LENGTH"
    return _value(value, validators)


@cache
def _static_files() -> dict[bytes, str]:
    """The names of the files, by content."""
    folder = ROOT / "shared" / "static"
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {
        content: f"(the content of {file.relative_to(ROOT).as_posix()})"
        for file in files
        if (content := file.read_bytes())
    }


@cache
def _static_lengths() -> frozenset[str]:
    """The sizes of the files, as `Content-Length` has them: HEAD is answered without a body."""
    return frozenset(str(len(content)) for content in _static_files())


def _sorted(methods: str) -> str:
    return ", ".join(sorted(re.split(r"\s*,\s*", methods)))


def _value(value: str, validators: Mapping[str, str]) -> str:
    for old, new in validators.items():
        value = value.replace(old, new)
    return _shortened(_PORT.sub("PORT", value))


def _shortened(text: str) -> str:
    if len(text) <= _LONGEST:
        return text
    return f"{text[:_LONGEST]}… ({len(text):,} characters, SHA-256 {_sha256(text)[:16]})"


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
