"""The origin of a websocket and what is refused, by themselves; the contract has the rest."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from shared import events, hello
from shared.asgi import Message, Receive, Scope, Send
from shared.connect import ROUTE
from shared.files import file_headers
from shared.security import Security, is_same_origin

HOST, ORIGIN, BASE_URL = b"host", b"origin", b"rstudio-connect-app-base-url"
INTERNAL = (HOST, b"127.0.0.1:39001")
CONTENT = (BASE_URL, b"https://connect.example.org/content/1b2c")
CHUNKED = (b"transfer-encoding", b"chunked")
USER = (b"rstudio-connect-credentials", b'{"user":"ada"}')


@pytest.mark.parametrize(
    ("origin", "others"),
    [
        (b"http://host.example", [(HOST, b"host.example")]),
        (b"http://host.example:8000", [(HOST, b"host.example:8000")]),
        (b"http://host.example", [(HOST, b"HOST.example:80")]),
        (b"http://[::1]:8000", [(HOST, b"[::1]:8000")]),
        # A proxy ends TLS and passes Host on.
        (b"https://host.example", [(HOST, b"host.example")]),
        (b"https://host.example", [(HOST, b"host.example:443")]),
        # Connect's internal address, and the base URL that it sends.
        (b"https://connect.example.org", [INTERNAL, CONTENT]),
        (
            b"https://connect.example.org",
            [INTERNAL, (BASE_URL, b"https://connect.example.org:443")],
        ),
    ],
)
def test_the_apps_own_pages_may(origin: bytes, others: list[tuple[bytes, bytes]]) -> None:
    assert is_same_origin({"type": "websocket", "headers": [(ORIGIN, origin), *others]})
    assert is_same_origin({"type": "websocket", "headers": others})


@pytest.mark.parametrize(
    ("origin", "others"),
    [
        (b"http://host.example:8001", [(HOST, b"host.example:8000")]),
        (b"http://host.example:443", [(HOST, b"host.example")]),
        (b"http://host.example@evil.example", [(HOST, b"host.example")]),
        (b"http://evil.example/host.example", [(HOST, b"host.example")]),
        (b"null", [(HOST, b"null")]),
        (b"", [(HOST, b"")]),
        (b"http://", [(HOST, b"host.example")]),
        (b"host.example", [(HOST, b"host.example")]),
        (b"file://host.example", [(HOST, b"host.example")]),
        (b"http://host.example", []),
        (b"http://a.example", [(HOST, b"a.example"), (HOST, b"a.example")]),
        (b"http://a.example", [(ORIGIN, b"http://a.example"), (HOST, b"a.example")]),
        # The base URL counts, not the internal address. Its scheme is known.
        (b"http://127.0.0.1:39001", [INTERNAL, CONTENT]),
        (b"http://connect.example.org", [INTERNAL, CONTENT]),
        (b"https://connect.example.org:8443", [INTERNAL, CONTENT]),
    ],
)
def test_other_pages_may_not(origin: bytes, others: list[tuple[bytes, bytes]]) -> None:
    assert not is_same_origin({"type": "websocket", "headers": [(ORIGIN, origin), *others]})


def answer(answered: Mapping[str, str], **changes: Any) -> Message:
    """The start of the answer to GET /hello, where the framework answers with these headers."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        pairs = [(name.encode(), value.encode()) for name, value in answered.items()]
        await send({"type": "http.response.start", "status": 200, "headers": pairs})

    scope = {"type": "http", "raw_path": b"/hello", ROUTE: "/hello", "query_string": b""}
    asked = {**scope, "http_version": "1.1", "headers": [], **changes}
    asyncio.run(Security(app, websockets={"/live"})(asked, receive, send))
    return sent[0]


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, 200),
        ({"http_version": "1.0"}, 200),
        ({"http_version": "2"}, 200),
        ({"http_version": "3"}, 200),
        ({"raw_path": b"/hello%23x", ROUTE: "/hello#x"}, 200),
        # What Falcon answers with 500, and what others read as /hello.
        ({"http_version": "0.9"}, 400),
        ({"http_version": "2.0"}, 400),
        ({"raw_path": b"/hello#x", ROUTE: "/hello#x"}, 400),
        ({"query_string": b"name=a#b"}, 400),
        ({"raw_path": b"*", ROUTE: "*"}, 404),
        ({"raw_path": b"hello", ROUTE: "hello"}, 404),
        ({"raw_path": b"//hello", ROUTE: "//hello"}, 404),
        # A server may have taken credentials from the trailers of a chunked request.
        ({"headers": [CHUNKED]}, 200),
        ({"headers": [USER]}, 200),
        ({"headers": [CHUNKED, USER]}, 411),
    ],
)
def test_a_request_that_no_framework_may_receive_is_refused(
    changes: dict[str, Any], status: int
) -> None:
    assert answer({}, **changes)["status"] == status


@pytest.mark.parametrize("headers", [events.HEADERS, hello.HEADERS, file_headers("x.css")])
def test_an_answer_that_says_how_it_is_cached_does_not_depend_on_the_base_url(
    headers: dict[str, str],
) -> None:
    assert {name for name, _ in answer(headers)["headers"]} == {
        *(name.encode() for name in headers),
        b"x-content-type-options",
    }


def test_an_answer_that_does_not_say_how_it_is_cached_depends_on_the_base_url() -> None:
    assert dict(answer({})["headers"]) == {
        b"cache-control": b"no-cache",
        b"vary": BASE_URL,
        b"x-content-type-options": b"nosniff",
    }


@pytest.mark.parametrize(
    ("route", "origin", "status"),
    [("/nope", b"http://host.example", 404), ("/live", b"http://evil.example", 403)],
)
def test_a_handshake_is_received_before_it_is_refused(
    route: str, origin: bytes, status: int
) -> None:
    events: list[str | tuple[str, int]] = []

    async def receive() -> Message:
        events.append("received")
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        if message["type"] == "websocket.http.response.start":
            events.append(("refused", message["status"]))

    async def app(*_: Any) -> None:
        raise NotImplementedError

    scope = {
        "type": "websocket",
        "raw_path": route.encode(),
        ROUTE: route,
        "headers": [(HOST, b"host.example"), (ORIGIN, origin)],
        "extensions": {"websocket.http.response": {}},
    }
    asyncio.run(Security(app, websockets={"/live"})(scope, receive, send))
    assert events == ["received", ("refused", status)]
