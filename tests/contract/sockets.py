"""Connections over HTTP/1.1 that send request targets byte for byte."""

import socket
import ssl
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from urllib.parse import urlsplit

import h11

from tests.contract.in_process import encoded
from tests.contract.interfaces import InFlight
from tests.contract.vocabulary import (
    Answer,
    Headers,
    IncompleteAnswerFailure,
    Request,
    Timed,
    TimeoutFailure,
)
from tests.contract.websockets import SocketWebSocket

_SECONDS = 30.0


class NoAnswerFailure(IncompleteAnswerFailure):
    """The server closed the connection instead of answering."""


class Reader:
    """Reads one answer from a connection as it arrives."""

    def __init__(self, sock: socket.socket, parser: h11.Connection, request: Request) -> None:
        self._socket = sock
        self._parser = parser
        self._asked = f"{request.method} {request.target}"
        self._heard = False
        self._ended = False
        parser.send(h11.Request(method=request.method, target="/", headers=[("Host", "parser")]))
        parser.send(h11.EndOfMessage())

    def start(self, seconds: float) -> Answer:
        """Returns the status and the headers.

        Raises `NoAnswerFailure`, `IncompleteAnswerFailure` or `TimeoutFailure`.
        """
        deadline = time.monotonic() + seconds
        while not isinstance(event := self._next_event(deadline), h11.Response):
            pass  # A 1xx answer is followed by another: RFC 9110 section 15.2.
        pairs = [(n.decode("ascii").lower(), v.decode("latin-1")) for n, v in event.headers]
        return Answer(event.status_code, pairs, b"")

    def read(self, seconds: float) -> bytes:
        """Returns the next piece of the body; empty at its end.

        Raises `IncompleteAnswerFailure` or `TimeoutFailure`.
        """
        event = self._next_event(time.monotonic() + seconds)
        if isinstance(event, h11.Data):
            return bytes(event.data)
        leftover, _ = self._parser.trailing_data
        assert not leftover, f"{self._asked}: bytes after the answer: {leftover[:80]!r}"
        return b""

    def _next_event(self, deadline: float) -> object:
        while True:
            try:
                event = self._parser.next_event()
            except h11.RemoteProtocolError as error:
                if self._ended:
                    raise IncompleteAnswerFailure(f"{self._asked}: {error}") from error
                raise
            if event is not h11.NEED_DATA:
                return event
            self._parser.receive_data(self._receive(deadline))

    def _receive(self, deadline: float) -> bytes:
        self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
        try:
            data = self._socket.recv(65536)
        except TimeoutError as error:
            raise TimeoutFailure(f"{self._asked}: nothing arrived before the timeout") from error
        except ConnectionError as error:
            kind = IncompleteAnswerFailure if self._heard else NoAnswerFailure
            raise kind(f"{self._asked}: {error}") from error
        if not data and not self._heard:
            raise NoAnswerFailure(f"{self._asked}: the connection was closed before an answer")
        self._heard = True
        self._ended = not data
        return data


