"""Breakages: ASGI layers, each of which makes an app violate one part of a case."""

import asyncio
import html
import json
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

from shared import connect
from shared.asgi import ASGIApp, Message, Receive, Scope, Send
from tests.contract.in_process import environment
from tests.contract.vocabulary import Answer
from tooling.frameworks import ROOT

Layer = Callable[[ASGIApp], ASGIApp]


@dataclass(frozen=True)
class Breakage:
    """`caught_by`: the ID of the part of a case that has to fail."""

    caught_by: str
    what: str
    layer: Layer


def changing_answers(change: Callable[[Scope, Answer], Answer]) -> Layer:
    """A layer that replaces each answer, from the scope of the request and the answer."""

    def layer(app: ASGIApp) -> ASGIApp:
        async def changed(scope: Scope, receive: Receive, send: Send) -> None:
            messages: list[Message] = []

            async def collect(message: Message) -> None:
                messages.append(message)
                if message["type"] == "http.response.body" and not message.get("more_body", False):
                    for changed_message in messages_of(change(scope, answer_of(messages))):
                        await send(changed_message)

            await app(scope, receive, collect)

        return changed

    return layer


def answer_of(messages: list[Message]) -> Answer:
    start, *rest = messages
    headers = [(n.decode("latin-1").lower(), v.decode("latin-1")) for n, v in start["headers"]]
    return Answer(start["status"], headers, b"".join(message.get("body", b"") for message in rest))


def messages_of(answer: Answer) -> list[Message]:
    headers = [(n.encode("latin-1"), v.encode("latin-1")) for n, v in answer.headers]
    return [
        {"type": "http.response.start", "status": answer.status, "headers": headers},
        {"type": "http.response.body", "body": answer.body},
    ]


def changing_requests(change: Callable[[Scope], Scope]) -> Layer:
    """A layer that replaces each request's scope."""

    def layer(app: ASGIApp) -> ASGIApp:
        async def changed(scope: Scope, receive: Receive, send: Send) -> None:
            await app(change({**scope}), receive, send)

        return changed

    return layer


def body(pattern: str, replacement: str) -> Layer:
    return changing_answers(
        lambda scope, answer: replace(
            answer, body=re.sub(pattern.encode(), replacement.encode(), answer.body)
        )
    )


def when_path(pattern: str, change: Callable[[Answer], Answer]) -> Layer:
    return changing_answers(
        lambda scope, answer: change(answer) if re.search(pattern, scope["path"]) else answer
    )


def when_method(method: str, change: Callable[[Answer], Answer]) -> Layer:
    return changing_answers(
        lambda scope, answer: change(answer) if scope["method"] == method else answer
    )


def without_header(name: str) -> Layer:
    return changing_answers(lambda scope, answer: removed(answer, name))


def with_header(name: str, value: str) -> Layer:
    return changing_answers(
        lambda scope, answer: replace(answer, headers=[*answer.headers, (name, value)])
    )


def replacing(name: str, value: str) -> Layer:
    """A layer that gives a header another value."""

    def change(_: Scope, answer: Answer) -> Answer:
        headers = [(n, value if n == name else v) for n, v in answer.headers]
        return replace(answer, headers=headers)

    return changing_answers(change)


def removed(answer: Answer, name: str) -> Answer:
    return replace(answer, headers=[header for header in answer.headers if header[0] != name])


def request_headers(change: Callable[[bytes], bytes | None], name: bytes) -> Layer:
    """A layer that replaces each value of a request header; None removes the header."""

    def changed(scope: Scope) -> Scope:
        headers = [(n, change(v) if n == name else v) for n, v in scope["headers"]]
        return {**scope, "headers": [(n, v) for n, v in headers if v is not None]}

    return changing_requests(changed)


def under(context: Callable[[], object]) -> Layer:
    """A layer that calls the app inside a context manager."""

    def layer(app: ASGIApp) -> ASGIApp:
        async def inside(scope: Scope, receive: Receive, send: Send) -> None:
            with context():  # type: ignore[attr-defined]
                await app(scope, receive, send)

        return inside

    return layer


