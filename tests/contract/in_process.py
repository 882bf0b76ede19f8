"""Reaches an app as a server would, without one: raw ASGI scopes of any form."""

import asyncio
import copy
import io
import logging
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from rehearsal.frameworks import Framework
from shared.asgi import ASGIApp, Message, Scope
from tests.contract.client import Client
from tests.contract.interfaces import InFlight, WebSocket
from tests.contract.vocabulary import (
    BARE,
    Answer,
    Capability,
    Closed,
    HandshakeFailure,
    IncompleteAnswerFailure,
    Mount,
    Request,
    StoreName,
    Timed,
    TimeoutFailure,
)

if TYPE_CHECKING:
    pass

_SECONDS = 10.0

_logger = logging.getLogger("tests.contract.in_process")

ASGI = {"version": "3.0", "spec_version": "2.3"}


class InProcessApp:
    """Runs an ASGI application in an event loop of its own, which stands still between requests."""

    def __init__(self, app: ASGIApp) -> None:
        self.asgi = app
        # Not a Runner: it takes SIGINT over for each call, which takes longer than most requests.
        self._loop = asyncio.new_event_loop()
        self._log = io.StringIO()
        self._handler = logging.StreamHandler(self._log)
        logging.getLogger().addHandler(self._handler)
        self._events: asyncio.Queue[Message] = asyncio.Queue()
        self._answers: asyncio.Queue[Message] = asyncio.Queue()
        self._lifespan = self._loop.create_task(self._run_lifespan())
        started = self._speak("lifespan.startup")
        assert started["type"] == "lifespan.startup.complete", started

    async def _run_lifespan(self) -> None:
        await self.asgi(
            {"type": "lifespan", "asgi": ASGI, "state": {}}, self._events.get, self._answers.put
        )

    def _speak(self, event: str) -> Message:
        async def speak() -> Message:
            await self._events.put({"type": event})
            return await asyncio.wait_for(self._answers.get(), _SECONDS)

        return self._loop.run_until_complete(speak())

    def close(self) -> None:
        """Ends the app's lifespan, as a server that shuts down does."""
        stopped = self._speak("lifespan.shutdown")
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()
        logging.getLogger().removeHandler(self._handler)
        assert stopped["type"] == "lifespan.shutdown.complete", stopped

    def log(self) -> str:
        """What has been logged since the last call."""
        text = self._log.getvalue()
        self._log.seek(0)
        self._log.truncate()
        return text

    def send(self, scope: Scope) -> Answer:
        """The app's answer to a request without a body."""
        return self._loop.run_until_complete(asyncio.wait_for(self._send(scope), _SECONDS))

    def send_together(self, scopes: Sequence[Scope]) -> list[Timed]:
        """The answers to requests without a body that all are there at the same moment."""

        async def ask(scope: Scope) -> Timed:
            begun = time.perf_counter()
            answer = await self._send(scope)
            return Timed(answer, time.perf_counter() - begun)

        async def ask_all() -> list[Timed]:
            async with asyncio.timeout(_SECONDS):
                return await asyncio.gather(*map(ask, scopes))

        return self._loop.run_until_complete(ask_all())

    def open(self, scope: Scope) -> "Conversation":
        """The app at work on a scope, to be spoken with message by message."""
        return Conversation(self._loop, self.asgi, scope)

    async def _send(self, scope: Scope) -> Answer:
        sent: list[Message] = []
        requests: asyncio.Queue[Message] = asyncio.Queue()
        await requests.put({"type": "http.request", "body": b"", "more_body": False})

        async def send(message: Message) -> None:
            sent.append(message)
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                # Whoever receives after the answer is told so: ASGI specification, "Disconnect".
                await requests.put({"type": "http.disconnect"})

        try:
            await self.asgi(scope, requests.get, send)
        except Exception:
            # As servers do: log it, and answer if the app has not.
            _logger.exception("Exception in ASGI application")
        if not sent:
            return Answer(500, [], b"Internal Server Error")
        start, *rest = sent
        assert start["type"] == "http.response.start"
        assert all(message["type"] == "http.response.body" for message in rest)
        assert [message.get("more_body", False) for message in rest][-1:] == [False]
        body = b"".join(message.get("body", b"") for message in rest)
        headers = decoded(start["headers"])
        # Servers send no content where HTTP forbids it, whatever the app says: RFC 9110 section 6.4.1.
        bodiless = scope["method"] == "HEAD" or start["status"] in (204, 304)
        return Answer(start["status"], headers, b"" if bodiless else body)


