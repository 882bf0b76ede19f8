"""Serves an ASGI application in a thread of the test."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator

from starlette.types import ASGIApp

from tooling.serving import Server, listen


@contextlib.contextmanager
def serving(app: ASGIApp, sock: socket.socket | None = None) -> Iterator[str]:
    """Serve `app` on a free loopback port, or on a socket that listens, in a thread, while the
    context lasts.

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
