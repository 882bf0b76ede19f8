"""Calls an app in this process as an ASGI server does, with scopes of any form."""

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
from urllib.parse import quote, unquote

from shared.asgi import ASGIApp, Message, Scope
from tests.contract.client import Client
from tests.contract.interfaces import InFlight, WebSocket
from tests.contract.vocabulary import (
    BARE,
    EXTERNAL_ORIGIN,
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
from tooling.frameworks import Framework

_SECONDS = 10.0

_logger = logging.getLogger("tests.contract.in_process")

ASGI = {"version": "3.0", "spec_version": "2.3"}


class InProcessApp:
    """Runs an ASGI application in an event loop of its own, which runs only during a request."""

    def __init__(self, app: ASGIApp) -> None:
        self.asgi = app
        # asyncio.Runner replaces the handler of SIGINT for each call, which is slow.
        self._loop = asyncio.new_event_loop()
        self._log = io.StringIO()
        self._handler = logging.StreamHandler(self._log)
        logging.getLogger().addHandler(self._handler)
        self._events: asyncio.Queue[Message] = asyncio.Queue()
        self._answers: asyncio.Queue[Message] = asyncio.Queue()
        self._lifespan = self._loop.create_task(self._run_lifespan())
        started = self._send_lifespan("lifespan.startup")
        assert started["type"] == "lifespan.startup.complete", started

    async def _run_lifespan(self) -> None:
        await self.asgi(
            {"type": "lifespan", "asgi": ASGI, "state": {}}, self._events.get, self._answers.put
        )

    def _send_lifespan(self, event: str) -> Message:
        async def send_and_receive() -> Message:
            await self._events.put({"type": event})
            return await asyncio.wait_for(self._answers.get(), _SECONDS)

        return self._loop.run_until_complete(send_and_receive())

    def close(self) -> None:
        """Sends lifespan.shutdown and closes the event loop."""
        stopped = self._send_lifespan("lifespan.shutdown")
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
        """The app's answers to requests without a body that are sent at the same moment."""

        async def ask(scope: Scope) -> Timed:
            begun = time.perf_counter()
            answer = await self._send(scope)
            return Timed(answer, time.perf_counter() - begun)

        async def ask_all() -> list[Timed]:
            async with asyncio.timeout(_SECONDS):
                return await asyncio.gather(*map(ask, scopes))

        return self._loop.run_until_complete(ask_all())

    def open(self, scope: Scope) -> "Conversation":
        """Calls the app with a scope; the caller sends and receives the messages one by one."""
        return Conversation(self._loop, self.asgi, scope)

    async def _send(self, scope: Scope) -> Answer:
        sent: list[Message] = []
        requests: asyncio.Queue[Message] = asyncio.Queue()
        await requests.put({"type": "http.request", "body": b"", "more_body": False})

        async def send(message: Message) -> None:
            sent.append(message)
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                # ASGI specification, "Disconnect - receive event": sent after the answer.
                await requests.put({"type": "http.disconnect"})

        try:
            await self.asgi(scope, requests.get, send)
        except Exception:
            # Servers log the exception, and answer 500 if the app has not answered.
            _logger.exception("Exception in ASGI application")
        if not sent:
            return Answer(500, [], b"Internal Server Error")
        start, *rest = sent
        assert start["type"] == "http.response.start"
        assert all(message["type"] == "http.response.body" for message in rest)
        assert [message.get("more_body", False) for message in rest][-1:] == [False]
        body = b"".join(message.get("body", b"") for message in rest)
        headers = decoded(start["headers"])
        # Servers drop the content where HTTP forbids it: RFC 9110 section 6.4.1.
        bodiless = scope["method"] == "HEAD" or start["status"] in (204, 304)
        return Answer(start["status"], headers, b"" if bodiless else body)


class Conversation:
    """One call of an app. The event loop runs only while a message is awaited."""

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

    def send(self, message: Message) -> None:
        """Queues a message that the app receives."""
        self._received.put_nowait(message)

    def receive(self, seconds: float) -> Message | None:
        """Returns the app's next message; None if the app has returned. Raises `TimeoutFailure`."""

        async def wait() -> Message | None:
            try:
                return await asyncio.wait_for(self._sent.get(), seconds)
            except TimeoutError:
                raise TimeoutFailure("the app sent no message before the timeout") from None

        message = self._loop.run_until_complete(wait())
        if message is None:
            self._sent.put_nowait(None)  # For the next call.
        return message

    def disconnect(self, message: Message) -> None:
        """Sends a disconnect message. Raises `TimeoutFailure` if the app does not return."""
        self.send(message)

        async def wait() -> None:
            await asyncio.wait([self._task], timeout=_SECONDS)

        self._loop.run_until_complete(wait())
        if not self._task.done():
            self._task.cancel()
            raise TimeoutFailure("the app still runs after the client has disconnected")


class InProcessInFlight(InFlight):
    """A request in flight to an app in this process."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._start: Answer | None = None
        self._complete = False
        conversation.send({"type": "http.request", "body": b"", "more_body": False})

    def start(self, seconds: float = _SECONDS) -> Answer:
        if self._start is None:
            message = self._conversation.receive(seconds)
            if message is None:
                raise IncompleteAnswerFailure("the app sent no answer")
            self._start = Answer(message["status"], decoded(message["headers"]), b"")
        return self._start

    def read(self, seconds: float = _SECONDS) -> bytes:
        self.start(seconds)
        while not self._complete:
            message = self._conversation.receive(seconds)
            if message is None:
                raise IncompleteAnswerFailure("the app did not complete its answer")
            self._complete = not message.get("more_body", False)
            if message.get("body", b""):
                return bytes(message["body"])
        return b""

    def hang_up(self) -> None:
        self._conversation.disconnect({"type": "http.disconnect"})


class InProcessWebSocket(WebSocket):
    """An open websocket of an app in this process.

    The constructor raises `HandshakeFailure` if the app does not accept.
    """

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._closed: Closed | None = None
        conversation.send({"type": "websocket.connect"})
        message = conversation.receive(_SECONDS) or {"type": "nothing"}
        if message["type"] != "websocket.accept":
            conversation.disconnect({"type": "websocket.disconnect", "code": 1006})
            # ASGI specification, "Close - send event": a close before the accept is answered 403.
            # The extension "websocket.http.response" has a status. Any other message is an error.
            status = {
                "websocket.close": 403,
                "websocket.http.response.start": message.get("status"),
            }.get(message["type"], 500)
            raise HandshakeFailure(Answer(status or 500, [], b""))

    def send(self, *fragments: str | bytes) -> None:
        texts = [fragment for fragment in fragments if isinstance(fragment, str)]
        binary = [fragment for fragment in fragments if isinstance(fragment, bytes)]
        data = {"text": None, "bytes": b"".join(binary)} if binary else {"text": "".join(texts)}
        self._conversation.send({"type": "websocket.receive", **data})

    def receive(self, seconds: float = _SECONDS) -> str | bytes | Closed:
        if self._closed is not None:
            return self._closed
        message = self._conversation.receive(seconds)
        if message is not None and message["type"] == "websocket.send":
            text: str | None = message.get("text")
            return bytes(message["bytes"]) if text is None else text
        assert message is None or message["type"] == "websocket.close", message
        self._closed = Closed(1006 if message is None else message.get("code", 1000))
        return self._closed

    def close(self, code: int = 1000) -> None:
        self._closed = Closed(code)
        self._conversation.disconnect({"type": "websocket.disconnect", "code": code})

    def hang_up(self) -> None:
        code = 1006 if self._closed is None else self._closed.code
        self._closed = Closed(code)
        self._conversation.disconnect({"type": "websocket.disconnect", "code": code})


def decoded(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    return [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in headers]


HOST = "host.example"


def scope_of(request: Request, mount: Mount) -> Scope:
    """The scope of a request that reaches a server through the mount."""
    target, _, query = request.target.partition("?")
    raw_path = (quote(mount.prefix) if mount.client_sends_prefix else "") + target
    headers = [("Host", HOST), *request.headers]
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
    """The scope of a handshake, with the extension that lets an app choose the refusal."""
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
    """The bytes of a header's value: text is encoded as UTF-8, as Connect does."""
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


IN_PROCESS = frozenset(Capability) - {
    Capability.DATABASE,
    Capability.PROCESS,
    Capability.TRAILERS,
}


@dataclass(frozen=True, kw_only=True)
class InProcessClient(Client):
    """Reaches an app in this process."""

    framework: Framework
    app: InProcessApp = field(repr=False)
    capabilities: frozenset[Capability] = IN_PROCESS
    store: StoreName | None = "json"

    @property
    def origin(self) -> str:
        return EXTERNAL_ORIGIN if self.mount.base_url else f"http://{HOST}"

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
    """Runs the first example of the framework's documentation: `minimal` in `[tool.contract]`."""
    # Frameworks resolve annotations in sys.modules.
    module = ModuleType(f"minimal_{framework.name}")
    sys.modules[module.__name__] = module
    exec(framework.contract["minimal"], module.__dict__)
    return InProcessApp(module.__dict__["app"])
