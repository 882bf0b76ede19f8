"""Runs an ASGI application on a socket of this process: in the foreground, or in a thread for a test."""

import asyncio
import contextlib
import errno
import logging
import socket
import threading
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp


class AddressInUseError(OSError):
    """Something else listens at that address."""


class Server(uvicorn.Server):
    """uvicorn, with the signals left to the caller."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                # h11 hands over the request target as it came; httptools parses it first.
                http="h11",
                h11_max_incomplete_event_size=256 * 1024,
                # websockets-sansio reports each refused handshake as an error of the application:
                # https://github.com/Kludex/uvicorn/pull/3138. Headers above 8 KiB make it hang.
                ws="wsproto",
                ws_max_size=2**31,
                lifespan="auto",
                log_level="warning",
                access_log=False,
                # The app's own Server and Date go through; the gateway's must not stand beside them.
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
        """Gives up what is still open after a second: as asked for, so nothing to log tracebacks about."""
        logger = logging.getLogger("uvicorn.error")
        logger.addFilter(_nothing)
        try:
            await super().shutdown(sockets)
        finally:
            logger.removeFilter(_nothing)


def _nothing(_: logging.LogRecord) -> bool:
    return False


def listen(host: str, port: int) -> socket.socket:
    """A socket bound to that address; port 0 is any free one. Raises `AddressInUseError`, `OSError`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named: asyncio sets TCP_NODELAY only on sockets that say TCP, and without that
    # every answer in two parts waits 40 ms for the client's acknowledgement.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        # Linux lets two sockets with SO_REUSEADDR bind one port as long as neither listens.
        sock.listen(1024)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise AddressInUseError(*error.args) from error
        raise
    return sock


def free_port_after(taken: int, host: str = "127.0.0.1") -> int:
    """The next port after `taken` that is free now, else 0, which stands for any."""
    for port in range(taken + 1, min(taken + 100, 65536)):
        with contextlib.suppress(OSError):
            listen(host, port).close()
            return port
    return 0


@contextlib.contextmanager
def serving(app: ASGIApp, sock: socket.socket | None = None) -> Iterator[str]:
    """Serve `app` on a free loopback port, or on a socket that listens, in a thread, while the context lasts.

    Gives `http://127.0.0.1:<port>`, without a final slash.
    """
    sock = sock or listen("127.0.0.1", 0)
    server = Server(app)
    failure: list[BaseException] = []

    def run() -> None:
        try:
            asyncio.run(server.serve(sockets=[sock]))
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        # The socket listens already: what comes before the server is up waits in its backlog.
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        sock.close()
        if failure:
            raise failure[0]
