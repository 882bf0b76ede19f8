"""Proxies one HTTP request: streams both bodies, and cancels when the client disconnects."""

import asyncio
import logging
from collections.abc import AsyncIterator

import h11
from starlette.types import Receive, Scope, Send

from rehearsal.proxy.connection import Connection, UpstreamRefusedError, UpstreamSlowError
from rehearsal.proxy.headers import Forward, Headers

LOG = logging.getLogger("rehearsal.proxy")
MAX_HEAD_BYTES = 256 * 1024


def _framing(scope: Scope) -> Headers:
    """Returns the client's framing of the body for the app (RFC 9112, 6.3: chunked wins)."""
    named = {name.lower(): value for name, value in scope["headers"]}
    if b"transfer-encoding" in named:
        return [(b"transfer-encoding", b"chunked")]
    if b"content-length" in named:
        return [(b"content-length", named[b"content-length"])]
    return []


class Exchange:
    """A request and its response on one connection to the app."""

    def __init__(self, connection: Connection, response_seconds: float) -> None:
        self._connection = connection
        self._response_seconds = response_seconds
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD_BYTES)
        self._deadline: float | None = None
        self._timeout: asyncio.Timeout | None = None

    def _run_timeout(self, running: bool) -> None:
        """Starts or stops the timeout for the head. It does not run while the client uploads."""
        now = asyncio.get_running_loop().time()
        self._deadline = now + self._response_seconds if running else None
        if self._timeout is not None:
            self._timeout.reschedule(self._deadline)

    async def upload(self, request: h11.Request, receive: Receive) -> None:
        """Forwards the request as it arrives. Returns only when the client disconnects."""
        pending = self._http.send(request) or b""
        writable = True
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            if not writable or self._http.our_state is not h11.SEND_BODY:
                continue
            pending += self._http.send(h11.Data(data=message.get("body", b""))) or b""
            more = message.get("more_body", False)
            if not more:
                pending += self._http.send(h11.EndOfMessage()) or b""
            self._run_timeout(True)
            try:
                await self._connection.write(pending)
            except OSError:
                writable = False  # The app may have answered before: `head` reads that.
            pending = b""
            if more and writable:
                self._run_timeout(False)

    async def _next_event(self) -> object:
        while True:
            event = self._http.next_event()
            if event is not h11.NEED_DATA:
                return event
            self._http.receive_data(await self._connection.read())

    async def head(self) -> h11.Response:
        """Returns the final head. Raises `UpstreamRefusedError`, `UpstreamSlowError`."""
        try:
            async with asyncio.timeout_at(self._deadline) as self._timeout:
                event = await self._next_event()
                while isinstance(event, h11.InformationalResponse):
                    event = await self._next_event()
        except TimeoutError as error:
            raise UpstreamSlowError from error
        except (OSError, h11.RemoteProtocolError) as error:
            raise UpstreamRefusedError from error
        finally:
            self._timeout = None
        if not isinstance(event, h11.Response):
            raise UpstreamRefusedError
        return event

    async def body(self) -> AsyncIterator[bytes]:
        """Yields the body of the response.

        Raises `OSError` or `h11.RemoteProtocolError` if the body is incomplete.
        """
        while True:
            event = await self._next_event()
            if not isinstance(event, h11.Data):
                return
            yield bytes(event.data)


async def proxy_http(forward: Forward, scope: Scope, receive: Receive, send: Send) -> None:
    """Proxies one request.

    Raises `UpstreamRefusedError` and `UpstreamSlowError` only before anything was sent to the
    client. If the app does not complete its body, the client's connection ends without the last
    chunk.
    """
    connection = await Connection.open(forward.port)
    exchange = Exchange(connection, forward.response_seconds)
    request = h11.Request(
        method=scope["method"],
        target=forward.target,
        headers=[
            (b"host", forward.host),
            *forward.headers,
            *_framing(scope),
            (b"connection", b"close"),
        ],
    )

    async def download() -> None:
        head = await exchange.head()
        headers = forward.rewrite(list(head.headers))
        start = {"status": head.status_code, "headers": headers}
        await send({"type": "http.response.start", **start})
        try:
            async for chunk in exchange.body():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        except (OSError, h11.RemoteProtocolError):
            LOG.warning("The app on port %d did not complete its response", forward.port)
            return
        await send({"type": "http.response.body", "body": b""})

    tasks = [
        asyncio.create_task(exchange.upload(request, receive)),
        asyncio.create_task(download()),
    ]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        connection.close()
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome
