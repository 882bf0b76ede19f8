"""A connection of the client, for measures in which many requests wait at the same time."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Self

import h11

from comparison.bench.client import Answer

_CHUNK_BYTES = 64 * 1024


class LostAnswerError(Exception):
    """The connection ended, or was refused, before the answer was complete."""


class Connection:
    """One connection to 127.0.0.1. It is used for one request after another."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.CLIENT)

    @classmethod
    async def open(cls, port: int) -> Self:
        """Raises `OSError` if the connection is refused."""
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def get(self, target: str, headers: Iterable[tuple[str, str]] = ()) -> Answer:
        """Sends GET and returns the whole answer. Raises `LostAnswerError`."""
        response = await self.start(target, headers)
        body = bytearray()
        while (data := await self.data()) is not None:
            body += data
        pairs = [(name.decode(), value.decode("latin-1")) for name, value in response.headers]
        return Answer(response.status_code, tuple(pairs), bytes(body))

    async def start(self, target: str, headers: Iterable[tuple[str, str]] = ()) -> h11.Response:
        """Sends GET and returns the status and the headers. Raises `LostAnswerError`."""
        if self._http.our_state is h11.DONE:
            self._http.start_next_cycle()
        request = h11.Request(method="GET", target=target, headers=[("Host", "bench"), *headers])
        sent = (self._http.send(request) or b"") + (self._http.send(h11.EndOfMessage()) or b"")
        try:
            self._writer.write(sent)
            await self._writer.drain()
        except OSError as error:
            raise LostAnswerError(f"{target}: {error}") from error
        event = await self._next()
        if not isinstance(event, h11.Response):
            raise LostAnswerError(f"{target}: no answer")
        return event

    async def data(self) -> bytes | None:
        """Returns the next part of the body; None at its end. Raises `LostAnswerError`."""
        match await self._next():
            case h11.Data(data=data):
                return bytes(data)
            case h11.EndOfMessage():
                return None
        raise LostAnswerError("the answer is incomplete")

    async def _next(self) -> object:
        try:
            while (event := self._http.next_event()) is h11.NEED_DATA:
                self._http.receive_data(await self._reader.read(_CHUNK_BYTES))
        except (OSError, h11.RemoteProtocolError) as error:
            raise LostAnswerError(str(error)) from error
        return event

    def hang_up(self) -> None:
        """Closes the connection at once."""
        self._writer.transport.abort()


@asynccontextmanager
async def open_connections(port: int, count: int) -> AsyncIterator[list[Connection]]:
    """Opens that many connections, and hangs up at the end. Raises `OSError`."""
    opened: list[Connection] = []
    try:
        for _ in range(count):
            opened.append(await Connection.open(port))
        yield opened
    finally:
        for connection in opened:
            connection.hang_up()
