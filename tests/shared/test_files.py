"""The conditions of requests for static files, by themselves."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from shared.asgi import Message, Receive, Scope, Send
from shared.connect import ROUTE
from shared.files import Files, evaluate, file_headers

DATE = b"Thu, 26 Nov 2026 12:00:00 GMT"
FILE = {b"etag": b'"a,b"', b"last-modified": DATE}


@pytest.mark.parametrize(
    ("name", "values", "status"),
    [
        (b"if-none-match", [b'"x"', b'W/"a,b"'], 304),
        (b"if-none-match", [b'"a"'], None),
        (b"if-none-match", [b" * "], 304),
        (b"if-match", [b'"x", "a,b"'], None),
        (b"if-match", [b'W/"a,b"'], 412),
        (b"if-match", [b"a,b"], 412),
        (b"if-modified-since", [DATE], 304),
        (b"if-modified-since", [b"Thursday, 26-Nov-26 12:00:00 GMT"], 304),
        (b"if-modified-since", [b"Thu Nov 26 12:00:00 2026"], 304),
        (b"if-modified-since", [b"Thu, 26 Nov 2026 11:59:59 GMT"], None),
        (b"if-modified-since", [b"Thu, 26 Nov 2026 12:00:00 +0000"], None),
        (b"if-modified-since", [b" " + DATE + b" "], 304),
        # A date may be there once.
        (b"if-modified-since", [DATE, DATE], None),
        (b"if-unmodified-since", [DATE], None),
        (b"if-unmodified-since", [b"Thu Jan  1 00:00:00 1970"], 412),
        (b"if-unmodified-since", [b"\xff"], None),
    ],
)
def test_a_condition_has_its_answer(name: bytes, values: list[bytes], status: int | None) -> None:
    assert evaluate({name: values}, FILE) == status


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        (b"if-none-match", b'"a"', 304),
        (b"if-none-match", b'W/"a"', 304),
        (b"if-none-match", b'"x"', None),
        (b"if-match", b'"a"', 412),
        (b"if-match", b'W/"a"', 412),
    ],
)
def test_a_weak_entity_tag_is_good_for_a_cache_only(
    name: bytes, value: bytes, status: int | None
) -> None:
    assert evaluate({name: [value]}, {**FILE, b"etag": b'W/"a"'}) == status


def test_without_validators_nothing_is_evaluated() -> None:
    assert evaluate({b"if-match": [b'"x"']}, {}) is None
    assert evaluate({}, FILE) is None
    assert evaluate({b"if-modified-since": [DATE]}, {b"etag": b'"x"'}) is None


def test_a_file_has_the_media_type_of_its_ending() -> None:
    assert file_headers("x/y.css")["Content-Type"] == "text/css; charset=utf-8"
    assert file_headers("x.css/LICENSE")["Content-Type"] == "application/octet-stream"


GUIDE = [(b"cache-control", b"no-cache"), (b"etag", b'"a,b"')]
CONTENT = [(b"content-length", b"1"), (b"content-type", b"text/css"), (b"last-modified", DATE)]


@dataclass
class Exchange:
    """A request for a file.

    - `received`: the scope that the framework receives.
    - `sent`: the messages of the answer; `early`: how many of them were sent before the framework
      had sent the end of the file.
    """

    received: Scope
    sent: list[Message]
    early: int


def exchange(headers: list[tuple[bytes, bytes]]) -> Exchange:
    """Sends a request with these headers to a framework that has the file."""
    found = Exchange({}, [], 0)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        found.received = scope
        await send({"type": "http.response.start", "status": 200, "headers": GUIDE + CONTENT})
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
        found.early = len(found.sent)
        await send({"type": "http.response.body", "body": b"y"})

    async def receive() -> Any:
        raise NotImplementedError

    async def send(message: Message) -> None:
        found.sent.append(message)

    scope = {"type": "http", ROUTE: "/static/x.css", "headers": headers}
    asyncio.run(Files(app)(scope, receive, send))
    return found


def test_a_framework_receives_neither_conditions_nor_ranges_and_all_other_headers() -> None:
    asked = exchange(
        [
            (b"host", b"example"),
            (b"if-match", b"*"),
            (b"if-none-match", b'"x"'),
            (b"if-modified-since", DATE),
            (b"if-unmodified-since", DATE),
            (b"range", b"bytes=0-1"),
            (b"if-range", DATE),
            (b"accept", b"*/*"),
        ]
    )
    assert asked.received["headers"] == [(b"host", b"example"), (b"accept", b"*/*")]


def test_a_304_has_the_headers_that_guide_a_cache_and_none_of_the_content() -> None:
    start, body = exchange([(b"if-none-match", b"*")]).sent
    assert (start["status"], start["headers"]) == (304, GUIDE)
    assert body["body"] == b""


def test_a_304_is_sent_after_the_framework_has_sent_the_whole_file() -> None:
    assert exchange([(b"if-none-match", b"*")]).early == 0


def test_a_file_is_sent_as_it_comes() -> None:
    asked = exchange([])
    assert [message.get("body", b"") for message in asked.sent] == [b"", b"x", b"y"]
    assert asked.early == 2
