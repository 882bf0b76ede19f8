"""A connection to an app on loopback."""

import asyncio
import socket
from typing import Self

CONNECT_SECONDS = 5.0
_CHUNK_BYTES = 64 * 1024


class UpstreamRefusedError(Exception):
    """The app does not accept connections, or does not speak HTTP: 502."""


class UpstreamSlowError(Exception):
    """The app did not answer in time: 504."""


class Connection:
    """A plain socket, on which writing may fail while reading still works.

    An app may answer and stop reading before it has received the whole request. Then writing fails,
    but the response can still be read. In a stream pair, both directions fail together.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self._writing = asyncio.Lock()

    @classmethod
    async def open(cls, port: int) -> Self:
        """Connects to the port. Raises `UpstreamRefusedError`, `UpstreamSlowError`.

        Each request has its own connection. The app could close a reused connection just before the
        next request, and the gateway must not repeat requests.
        """
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            async with asyncio.timeout(CONNECT_SECONDS):
                await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
        except BaseException as error:
            sock.close()
            if isinstance(error, TimeoutError):
                raise UpstreamSlowError from error
            if isinstance(error, OSError):
                raise UpstreamRefusedError from error
            raise
        return cls(sock)

    async def read(self) -> bytes:
        """Returns the received bytes, at most 64 KiB; empty at the end. Raises `OSError`."""
        return await self._loop.sock_recv(self._sock, _CHUNK_BYTES)

    async def write(self, data: bytes) -> None:
        """Returns when the kernel has accepted all bytes. Raises `OSError`."""
        async with self._writing:
            await self._loop.sock_sendall(self._sock, data)

    def close(self) -> None:
        """Closes the socket. No read or write may be pending."""
        self._sock.close()