class Conversation:
    """The messages between a server and an app for one scope; the loop runs only while one is awaited."""

    def __init__(self, loop: asyncio.AbstractEventLoop, app: ASGIApp, scope: Scope) -> None:
        self._loop = loop
        self._received: asyncio.Queue[Message] = asyncio.Queue()
        self._sent: asyncio.Queue[Message | None] = asyncio.Queue()
        self._task = loop.create_task(self._run(app, scope))

    async def _run(self, app: ASGIApp, scope: Scope) -> None:
        try:
            await app(scope, self._received.get, self._sent.put)
        except Exception:
            _logger.exception("Exception in ASGI application")
        finally:
            self._sent.put_nowait(None)

    def tell(self, message: Message) -> None:
        """What the app receives next."""
        self._received.put_nowait(message)

    def next(self, seconds: float) -> Message | None:
        """What the app sends next; None where it has ended. Raises `TimeoutFailure`."""

        async def wait() -> Message | None:
            try:
                return await asyncio.wait_for(self._sent.get(), seconds)
            except TimeoutError:
                raise TimeoutFailure("the app sends nothing") from None

        message = self._loop.run_until_complete(wait())
        if message is None:
            self._sent.put_nowait(None)  # For whoever asks again.
        return message

    def end(self, message: Message) -> None:
        """Tells the app that the client has gone. Raises `TimeoutFailure` where it goes on all the same."""
        self.tell(message)

        async def wait() -> None:
            await asyncio.wait([self._task], timeout=_SECONDS)

        self._loop.run_until_complete(wait())
        if not self._task.done():
            self._task.cancel()
            raise TimeoutFailure("the app works on for a client that has gone")


class InProcessInFlight(InFlight):
    """A request in flight to an app in this process."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._start: Answer | None = None
        self._complete = False
        conversation.tell({"type": "http.request", "body": b"", "more_body": False})

    def start(self, seconds: float = _SECONDS) -> Answer:
        if self._start is None:
            message = self._conversation.next(seconds)
            if message is None:
                raise IncompleteAnswerFailure("the app sent no answer")
            self._start = Answer(message["status"], decoded(message["headers"]), b"")
        return self._start

    def read(self, seconds: float = _SECONDS) -> bytes:
        self.start(seconds)
        while not self._complete:
            message = self._conversation.next(seconds)
            if message is None:
                raise IncompleteAnswerFailure("the app did not complete its answer")
            self._complete = not message.get("more_body", False)
            if message.get("body", b""):
                return bytes(message["body"])
        return b""

    def hang_up(self) -> None:
        self._conversation.end({"type": "http.disconnect"})


class InProcessWebSocket(WebSocket):
    """`WebSocket` of the suite. Raises `HandshakeFailure` where the app does not accept."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._closed: Closed | None = None
        conversation.tell({"type": "websocket.connect"})
        message = conversation.next(_SECONDS) or {"type": "nothing"}
        if message["type"] != "websocket.accept":
            conversation.end({"type": "websocket.disconnect", "code": 1006})
            # A close before the handshake is answered 403: ASGI specification, "Close - send event". Anything
            # but the extension for other answers is an error of the app's.
            status = {
                "websocket.close": 403,
                "websocket.http.response.start": message.get("status"),
            }.get(message["type"], 500)
            raise HandshakeFailure(Answer(status or 500, [], b""))

    def send(self, *fragments: str | bytes) -> None:
        texts = [fragment for fragment in fragments if isinstance(fragment, str)]
        binary = [fragment for fragment in fragments if isinstance(fragment, bytes)]
        data = {"text": None, "bytes": b"".join(binary)} if binary else {"text": "".join(texts)}
        self._conversation.tell({"type": "websocket.receive", **data})

    def receive(self, seconds: float = _SECONDS) -> str | bytes | Closed:
        if self._closed is not None:
            return self._closed
        message = self._conversation.next(seconds)
        if message is not None and message["type"] == "websocket.send":
            text: str | None = message.get("text")
            return bytes(message["bytes"]) if text is None else text
        self._closed = Closed(1006 if message is None else message.get("code", 1000))
        return self._closed

    def close(self, code: int = 1000) -> None:
        self._closed = Closed(code)
        self._conversation.end({"type": "websocket.disconnect", "code": code})

    def hang_up(self) -> None:
        code = 1006 if self._closed is None else self._closed.code
        self._closed = Closed(code)
        self._conversation.end({"type": "websocket.disconnect", "code": code})


