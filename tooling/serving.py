"""A listening socket, and uvicorn in this process to serve an ASGI application on it."""

import contextlib
import errno
import logging
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from tooling.errors import UsageError
from tooling.protocols import HTTPProtocol, WebSocketProtocol

MAX_MESSAGE_BYTES = 1024 * 1024
"""The size limit of a websocket message from a client."""


class Server(uvicorn.Server):
    """uvicorn without signal handlers; the caller handles signals."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                # h11 passes the request target unchanged; httptools parses it first.
                http=HTTPProtocol,
                h11_max_incomplete_event_size=256 * 1024,
                # websockets-sansio reports each refused handshake as an error of the application:
                # https://github.com/Kludex/uvicorn/pull/3138. Headers above 8 KiB make it hang.
                ws=WebSocketProtocol,
                ws_max_size=MAX_MESSAGE_BYTES,
                # wsproto unpacks a frame before it looks at its size.
                ws_per_message_deflate=False,
                lifespan="auto",
                log_level="warning",
                access_log=False,
                # The app's own Server and Date headers are forwarded; a second pair must not be
                # added.
                server_header=False,
                date_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=1,
            )
        )

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Closes open connections after a second, and logs no traceback of it."""
        logger = logging.getLogger("uvicorn.error")
        level = logger.level
        logger.setLevel(logging.CRITICAL + 1)
        try:
            await super().shutdown(sockets)
        finally:
            logger.setLevel(level)


def listen(host: str, port: int, command: str = "run") -> socket.socket:
    """Returns a socket bound to that address; port 0 is any free port.

    Raises `UsageError`. For a port in use, the error names a free one for `make <command>`.
    """
    try:
        return _bind(host, port)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            wrong = "PORT" if error.errno == errno.EACCES else "HOST"
            raise UsageError(
                f"Cannot listen on port {port} of {host}: {error.strerror}; set {wrong}."
            ) from None
        raise UsageError(
            f"Port {port} on {host} is in use: stop the process there, or choose another port"
            f" (make {command} PORT={_free_port_after(port, host)})."
        ) from None


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio sets TCP_NODELAY only on sockets created with it.
    # Without TCP_NODELAY every response in two parts waits 40 ms for the client's acknowledgement.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        # Linux lets two sockets with SO_REUSEADDR bind one port while neither listens.
        sock.listen(1024)
    except OSError:
        sock.close()
        raise
    return sock


def _free_port_after(taken: int, host: str) -> int:
    """Returns the next free port after `taken`, or 0, which stands for any port."""
    for port in range(taken + 1, min(taken + 100, 65536)):
        with contextlib.suppress(OSError):
            _bind(host, port).close()
            return port
    return 0
