"""Reaches an app over HTTP/1.1, on a server of this suite or at any URL, with request targets byte for byte."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol
from urllib.parse import urlsplit

import h11

from tests.contract.client import Client, FreshApp, InFlight, WebSocket
from tests.contract.in_process import encoded
from tests.contract.recording import Recorder
from tests.contract.vocabulary import (
    Answer,
    Capability,
    Exchange,
    Headers,
    IncompleteAnswerFailure,
    Mount,
    Request,
    StoreName,
    Timed,
    TimeoutFailure,
)
from tests.contract.websockets import SocketWebSocket
from tests.postgresql import Database

_SECONDS = 30.0


class NoAnswerFailure(IncompleteAnswerFailure):
    """The server closed the connection instead of answering."""


class Reader:
    """Reads one answer off a connection as it arrives."""

    def __init__(self, sock: socket.socket, parser: h11.Connection, request: Request) -> None:
        self._socket = sock
        self._parser = parser
        self._asked = f"{request.method} {request.target}"
        self._heard = False
        self._ended = False
        parser.send(h11.Request(method=request.method, target="/", headers=[("Host", "parser")]))
        parser.send(h11.EndOfMessage())

    def start(self, seconds: float) -> Answer:
        """The head of the answer. Raises `NoAnswerFailure`, `IncompleteAnswerFailure`, `TimeoutFailure`."""
        deadline = time.monotonic() + seconds
        while not isinstance(event := self._next_event(deadline), h11.Response):
            pass  # 1xx, RFC 9110 section 15.2: more is to come.
        pairs = [(n.decode("ascii").lower(), v.decode("latin-1")) for n, v in event.headers]
        return Answer(event.status_code, pairs, b"")

    def read(self, seconds: float) -> bytes:
        """The next piece of the body, empty at its end. Raises `IncompleteAnswerFailure`, `TimeoutFailure`."""
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
            raise TimeoutFailure(f"{self._asked}: nothing came in time") from error
        except ConnectionError as error:
            kind = IncompleteAnswerFailure if self._heard else NoAnswerFailure
            raise kind(f"{self._asked}: {error}") from error
        if not data and not self._heard:
            raise NoAnswerFailure(f"{self._asked}: the connection was closed before an answer")
        self._heard = True
        self._ended = not data
        return data


class Connection:
    """A connection to one server, kept open between requests and opened anew when the server has closed it.

    h11 reads the answers; requests are written here, since clients normalise what the contract asks about (dot
    segments, doubled slashes, percent-encodings) and refuse what it must be able to send.

    `authorization` goes with every request; it is kept here, out of what a failing test shows.
    """

    def __init__(self, url: str, authorization: str = "") -> None:
        self._url = url, authorization
        parts = urlsplit(url)
        assert parts.hostname is not None
        self.host = parts.netloc.rpartition("@")[2]
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._address = (parts.hostname, parts.port or (443 if self._tls else 80))
        self._authorization = [("Authorization", authorization)] if authorization else []
        self._socket: socket.socket | None = None

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def open(self) -> None:
        """Connects, where it is not connected. Raises `OSError`."""
        if self._socket is None:
            self._socket = self._open()

    def _open(self) -> socket.socket:
        self._parser = h11.Connection(h11.CLIENT)
        opened = socket.create_connection(self._address, timeout=_SECONDS)
        if self._tls is not None:
            opened = self._tls.wrap_socket(opened, server_hostname=self._address[0])
        return opened

    def send(self, request: Request) -> Answer:
        """Raises `OSError` where the server cannot be reached, `h11.RemoteProtocolError` for no HTTP."""
        fresh = self._socket is None
        if self._socket is None:
            self._socket = self._open()
        try:
            return self._exchange(self._socket, request)
        except (ConnectionError, NoAnswerFailure):
            self.close()
            if fresh:
                raise
            return self.send(
                request
            )  # A kept connection may be closed at any time: RFC 9112 section 9.3.1.
        except BaseException:
            self.close()
            raise

    def _exchange(self, sock: socket.socket, request: Request) -> Answer:
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
        lines += [name.encode("ascii") + b": " + encoded(value) for name, value in headers]
        sock.settimeout(_SECONDS)
        sock.sendall(b"\r\n".join(lines) + b"\r\n\r\n")
        return Reader(sock, self._parser, request)

    def another(self) -> "Connection":
        """A connection to the same server, not yet opened."""
        return Connection(*self._url)

    def begin(self, request: Request) -> Reader:
        """Sends it on a connection opened for it. Raises `OSError` where the server cannot be reached."""
        assert self._socket is None
        self._socket = self._open()
        return self._write(self._socket, request)

    def websocket(self, target: str, headers: Headers) -> SocketWebSocket:
        """Opened on a socket of its own; raises what `SocketWebSocket` raises, and `OSError`."""
        pairs = [(n.encode("ascii"), encoded(v)) for n, v in (*headers, *self._authorization)]
        return SocketWebSocket(self._open(), self.host, target, pairs)


def all_together(connection: Connection, requests: Sequence[Request]) -> list[Timed]:
    """Raises what the first request that fails raises."""
    if not requests:
        return []
    # Opened first: otherwise some requests would wait for the others' connections.
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
        return [one.result() for one in asked]
    finally:
        for own in connections:
            own.close()


class SocketInFlight(InFlight):
    """Opened and sent when it is made; raises `OSError` where the server cannot be reached."""

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


class Server(Protocol):
    """Where an app of this suite can be reached."""

    @property
    def database(self) -> Database | None: ...

    def connect(self, mount: Mount, *, trust: bool) -> Connection: ...

    def log(self) -> str: ...

    def process(
        self, mount: Mount, environment: Mapping[str, str | None]
    ) -> AbstractContextManager["FreshServer"]: ...


class FreshServer(Server, Protocol):
    """A server of one process, for one case."""

    @property
    def pid(self) -> int: ...

    def terminate(self) -> None: ...

    def exit_code(self) -> int | None: ...


class OverSockets(Client):
    """What clients of an app on a server have in common, however they reach it."""

    def _connection(self) -> Connection:
        raise NotImplementedError

    def _sent(self, request: Request) -> Request:
        """The request as it has to be sent in order to come through the mount."""
        raise NotImplementedError

    @property
    def _recorder(self) -> Recorder:
        raise NotImplementedError

    def request(self, method: str, target: str, headers: Headers = ()) -> Answer:
        request = Request(method, target, headers)
        return self._recorder.answered(request, self._connection().send(self._sent(request)))

    def together(self, requests: Sequence[Request]) -> list[Timed]:
        answers = all_together(self._connection(), [self._sent(request) for request in requests])
        for request, timed in zip(requests, answers, strict=True):
            self._recorder.answered(request, timed.answer)
        return answers

    def begin(
        self, method: str, target: str, headers: Headers = ()
    ) -> AbstractContextManager[InFlight]:
        request = Request(method, target, headers)
        return self._recorder.in_flight(
            request, lambda: SocketInFlight(self._connection().another(), self._sent(request))
        )

    def websocket(self, target: str, headers: Headers = ()) -> AbstractContextManager[WebSocket]:
        request = Request("GET", target, headers)
        sent = self._sent(request)
        return self._recorder.websocket(
            request, lambda: self._connection().websocket(sent.target, sent.headers)
        )


@dataclass(frozen=True)
class SocketClient(OverSockets):
    """`client` of the suite, for apps on servers that it has started."""

    server: Server
    mount: Mount
    capabilities: frozenset[Capability]
    waived: frozenset[str] = frozenset()
    trust: bool = True
    exchanges: list[Exchange] = field(default_factory=list, repr=False)
    observations: list[str] = field(default_factory=list, repr=False)

    @property
    def store(self) -> StoreName:
        return "postgresql" if Capability.DATABASE in self.capabilities else "json"

    def _connection(self) -> Connection:
        return self.server.connect(self.mount, trust=self.trust)

    def _sent(self, request: Request) -> Request:
        prefix = self.mount.prefix if self.mount.client_sends_prefix else ""
        headers = request.headers
        if self.mount.base_url:
            headers = [*headers, ("RStudio-Connect-App-Base-URL", self.mount.external_url)]
        return Request(request.method, prefix + request.target, headers)

    @property
    def _recorder(self) -> Recorder:
        return Recorder(self.exchanges, self.mount, trust=self.trust)

    @property
    def database(self) -> Database:
        assert self.server.database is not None, Capability.DATABASE
        return self.server.database

    @contextmanager
    def process(self, **environment: str | None) -> Iterator[FreshApp]:
        with self.server.process(self.mount, environment) as server:
            yield SocketFreshApp(replace(self, server=server), server)

    def untrusting(self) -> "SocketClient":
        # Without trust a header tells no prefix.
        return replace(self, trust=False, mount=Mount("bare"))

    def through(self, mount: Mount) -> "SocketClient":
        return replace(self, mount=mount)

    def minimal(self) -> Client:
        raise NotImplementedError(Capability.SCOPE)

    def observe(self, what: str) -> None:
        self.observations.append(what)

    def log(self, awaited: str) -> str:
        log = ""
        deadline = time.monotonic() + _SECONDS
        while awaited not in log and time.monotonic() < deadline:
            log += self.server.log()
            time.sleep(0.01)
        assert awaited in log
        return log


@dataclass
class SocketFreshApp:
    """`FreshApp` of the suite."""

    client: SocketClient
    server: FreshServer

    @property
    def pid(self) -> int:
        return self.server.pid

    def terminate(self) -> None:
        self.server.terminate()

    def wait(self, seconds: float) -> int:
        deadline = time.monotonic() + seconds
        while (code := self.server.exit_code()) is None:
            if time.monotonic() > deadline:
                raise TimeoutFailure(f"process {self.pid} is still there after {seconds:g} s")
            time.sleep(0.01)
        return code

    def log(self) -> str:
        return self.server.log()


@dataclass(frozen=True)
class DeployedClient(OverSockets):
    """`client` of the suite, for an app that somebody else runs: `make test-url`."""

    connection: Connection
    mount: Mount
    capabilities: frozenset[Capability]
    waived: frozenset[str] = frozenset()
    store: StoreName | None = None
    exchanges: list[Exchange] = field(default_factory=list, repr=False)
    observations: list[str] = field(default_factory=list, repr=False)

    def _connection(self) -> Connection:
        return self.connection

    def _sent(self, request: Request) -> Request:
        return Request(request.method, self.mount.prefix + request.target, request.headers)

    @property
    def _recorder(self) -> Recorder:
        return Recorder(self.exchanges, self.mount)

    @property
    def database(self) -> Database:
        raise NotImplementedError(Capability.DATABASE)

    def process(self, **environment: str | None) -> AbstractContextManager[FreshApp]:
        raise NotImplementedError(Capability.PROCESS)

    def untrusting(self) -> Client:
        raise NotImplementedError(Capability.FORGE)

    def through(self, mount: Mount) -> Client:
        raise NotImplementedError(Capability.PREFIX)

    def minimal(self) -> Client:
        raise NotImplementedError(Capability.SCOPE)

    def observe(self, what: str) -> None:
        self.observations.append(what)

    def log(self, awaited: str) -> str:
        raise NotImplementedError(Capability.LOG)