class Connection:
    """A connection to one server. It stays open between requests, and is reopened when closed.

    h11 parses the answers. Requests are written here: HTTP clients normalise dot segments, doubled
    slashes and percent-encodings, which the contract tests, and refuse targets that it sends.

    `authorization` is sent with every request. It is kept here, so that no failing test shows it.
    """

    def __init__(self, url: str, authorization: str = "") -> None:
        self._url = url, authorization
        parts = urlsplit(url)
        assert parts.hostname is not None
        self.host = parts.netloc.rpartition("@")[2]
        self.origin = f"{parts.scheme}://{self.host}"
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._address = (parts.hostname, parts.port or (443 if self._tls else 80))
        self._authorization = [("Authorization", authorization)] if authorization else []
        self._socket: socket.socket | None = None

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def open(self) -> None:
        """Connects if it is not connected. Raises `OSError`."""
        if self._socket is None:
            self._socket = self._open()

    def _open(self) -> socket.socket:
        self._parser = h11.Connection(h11.CLIENT)
        opened = socket.create_connection(self._address, timeout=_SECONDS)
        if self._tls is not None:
            opened = self._tls.wrap_socket(opened, server_hostname=self._address[0])
        return opened

    def send(self, request: Request) -> Answer:
        """Sends a request and returns its answer.

        Raises `OSError` if the server cannot be reached, `h11.RemoteProtocolError` if the answer is
        not HTTP.
        """
        fresh = self._socket is None
        if self._socket is None:
            self._socket = self._open()
        try:
            return self._send_on(self._socket, request)
        except (ConnectionError, NoAnswerFailure):
            self.close()
            if fresh:
                raise
            # A server may close a kept connection at any time: RFC 9112 section 9.3.1.
            return self.send(request)
        except BaseException:
            self.close()
            raise

    def _send_on(self, sock: socket.socket, request: Request) -> Answer:
        reader = self._write(sock, request)
        answer = reader.start(_SECONDS)
        body = b"".join(iter(lambda: reader.read(_SECONDS), b""))
        if self._parser.their_state is h11.DONE:
            self._parser.start_next_cycle()
        else:
            self.close()
        return replace(answer, body=body)

    def _write(self, sock: socket.socket, request: Request) -> Reader:
        headers = [("Host", self.host), *request.headers, *self._authorization]
        lines = [f"{request.method} {request.target} HTTP/1.1".encode("ascii")]
        if request.trailers:
            headers.append(("Transfer-Encoding", "chunked"))
        lines += [_line(*header) for header in headers]
        if request.trailers:
            lines += [b"", b"0", *(_line(*trailer) for trailer in request.trailers)]
        sock.settimeout(_SECONDS)
        sock.sendall(b"\r\n".join(lines) + b"\r\n\r\n")
        return Reader(sock, self._parser, request)

    def another(self) -> "Connection":
        """Returns a new connection to the same server, which is not open yet."""
        return Connection(*self._url)

    def begin(self, request: Request) -> Reader:
        """Opens the connection and sends a request. Raises `OSError`."""
        assert self._socket is None
        self._socket = self._open()
        return self._write(self._socket, request)

    def websocket(self, target: str, headers: Headers) -> SocketWebSocket:
        """Opens a websocket on a new socket. Raises `OSError` and what `SocketWebSocket` raises."""
        pairs = [(n.encode("ascii"), encoded(v)) for n, v in (*headers, *self._authorization)]
        return SocketWebSocket(self._open(), self.host, target, pairs)


def _line(name: str, value: str | bytes) -> bytes:
    return name.encode("ascii") + b": " + encoded(value)


def send_together(connection: Connection, requests: Sequence[Request]) -> list[Timed]:
    """Sends requests at the same moment, each on a connection of its own.

    Raises the exception of the first connection or request that fails.
    """
    if not requests:
        return []
    # All connections are opened before any request is sent.
    connections = [connection.another() for _ in requests]
    barrier = threading.Barrier(len(requests))

    def ask(own: Connection, request: Request) -> Timed:
        try:
            own.open()
        except BaseException:
            barrier.abort()
            raise
        barrier.wait()
        begun = time.perf_counter()
        answer = own.send(request)
        return Timed(answer, time.perf_counter() - begun)

    try:
        with ThreadPoolExecutor(len(requests)) as threads:
            asked = [threads.submit(ask, *each) for each in zip(connections, requests, strict=True)]
        errors = [error for one in asked if (error := one.exception())]
        for error in errors:
            # The barrier breaks for all requests if one connection cannot be opened.
            if not isinstance(error, threading.BrokenBarrierError):
                raise error
        return [one.result() for one in asked]
    finally:
        for own in connections:
            own.close()


class SocketInFlight(InFlight):
    """A request in flight on a connection of its own. The constructor raises `OSError`."""

    def __init__(self, connection: Connection, request: Request) -> None:
        self._connection = connection
        try:
            self._reader = connection.begin(request)
        except BaseException:
            connection.close()
            raise

    def start(self, seconds: float = 10.0) -> Answer:
        return self._reader.start(seconds)

    def read(self, seconds: float = 10.0) -> bytes:
        return self._reader.read(seconds)

    def hang_up(self) -> None:
        self._connection.close()
