"""Reaches an app as a server would, without one: raw ASGI scopes of any form."""

import asyncio
import io
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import import_module
from typing import Any
from urllib.parse import quote, unquote

from rehearsal.frameworks import Framework
from shared.asgi import ASGIApp, Message, Scope
from tests.contract.model import Answer, Client, Exchange, Headers, Mount, Power, Request

_SECONDS = 10.0

_logger = logging.getLogger("tests.contract.in_process")

ASGI = {"version": "3.0", "spec_version": "2.3"}


class Host:
    """Runs an ASGI application in an event loop of its own, which stands still between requests."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._runner = asyncio.Runner()
        self._log = io.StringIO()
        self._handler = logging.StreamHandler(self._log)
        logging.getLogger().addHandler(self._handler)
        self._events: asyncio.Queue[Message] = asyncio.Queue()
        self._answers: asyncio.Queue[Message] = asyncio.Queue()
        self._lifespan = self._runner.get_loop().create_task(self._run_lifespan())
        started = self._speak("lifespan.startup")
        assert started["type"] == "lifespan.startup.complete", started

    async def _run_lifespan(self) -> None:
        await self.app(
            {"type": "lifespan", "asgi": ASGI, "state": {}}, self._events.get, self._answers.put
        )

    def _speak(self, event: str) -> Message:
        async def speak() -> Message:
            await self._events.put({"type": event})
            return await asyncio.wait_for(self._answers.get(), _SECONDS)

        return self._runner.run(speak())

    def close(self) -> None:
        """Ends the app's lifespan, as a server that shuts down does."""
        stopped = self._speak("lifespan.shutdown")
        self._runner.close()
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
        return self._runner.run(asyncio.wait_for(self._send(scope), _SECONDS))

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
            await self.app(scope, requests.get, send)
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
        headers = [(n.decode("latin-1").lower(), v.decode("latin-1")) for n, v in start["headers"]]
        # Servers send no content where HTTP forbids it, whatever the app says: RFC 9110 section 6.4.1.
        bodiless = scope["method"] == "HEAD" or start["status"] in (204, 304)
        return Answer(start["status"], headers, b"" if bodiless else body)


def scope_of(request: Request, mount: Mount) -> Scope:
    """The scope in which a server hands that request on through that mount."""
    target, _, query = request.target.partition("?")
    raw_path = (quote(mount.prefix) if mount.path == "included" else "") + target
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


@dataclass(frozen=True)
class InProcessClient(Client):
    """`client` of the suite, for apps in this process."""

    framework: Framework
    host: Host
    mount: Mount
    powers: frozenset[Power] = frozenset(Power)
    trust: bool = True
    exchanges: list[Exchange] = field(default_factory=list)
    observations: list[str] = field(default_factory=list)

    def request(self, method: str, target: str, headers: Headers = ()) -> Answer:
        request = Request(method, target, headers)
        with environment("CONNECT_HEADERS", "trust" if self.trust else "ignore"):
            answer = self.host.send(scope_of(request, self.mount))
        self.exchanges.append(Exchange(request, answer, self.mount, self.trust))
        assert b"Traceback (most recent call last)" not in answer.body
        return answer

    def untrusting(self) -> "InProcessClient":
        # Without trust a header tells no prefix.
        mount = self.mount if self.mount.root_path else Mount("bare")
        return replace(self, trust=False, mount=mount)

    def through(self, mount: Mount) -> "InProcessClient":
        return replace(self, mount=mount)

    def minimal(self) -> "InProcessClient":
        return replace(self, host=minimal_host(self.framework), mount=Mount("bare"))

    def observe(self, what: str) -> None:
        self.observations.append(what)

    def log(self, awaited: str) -> str:
        log = self.host.log()
        assert awaited in log
        return log


def load(framework: Framework) -> ASGIApp:
    """The application behind the framework's entry point."""
    module, _, attribute = framework.entrypoint.partition(":")
    app: ASGIApp = getattr(import_module(module), attribute)
    return app


@cache
def minimal_host(framework: Framework) -> Host:
    """Runs the framework's own first example: `minimal` in `[tool.contract]`."""
    namespace: dict[str, Any] = {"__name__": f"minimal_{framework.name}"}
    exec(framework.contract["minimal"], namespace)
    return Host(namespace["app"])
