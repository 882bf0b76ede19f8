"""A connection to an app on loopback."""

import asyncio
import socket
from typing import Self

CONNECT_SECONDS = 5.0
_CHUNK_BYTES = 64 * 1024


class UpstreamRefusedError(Exception):
    """The app's port does not take connections, or does not speak HTTP: 502."""


class UpstreamSlowError(Exception):
    """The app did not answer in time: 504."""


class Connection:
    """A plain socket rather than a stream pair, whose two directions fail together.

    An app may answer, and stop reading, before it has the whole request: then writing fails while
    the answer still waits to be read.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self._writing = asyncio.Lock()

    @classmethod
    async def open(cls, port: int) -> Self:
        """Raises `UpstreamRefusedError`, `UpstreamSlowError`.

        One connection per request: a kept one could be closed by the app just as it is used again,
        and the request is not ours to repeat.
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
        """What has come, at most 64 KiB; empty at the end. Raises `OSError`."""
        return await self._loop.sock_recv(self._sock, _CHUNK_BYTES)

    async def write(self, data: bytes) -> None:
        """Returns when the kernel has taken it all. Raises `OSError`."""
        async with self._writing:
            await self._loop.sock_sendall(self._sock, data)

    def close(self) -> None:
        """To be called when nothing reads or writes any more."""
        self._sock.close()