def parsed(change: Callable[[Any], object]) -> Callable[[Answer], Answer]:
    """Changes a JSON body, and serializes it as the apps do."""
    return lambda answer: replace(
        answer,
        body=json.dumps(change(answer.json()), ensure_ascii=False, separators=(",", ":")).encode(),
    )


def spelled(old: str, new: str) -> Callable[[Answer], Answer]:
    """Replaces text in a JSON body, after serializing it with Python's defaults."""

    def change(document: object) -> object:
        text = json.dumps(document)
        assert old in text, "the breakage breaks nothing"
        return json.loads(text.replace(old, new))

    return parsed(change)


def only_last_credentials(scope: Scope) -> Scope:
    name = b"rstudio-connect-credentials"
    given = [header for header in scope["headers"] if header[0] == name]
    return {**scope, "headers": [h for h in scope["headers"] if h[0] != name] + given[-1:]}


def without_line_break(scope: Scope) -> Scope:
    raw_path = scope["raw_path"].removesuffix(b"%0A")
    return {**scope, "path": scope["path"].rstrip("\n"), "raw_path": raw_path}


def part_of_range(scope: Scope, answer: Answer) -> Answer:
    if (b"range", b"bytes=0-4") in scope["headers"]:
        return replace(answer, status=206, body=answer.body[:5])
    return answer


def open_traversal(scope: Scope, answer: Answer) -> Answer:
    if "/static/" in scope["path"] and ".." in scope["path"] and scope["path"].endswith(".json"):
        content = (ROOT / "shared" / "greetings.json").read_bytes()
        return Answer(200, [("content-type", "application/json")], content)
    return answer


def refused_range_in_text(scope: Scope, answer: Answer) -> Answer:
    if any(name == b"range" for name, _ in scope["headers"]):
        return Answer(416, [("content-type", "text/plain")], b"Range Not Satisfiable")
    return answer


def slash_redirect(scope: Scope, answer: Answer) -> Answer:
    if answer.status == 404 and scope["path"].endswith("/"):
        return Answer(307, [("location", scope["path"].rstrip("/"))], b"")
    return answer


@contextmanager
def silenced() -> Iterator[None]:
    logging.disable()
    try:
        with suppress(Exception):
            yield
    finally:
        logging.disable(logging.NOTSET)


def changing_messages(change: Callable[[Message], Message]) -> Layer:
    """A layer that replaces each message to the client of a websocket."""

    def layer(app: ASGIApp) -> ASGIApp:
        async def changed(scope: Scope, receive: Receive, send: Send) -> None:
            async def send_changed(message: Message) -> None:
                await send(change(message))

            await app(scope, receive, send_changed)

        return changed

    return layer


def closing(code: int, other: int) -> Layer:
    return changing_messages(
        lambda message: {**message, "code": other} if message.get("code") == code else message
    )


def as_binary(message: Message) -> Message:
    if message.get("text") is None:
        return message
    return {"type": message["type"], "bytes": message["text"].encode()}


def renamed(message: Message) -> Message:
    if message.get("text") is None:
        return message
    return {**message, "text": message["text"].replace("stranger", "Ada")}


def ending_late(app: ASGIApp) -> ASGIApp:
    """A layer that returns a second later than the app."""

    async def late(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, send)
        await asyncio.sleep(1)

    return late


def closed_at(status: int) -> Callable[[Message], Message]:
    """Closes the websocket in place of that problem."""

    def change(message: Message) -> Message:
        if f'"status":{status}' in (message.get("text") or ""):
            return {"type": "websocket.close", "code": 1011}
        return message

    return change


def without_last_event(answer: Answer) -> Answer:
    return replace(answer, body=answer.body.rpartition(b"event: end")[0])


def unvalidated() -> object:
    everything = re.compile(r"/.*", re.DOTALL)
    return patch.multiple(
        connect,
        _PREFIX=everything,
        parse_prefix=connect.parse_prefix.__wrapped__,
        parse_base_url=connect.parse_base_url.__wrapped__,
    )


def status(code: int) -> Callable[[Answer], Answer]:
    return lambda answer: replace(answer, status=code)


CREDENTIALS = b"rstudio-connect-credentials"
BASE_URL = b"rstudio-connect-app-base-url"