def decoded(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    return [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in headers]


def scope_of(request: Request, mount: Mount) -> Scope:
    """The scope in which a server hands that request on through that mount."""
    target, _, query = request.target.partition("?")
    raw_path = (quote(mount.prefix) if mount.client_sends_prefix else "") + target
    headers = [("Host", "connect.example.org"), *request.headers]
    if mount.base_url:
        headers.append(("RStudio-Connect-App-Base-URL", mount.external_url))
    return {
        "type": "http",
        "asgi": ASGI,
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": unquote(raw_path),
        "raw_path": raw_path.encode("ascii"),
        "query_string": query.encode("ascii"),
        "root_path": mount.prefix if mount.root_path else "",
        "headers": [(name.lower().encode(), encoded(value)) for name, value in headers],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 80),
        "state": {},
    }


def websocket_scope_of(request: Request, mount: Mount) -> Scope:
    """The scope of a handshake, with the extension that lets an app refuse it in its own words."""
    scope = scope_of(request, mount)
    del scope["method"]
    extensions: dict[str, dict[str, str]] = {"websocket.http.response": {}}
    return {
        **scope,
        "type": "websocket",
        "scheme": "ws",
        "subprotocols": [],
        "extensions": extensions,
    }


def encoded(value: str | bytes) -> bytes:
    """A header's bytes: text is UTF-8, as Connect writes it."""
    return value if isinstance(value, bytes) else value.encode("utf-8")


@contextmanager
def environment(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


IN_PROCESS = frozenset(Capability) - {Capability.DATABASE, Capability.PROCESS}


@dataclass(frozen=True, kw_only=True)
class InProcessClient(Client):
    """Reaches an app in this process."""

    framework: Framework
    app: InProcessApp = field(repr=False)
    capabilities: frozenset[Capability] = IN_PROCESS
    store: StoreName | None = "json"

    def _context(self) -> AbstractContextManager[None]:
        return environment("CONNECT_HEADERS", "trust" if self.trust else "ignore")

    def _send(self, request: Request) -> Answer:
        return self.app.send(scope_of(request, self.mount))

    def _send_together(self, requests: Sequence[Request]) -> list[Timed]:
        return self.app.send_together([scope_of(request, self.mount) for request in requests])

    def _begin(self, request: Request) -> InProcessInFlight:
        return InProcessInFlight(self.app.open(scope_of(request, self.mount)))

    def _open_websocket(self, request: Request) -> InProcessWebSocket:
        return InProcessWebSocket(self.app.open(websocket_scope_of(request, self.mount)))

    def untrusting(self) -> "InProcessClient":
        # The app takes no prefix from a header that it does not trust.
        return replace(self, trust=False, mount=self.mount if self.mount.root_path else BARE)

    def inside(self, layer: Callable[[ASGIApp], ASGIApp]) -> "InProcessClient":
        """Returns a client of the same app inside an ASGI layer."""
        app = copy.copy(self.app)
        app.asgi = layer(app.asgi)
        return replace(self, app=app)

    def through(self, mount: Mount) -> "InProcessClient":
        return replace(self, mount=mount)

    def minimal(self) -> "InProcessClient":
        return replace(self, app=minimal_app(self.framework), mount=BARE)

    def log(self, awaited: str) -> str:
        log = self.app.log()
        assert awaited in log
        return log


def load(framework: Framework) -> ASGIApp:
    """The application behind the framework's entry point."""
    module, _, attribute = framework.entrypoint.partition(":")
    app: ASGIApp = getattr(import_module(module), attribute)
    return app


@cache
def minimal_app(framework: Framework) -> InProcessApp:
    """Runs the framework's own first example: `minimal` in `[tool.contract]`."""
    # Registered as imported modules are: frameworks look annotations up there.
    module = ModuleType(f"minimal_{framework.name}")
    sys.modules[module.__name__] = module
    exec(framework.contract["minimal"], module.__dict__)
    return InProcessApp(module.__dict__["app"])
