"""Start-up and shutdown on servers without the lifespan protocol."""

import asyncio
from contextlib import suppress
from typing import Any

from shared.asgi import ASGIApp, Message, Receive, Scope, Send

SERVICE_RESTART = 1012
"""A websocket close code, registered with IANA under RFC 6455 section 11.7."""


class Lifespan:
    """ASGI middleware that starts the application before its first request.

    A server may not use the lifespan protocol (`uvicorn --lifespan off`; Connect is reported not to
    have used it before 2024.11). One framework then answers 500 to every request, and no
    application opens its store. In that case this layer starts the application once, at the first
    request. Such a server sends no shutdown event.

    At shutdown uvicorn closes websockets with the code 1012, "service restart". hypercorn cancels
    their tasks instead, which would close them with the code of an internal error, 1011. This layer
    sends 1012 there too.

    The lifespan scope always has the member `asgi`, which the specification requires. Without it
    some frameworks assume an ASGI 2 server and do not start. Source:
    https://asgi.readthedocs.io/en/latest/specs/lifespan.html.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._started = False
        self._starting: asyncio.Task[None] | None = None
        self._lifespan: asyncio.Future[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            self._started = True
            scope.setdefault("asgi", {"version": "3.0", "spec_version": "2.0"})
        elif not self._started:
            await self._start()
        if scope["type"] == "websocket":
            await self._converse(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _converse(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.app(scope, receive, send)
        finally:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                with suppress(Exception):  # It may be closed already.
                    await send({"type": "websocket.close", "code": SERVICE_RESTART})

    async def _start(self) -> None:
        if self._starting is None:
            self._starting = asyncio.create_task(self._run_startup())
        try:
            # Shielded: a client that disconnects must not cancel the start-up for all others.
            await asyncio.shield(self._starting)
        except Exception:
            self._starting = None  # The next request tries again.
            raise
        self._started = True

    async def _run_startup(self) -> None:
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        events: asyncio.Queue[Message] = asyncio.Queue()
        # The only event: such a server sends no shutdown event.
        events.put_nowait({"type": "lifespan.startup"})

        async def send(message: Message) -> None:
            if not answer.done():
                answer.set_result(message)

        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
        self._lifespan = asyncio.ensure_future(self.app(scope, events.get, send))
        waited: list[asyncio.Future[Any]] = [answer, self._lifespan]
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        # An application that raises here does not support the protocol, which is optional.
        if answer.done() and answer.result()["type"] != "lifespan.startup.complete":
            reason = answer.result().get("message", "no reason is given")
            raise RuntimeError(f"The application did not start: {reason}")
        if not answer.done():
            self._lifespan.exception()