BREAKAGES = [
    Breakage(
        "GREETINGS-1",
        "the list is not sorted",
        when_path("/greetings$", parsed(lambda list_: list_[::-1])),
    ),
    Breakage(
        "GREETINGS-1",
        "text is escaped",
        when_path("/greetings$", lambda a: replace(a, body=json.dumps(a.json()).encode())),
    ),
    Breakage(
        "GREETINGS-1",
        "JSON goes as text",
        when_path("/greetings$", lambda a: replace(a, headers=[("content-type", "text/plain")])),
    ),
    Breakage(
        "GREETINGS-2",
        "the greeting is another one",
        when_path("/greetings/zh", parsed(lambda _: {"lang": "zh", "text": "Hello"})),
    ),
    Breakage(
        "GREETINGS-3",
        "an unknown language is answered 200",
        when_path("/greetings/fr", status(200)),
    ),
    Breakage(
        "GREETINGS-4", "a final newline is let through", changing_requests(without_line_break)
    ),
    Breakage(
        "GREETINGS-4",
        "what is no language tag is answered 404",
        when_path("/greetings/e$", status(404)),
    ),
    Breakage(
        "GREETINGS-4: dot segments and NUL",
        "a language with a NUL is answered 404",
        when_path("/greetings/en\0", status(404)),
    ),
    Breakage(
        "HELLO-1",
        "everybody is welcomed as Ada",
        when_path("/hello", parsed(lambda _: {"message": "So nice to see you, ada!"})),
    ),
    Breakage(
        "HELLO-2", "the credentials are not read", request_headers(lambda _: None, CREDENTIALS)
    ),
    Breakage(
        "HELLO-3",
        "the credentials are read as latin-1",
        request_headers(lambda value: value.decode("latin-1").encode(), CREDENTIALS),
    ),
    Breakage(
        "HELLO-4",
        "malformed credentials are an anonymous visit",
        request_headers(lambda value: value if value.endswith(b"}") else None, CREDENTIALS),
    ),
    Breakage(
        "HELLO-4: sent twice",
        "of two credentials the last counts",
        changing_requests(only_last_credentials),
    ),
    Breakage(
        "HELLO-5",
        "Connect's headers are always trusted",
        under(lambda: environment("CONNECT_HEADERS", "trust")),
    ),
    Breakage(
        "HELLO-7",
        "credentials of more than 8 KiB are dropped",
        request_headers(lambda value: value if len(value) <= 8192 else None, CREDENTIALS),
    ),
    Breakage("CACHE-1", "a greeting by name may be stored", replacing("cache-control", "private")),
    Breakage(
        "CACHE-1: with credentials",
        "a greeting by name may be shared",
        replacing("cache-control", "no-cache"),
    ),
    Breakage("CACHE-2", "Vary is missing", without_header("vary")),
    Breakage(
        "CACHE-2", "a page may be used for a minute", replacing("cache-control", "max-age=60")
    ),
    Breakage("CACHE-3", "a greeting may be used for ever", without_header("cache-control")),
    Breakage("PAGES-1", "the index has two headlines", body("</main>", "<h1>Again</h1></main>")),
    Breakage(
        "PAGES-1: the about page",
        "the about page welcomes nobody",
        body("the about page Posit", "the about page "),
    ),
    Breakage(
        "PAGES-1: the framework",
        "the index names no framework",
        body("Greetings in [A-Za-z]+", "Greetings in "),
    ),
    Breakage(
        "PAGES-2",
        "the name is not escaped",
        when_path("/about", lambda a: replace(a, body=html.unescape(a.text()).encode())),
    ),
    Breakage(
        "PAGES-2: more than 100 characters",
        "a long name is cut",
        changing_requests(lambda s: {**s, "query_string": s["query_string"][:105]}),
    ),
    Breakage(
        "PAGES-2: without a name",
        "an empty name is welcomed",
        body("the about page Posit", "the about page "),
    ),
    Breakage("PAGES-3", "links lose the prefix", body('(href|src|action)="[^"]*?/', r'\1="/')),
    Breakage(
        "PAGES-3",
        "links lose the prefix at the mount without its slash",
        body('(href|src|action)="[^."/]+/', r'\1="./'),
    ),
    Breakage("PAGES-3", "a link leads nowhere", body('/about"', '/abuot"')),
    Breakage(
        "PAGES-3: the address that Connect names",
        "an address is shown that Connect has not named",
        body("</main>", '<p id="address">https://evil.example/</p></main>'),
    ),
    Breakage(
        "PAGES-4: no other files",
        "files outside static/ are served",
        changing_answers(open_traversal),
    ),
    Breakage(
        "PAGES-4: missing files",
        "a folder is answered 403",
        when_path("/static/swagger-ui$", status(403)),
    ),
    Breakage(
        "PAGES-4: conditional requests",
        "nothing is ever answered 304",
        request_headers(lambda _: None, b"if-none-match"),
    ),
    Breakage(
        "PAGES-4: conditional requests",
        "If-Modified-Since overrules If-None-Match",
        changing_requests(
            lambda s: {
                **s,
                "headers": [
                    h
                    for h in s["headers"]
                    if h[0] != b"if-none-match"
                    or all(n != b"if-modified-since" for n, _ in s["headers"])
                ],
            }
        ),
    ),
    Breakage("PAGES-4", "a file has no ETag", without_header("etag")),
    Breakage(
        "PAGES-4: ranges and If-Match",
        "an unsatisfiable range is answered in plain text",
        changing_answers(refused_range_in_text),
    ),
    Breakage("PAGES-11", "If-Match is ignored", request_headers(lambda _: None, b"if-match")),
    Breakage(
        "PAGES-11",
        "If-Unmodified-Since is ignored",
        request_headers(lambda _: None, b"if-unmodified-since"),
    ),
    Breakage("PAGES-12", "ranges are announced", with_header("accept-ranges", "bytes")),
    Breakage("PAGES-12", "a range is sent alone", changing_answers(part_of_range)),
    Breakage(
        "PAGES-13",
        "a file without an ending is text",
        when_path("LICENSE", lambda a: replace(a, headers=[("content-type", "text/plain")])),
    ),
    Breakage(
        "PAGES-5", "there is no Content-Security-Policy", without_header("content-security-policy")
    ),
    Breakage("PAGES-5", "framing is forbidden", with_header("x-frame-options", "DENY")),
    Breakage(
        "DOCS-1",
        "Swagger UI comes from a CDN",
        body('src="[^"]*swagger-ui-bundle.js"', 'src="https://cdn.example/swagger-ui-bundle.js"'),
    ),
    Breakage(
        "DOCS-1: its files",
        "a stylesheet is served as text",
        when_path("/static/", lambda a: replace(a, headers=[("content-type", "text/plain")])),
    ),
    Breakage(
        "DOCS-2",
        "the first server is always the origin",
        when_path("/openapi", parsed(lambda document: {**document, "servers": [{"url": "/"}]})),
    ),
    Breakage(
        "DOCS-3",
        "a parameter loses its limit",
        when_path("/openapi", spelled('"maxLength": 100', '"maxLength": 101')),
    ),
    Breakage(
        "DOCS-3", "an answer is not documented", when_path("/openapi", spelled('"422":', '"423":'))
    ),
    Breakage("HTTP-1", "a final slash is redirected", changing_answers(slash_redirect)),
    Breakage(
        "HTTP-1",
        "an unknown path is answered in HTML",
        when_path("/nope", lambda a: replace(a, headers=[("content-type", "text/html")])),
    ),
    Breakage("HTTP-1: a NUL", "a path with a NUL is answered 400", when_path("\0", status(400))),
    Breakage(
        "HTTP-1: a target that is no path",
        "the index page is at *",
        changing_requests(
            lambda s: {**s, "path": "/", "raw_path": b"/"} if s["path"].endswith("*") else s
        ),
    ),
    Breakage("HTTP-2", "Allow is missing", without_header("allow")),
    Breakage(
        "HTTP-2",
        "Allow names a method that is refused",
        changing_answers(
            lambda s, a: replace(
                a, headers=[(n, f"{v}, PUT" if n == "allow" else v) for n, v in a.headers]
            )
        ),
    ),
    Breakage("HTTP-2: HEAD", "HEAD is refused", when_method("HEAD", status(405))),
    Breakage(
        "HTTP-2: HEAD",
        "HEAD has other headers than GET",
        when_method("HEAD", lambda a: replace(a, headers=[*a.headers, ("etag", '"x"')])),
    ),
    Breakage(
        "HTTP-3",
        "the error is told to the client",
        when_path(
            "qaa-fault", lambda a: replace(a, body=b'{"detail":"the store\'s secret is 4711"}')
        ),
    ),
    Breakage("HTTP-3", "the error is swallowed", under(silenced)),
    Breakage(
        "HTTP-9",
        "nosniff is on pages alone",
        when_path("/greetings", lambda a: removed(a, "x-content-type-options")),
    ),
    Breakage(
        "HTTP-10",
        "an encoded letter is another letter",
        changing_answers(
            lambda s, a: replace(a, status=404) if b"%6" in s["raw_path"].lower() else a
        ),
    ),
    Breakage(
        "HTTP-12",
        "the whole target is the path",
        changing_answers(lambda s, a: replace(a, status=404) if b"://" in s["raw_path"] else a),
    ),
    Breakage(
        "MOUNT-1",
        "the prefix in front of the path is not understood",
        changing_requests(lambda s: {**s, "root_path": ""}),
    ),
    Breakage(
        "MOUNT-1", "pages do not know the prefix", body('"[^"]*?/(about|greetings|docs)"', r'"/\1"')
    ),
    Breakage(
        "MOUNT-1: the address that Connect names",
        "the address is not told",
        body("https://[^<]*", ""),
    ),
    Breakage("MOUNT-2", "any prefix is believed", under(unvalidated)),
    Breakage("MOUNT-2: in the scope", "any prefix in the scope is believed", under(unvalidated)),
    Breakage(
        "HEALTH-1",
        "another store is named",
        when_path("/health", spelled('"json"', '"postgresql"')),
    ),
    Breakage(
        "STORE-4: a greeting that cannot be had",
        "a store that does not answer is an unexpected error",
        when_path("qaa-away", status(500)),
    ),
    Breakage(
        "STORE-4: a greeting that cannot be had",
        "nothing says when to ask again",
        without_header("retry-after"),
    ),
    Breakage("LIVE-1: no message", "binary data is closed as if all was well", closing(1003, 1000)),
    Breakage(
        "LIVE-1: no message", "a long message is closed as if all was well", closing(1009, 1000)
    ),
    Breakage("LIVE-1: a megabyte", "it is closed as if all was well", closing(1009, 1000)),
    Breakage("LIVE-1", "the answer is binary", changing_messages(as_binary)),
    Breakage(
        "LIVE-1: a greeting that cannot be had",
        "an unexpected error closes the websocket",
        changing_messages(closed_at(500)),
    ),
    Breakage(
        "LIVE-1: a greeting that cannot be had",
        "a store that does not answer is an unexpected error",
        changing_messages(closed_at(503)),
    ),
    Breakage(
        "LIVE-1: no handshake",
        "a request that is no handshake is answered 200",
        when_path("/live", status(200)),
    ),
    Breakage(
        "LIVE-2: with credentials",
        "nobody is known over the websocket",
        request_headers(lambda _: None, CREDENTIALS),
    ),
    Breakage("LIVE-2", "a stranger is greeted by another name", changing_messages(renamed)),
    Breakage("LIVE-6", "the websocket refuses the method", when_path("/live", status(405))),
    Breakage("LIVE-5", "the origin is not checked", request_headers(lambda _: None, b"origin")),
    Breakage("STREAM-1: while the store waits", "the end takes more than a second", ending_late),
    Breakage(
        "STREAM-1: the store fails",
        "an error looks like the end",
        when_path(
            "/stream", lambda a: replace(a, body=a.body.replace(b"event: problem", b"event: end"))
        ),
    ),
    Breakage(
        "STREAM-1: without a buffer",
        "a proxy may wait for more events",
        without_header("x-accel-buffering"),
    ),
    Breakage("STREAM-1", "the stream has no end", when_path("/stream", without_last_event)),
    Breakage(
        "STREAM-1",
        "the stream is said to be text",
        when_path("/stream", lambda a: replace(a, headers=[("content-type", "text/plain")])),
    ),
]
