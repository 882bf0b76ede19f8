"""The control: a bare ASGI application that answers the same bytes as the matched applications.

It answers the measured routes only. Every answer is made when the module is imported, so that a
request costs what the server costs. Headers are those of the matched applications, except for the
validators of the static file, which are as Falcon makes them.
"""

from typing import Any

import jinja2
import msgspec

from shared import pages
from shared.asgi import Message, Receive, Scope, Send
from shared.greetings import FILE, Greeting, read_greetings

Headers = list[tuple[bytes, bytes]]

GREETINGS = [Greeting(lang, text) for lang, text in sorted(read_greetings(FILE).items())]
BY_LANGUAGE = {greeting.lang: msgspec.json.encode(greeting) for greeting in GREETINGS}

_NOSNIFF = (b"x-content-type-options", b"nosniff")
_REVALIDATE = [(b"cache-control", b"no-cache"), (b"vary", b"rstudio-connect-app-base-url")]
_USER = "ada"
FRAMEWORK = "Control"
"""The framework's name on the page."""


def _answer(
    body: bytes, content_type: bytes, headers: Headers, status: int = 200
) -> tuple[Message, Message]:
    length = (b"content-length", str(len(body)).encode())
    kept = [(b"content-type", content_type), length, *headers, _NOSNIFF]
    return (
        {"type": "http.response.start", "status": status, "headers": kept},
        {"type": "http.response.body", "body": body},
    )


def _json(value: Any, headers: Headers = _REVALIDATE) -> tuple[Message, Message]:
    return _answer(msgspec.json.encode(value), b"application/json", headers)


def _about() -> tuple[Message, Message]:
    templates = jinja2.Environment(loader=jinja2.FileSystemLoader(pages.TEMPLATES), autoescape=True)
    links = {"root": ".", "landing": None}
    page = templates.get_template("about.html").render(
        framework=FRAMEWORK, name=pages.DEFAULT_NAME, base_url=None, **links
    )
    headers = [(name.lower().encode(), value.encode()) for name, value in pages.HEADERS.items()]
    return _answer(page.encode(), b"text/html; charset=utf-8", [*headers, *_REVALIDATE])


def _static(name: str) -> tuple[Message, Message]:
    file = pages.STATIC / name
    stat = file.stat()
    headers = [
        (b"etag", f'"{int(stat.st_mtime):x}-{stat.st_size:x}"'.encode()),
        (b"last-modified", b"Sat, 01 Jan 2000 00:00:00 GMT"),
        (b"cache-control", b"no-cache"),
    ]
    return _answer(file.read_bytes(), b"text/css; charset=utf-8", headers)


_HELLO_HEADERS = [(b"cache-control", b"private, no-store")]
HELLO = {
    user: _json({"message": message}, _HELLO_HEADERS)
    for user, message in {
        True: f"So nice to see you, {_USER}!",
        False: "Howdy stranger!",
    }.items()
}
ROUTES = {
    "/greetings": _json(GREETINGS),
    "/about": _about(),
    "/static/styles.css": _static("styles.css"),
    **{
        f"/greetings/{lang}": _answer(body, b"application/json", _REVALIDATE)
        for lang, body in BY_LANGUAGE.items()
    },
}
BODIES: dict[str, bytes] = {
    target: body["body"] for target, (_, body) in {**ROUTES, "/hello": HELLO[True]}.items()
}
"""The bodies by path, for the applications that answer constant bytes; `/hello` is for `ada`."""
NOT_FOUND = _answer(
    b'{"title":"Not Found","status":404}', b"application/problem+json", _REVALIDATE, 404
)
STREAM_START: Message = {
    "type": "http.response.start",
    "status": 200,
    "headers": [
        (b"content-type", b"text/event-stream"),
        (b"cache-control", b"no-cache"),
        (b"x-accel-buffering", b"no"),
        _NOSNIFF,
    ],
}
EVENTS: list[Message] = [
    {"type": "http.response.body", "body": body, "more_body": True}
    for body in (
        *(b"data: " + event + b"\n\n" for event in BY_LANGUAGE.values()),
        b"event: end\ndata: {}\n\n",
    )
]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers the measured routes, and every other one with 404."""
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
    elif scope["type"] == "websocket":
        await _talk(receive, send)
    elif scope["path"] == "/greetings/stream":
        await send(dict(STREAM_START))
        for event in EVENTS:
            await send(event)
        await send({"type": "http.response.body", "body": b""})
    else:
        start, body = _route(scope)
        # A copy, because servers may change the message.
        await send({**start, "headers": list(start["headers"])})
        await send(body)


def _route(scope: Scope) -> tuple[Message, Message]:
    if scope["path"] == "/hello":
        return HELLO[any(name == b"rstudio-connect-credentials" for name, _ in scope["headers"])]
    return ROUTES.get(scope["path"], NOT_FOUND)


async def _talk(receive: Receive, send: Send) -> None:
    """Answers every message that is a language with its greeting."""
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        lang = msgspec.json.decode(message.get("text") or message["bytes"])["lang"]
        await send({"type": "websocket.send", "text": BY_LANGUAGE[lang].decode()})


async def _lifespan(receive: Receive, send: Send) -> None:
    while (await receive())["type"] == "lifespan.startup":
        await send({"type": "lifespan.startup.complete"})
    await send({"type": "lifespan.shutdown.complete"})
