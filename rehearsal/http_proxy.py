"""One http request through the gateway: streamed both ways, and given up when the client hangs up."""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass

import h11
from starlette.types import Receive, Scope, Send

from rehearsal.headers import Headers, Rewrite

LOG = logging.getLogger("rehearsal.gateway")
CONNECT_SECONDS = 5.0
MAX_HEAD_BYTES = 256 * 1024
_CHUNK_BYTES = 64 * 1024


class UpstreamRefusedError(Exception):
    """The app's port does not take connections, or does not speak HTTP: 502."""


class UpstreamSlowError(Exception):
    """The app did not answer in time: 504."""


@dataclass
class Head:
    """Status and headers of the app's answer, before its body."""

    status: int
    headers: Headers


async def connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A new connection to an app on loopback. Raises `UpstreamRefusedError`, `UpstreamSlowError`.

    One connection per request: a kept one could be closed by the app just as it is used again, and the
    request is not ours to repeat.
    """
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            return await asyncio.open_connection("127.0.0.1", port)
    except TimeoutError as error:
        raise UpstreamSlowError from error
    except OSError as error:
        raise UpstreamRefusedError from error


def _framing(scope: Scope) -> Headers:
    """How the body is delimited towards the app: as towards us (RFC 9112, 6.3: chunked wins)."""
    named = {name.lower(): value for name, value in scope["headers"]}
    if b"transfer-encoding" in named:
        return [(b"transfer-encoding", b"chunked")]
    if b"content-length" in named:
        return [(b"content-length", named[b"content-length"])]
    return []


class Exchange:
    """A request and its response on one connection to the app."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, response_seconds: float
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._response_seconds = response_seconds
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD_BYTES)
        self._deadline: asyncio.Timeout | None = None

    def _await_app(self, waiting: bool) -> None:
        """The clock for the head of the answer runs only while the app, not the client, has the word."""
        if self._deadline is not None:
            now = asyncio.get_running_loop().time()
            self._deadline.reschedule(now + self._response_seconds if waiting else None)

    def _write(self, event: h11.Request | h11.Data | h11.EndOfMessage) -> None:
        data = self._http.send(event)
        if data:
            self._writer.write(data)

    async def upload(self, request: h11.Request, receive: Receive) -> None:
        """Send the request as the client sends it; return when the client has gone, and only then."""
        self._write(request)
        writable = True
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            if not writable or self._http.our_state is not h11.SEND_BODY:
                continue
            self._await_app(True)
            if body := message.get("body"):
                self._write(h11.Data(data=body))
            more = message.get("more_body", False)
            if not more:
                self._write(h11.EndOfMessage())
            try:
                await self._writer.drain()
            except OSError:
                writable = False  # It may have answered before it stopped reading: let `head` see.
            if more and writable:
                self._await_app(False)

    async def _next_event(self) -> object:
        while True:
            event = self._http.next_event()
            if event is not h11.NEED_DATA:
                return event
            self._http.receive_data(await self._reader.read(_CHUNK_BYTES))

    async def head(self) -> Head:
        """The final response's head. Raises `UpstreamRefusedError`, `UpstreamSlowError`."""
        try:
            async with asyncio.timeout(self._response_seconds) as self._deadline:
                event = await self._next_event()
                while isinstance(event, h11.InformationalResponse):
                    event = await self._next_event()
        except TimeoutError as error:
            raise UpstreamSlowError from error
        except (OSError, h11.RemoteProtocolError) as error:
            raise UpstreamRefusedError from error
        finally:
            self._deadline = None
        if not isinstance(event, h11.Response):
            raise UpstreamRefusedError
        return Head(event.status_code, list(event.headers))

    async def body(self) -> AsyncIterator[bytes]:
        """The response's body as it comes. Raises `OSError`, `h11.RemoteProtocolError` when it is cut short."""
        while True:
            event = await self._next_event()
            if not isinstance(event, h11.Data):
                return
            yield bytes(event.data)


async def proxy_http(
    scope: Scope,
    receive: Receive,
    send: Send,
    *,
    port: int,
    target: bytes,
    headers: Headers,
    rewrite: Rewrite,
    response_seconds: float,
) -> None:
    """Proxy one request to the app on `port`.

    Raises `UpstreamRefusedError` and `UpstreamSlowError` before anything was sent to the client. A body
    that the app cuts short is cut short for the client too: the connection ends without the last chunk.
    """
    reader, writer = await connect(port)
    exchange = Exchange(reader, writer, response_seconds)
    host = [(name, value) for name, value in scope["headers"] if name.lower() == b"host"]
    request = h11.Request(
        method=scope["method"],
        target=target,
        headers=[
            *(host or [(b"host", f"127.0.0.1:{port}".encode())]),
            *headers,
            *_framing(scope),
            (b"connection", b"close"),
        ],
    )

    async def download() -> None:
        head = await exchange.head()
        answer = {"status": head.status, "headers": rewrite(head.headers)}
        await send({"type": "http.response.start", **answer})
        try:
            async for chunk in exchange.body():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        except (OSError, h11.RemoteProtocolError):
            LOG.warning("The app on port %d cut its answer short", port)
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
        # Abort, not close: where the client hung up the app must notice now, not after a flush.
        writer.transport.abort()
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome
