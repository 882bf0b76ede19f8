"""Sends a generated request to every app, over a socket of its own."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import h11

from tests.contract.sockets import NoAnswerFailure, Reader
from tests.contract.vocabulary import Answer, Request
from tests.differential.compared import Compared, compared
from tests.differential.sent import Sent
from tests.rehearsal.wire import TIMEOUT_SECONDS, dial
from tests.servers import server_process
from tooling.frameworks import Framework, find_frameworks
from tooling.processes import AppProcess, ServerKind

CONTINUE = b"HTTP/1.1 100 "

OF_THE_SERVER = ("connection", "date", "server")
"""Headers that a server adds."""


@dataclass(frozen=True)
class SocketApp:
    """A process of an app on a server."""

    framework: Framework
    process: AppProcess

    def answer(self, sent: Sent) -> Compared:
        """The answer, as far as it is compared; the status 0 if the connection is closed instead.

        Raises `AssertionError` if the connection is neither usable afterwards nor closed.
        """
        with dial(self.process.url) as connection:
            whole = write(connection, sent)
            parser = h11.Connection(h11.CLIENT)
            try:
                answer = read(connection, parser, sent.request)
            except NoAnswerFailure:
                return {"status": 0}
            if whole and sent.request.method != "CONNECT":
                assert_usable_or_closed(connection, parser)
        headers = [header for header in answer.headers if header[0] not in OF_THE_SERVER]
        if sent.version == "1.1":
            headers = [header for header in headers if header[0] != "transfer-encoding"]
        return compared(replace(answer, headers=headers), self.framework)


def write(connection: socket.socket, sent: Sent) -> bool:
    """Sends the request. Returns whether all of it: a client that waits may be answered first."""
    connection.sendall(sent.head if sent.waits else sent.head + sent.body)
    if sent.waits:
        if not connection.recv(len(CONTINUE), socket.MSG_PEEK).startswith(CONTINUE):
            return False
        connection.sendall(sent.body)
    return True


def read(connection: socket.socket, parser: h11.Connection, request: Request) -> Answer:
    """The answer to a request that has been sent. Raises what `Reader` raises."""
    reader = Reader(connection, parser, request)
    answer = reader.start(TIMEOUT_SECONDS)
    if request.method == "HEAD" and answer.header("connection") == "close":
        # When uvicorn itself refuses HEAD, it sends a body that HTTP does not allow, and closes.
        while connection.recv(65536):
            pass
        return answer
    return replace(answer, body=b"".join(iter(lambda: reader.read(TIMEOUT_SECONDS), b"")))


def assert_usable_or_closed(connection: socket.socket, parser: h11.Connection) -> None:
    """Asserts that the connection takes another request after an answer, or has been closed.

    A server may close it after an answer that came before it had read the body; TCP then resets it
    (RFC 9112 section 9.6).
    """
    if parser.their_state is h11.DONE:
        parser.start_next_cycle()
        with suppress(ConnectionError, NoAnswerFailure):
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert read(connection, parser, Request("GET", "/health")).status == 200
    else:
        with suppress(ConnectionResetError):
            assert connection.recv(1) == b""


@contextmanager
def serving(server: ServerKind, root_path: str, logs: Path) -> Iterator[list[SocketApp]]:
    """All apps on that server."""
    with ExitStack() as stack:
        apps = [
            SocketApp(
                framework,
                stack.enter_context(
                    server_process(
                        framework.entrypoint,
                        log=logs / f"{framework.name}.log",
                        variables={"CONNECT_HEADERS": "trust"},
                        server=server,
                        root_path=root_path,
                    )
                ),
            )
            for framework in find_frameworks()
        ]
        for app in apps:
            app.process.wait_until_ready()
        yield apps
