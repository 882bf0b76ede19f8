"""Reaches an app over HTTP/1.1, on a server of this suite or at any URL, with request targets byte for byte."""

import socket
import ssl
import time
from dataclasses import dataclass, field, replace
from typing import Protocol
from urllib.parse import urlsplit

import h11

from tests.contract.in_process import encoded
from tests.contract.model import Answer, Client, Exchange, Headers, Mount, Power, Request

_SECONDS = 30.0


class ClosedError(Exception):
    """The server closed the connection instead of answering."""


class Connection:
    """A connection to one server, kept open between requests and opened anew when the server has closed it.

    h11 reads the answers; requests are written here, since clients normalise what the contract asks about (dot
    segments, doubled slashes, percent-encodings) and refuse what it must be able to send.

    `authorization` goes with every request; it is kept here, out of what a failing test shows.
    """

    def __init__(self, url: str, authorization: str = "") -> None:
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
        except (ConnectionError, ClosedError):
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
        headers = [("Host", self.host), *request.headers, *self._authorization]
        lines = [f"{request.method} {request.target} HTTP/1.1".encode("ascii")]
        lines += [name.encode("ascii") + b": " + encoded(value) for name, value in headers]
        sock.sendall(b"\r\n".join(lines) + b"\r\n\r\n")
        self._parser.send(
            h11.Request(method=request.method, target="/", headers=[("Host", "parser")])
        )
        self._parser.send(h11.EndOfMessage())

        start: h11.Response | None = None
        body = bytearray()
        heard = False
        while True:
            match event := self._parser.next_event():
                case h11.NEED_DATA:
                    data = sock.recv(65536)
                    if not data and not heard:
                        raise ClosedError(f"{self.host} closed the connection before an answer")
                    heard = True
                    self._parser.receive_data(data)
                case h11.Response():
                    start = event
                case h11.Data():
                    body += event.data
                case h11.EndOfMessage():
                    break
        assert start is not None
        leftover, _ = self._parser.trailing_data
        assert not leftover, (
            f"{request.method} {request.target}: bytes after the answer: {leftover[:80]!r}"
        )
        if self._parser.their_state is h11.DONE:
            self._parser.start_next_cycle()
        else:
            self.close()
        pairs = [(n.decode("ascii").lower(), v.decode("latin-1")) for n, v in start.headers]
        return Answer(start.status_code, pairs, bytes(body))


ON_SERVERS = frozenset(Power) - {Power.SCOPE}


class Server(Protocol):
    """Where an app of this suite can be reached."""

    def connect(self, mount: Mount, *, trust: bool) -> Connection: ...

    def log(self) -> str: ...


@dataclass(frozen=True)
class SocketClient(Client):
    """`client` of the suite, for apps on servers that it has started."""

    server: Server
    mount: Mount
    powers: frozenset[Power] = ON_SERVERS
    trust: bool = True
    exchanges: list[Exchange] = field(default_factory=list)
    observations: list[str] = field(default_factory=list)

    def request(self, method: str, target: str, headers: Headers = ()) -> Answer:
        request = Request(method, target, headers)
        prefix = self.mount.prefix if self.mount.path == "included" else ""
        if self.mount.base_url:
            headers = [*headers, ("RStudio-Connect-App-Base-URL", self.mount.external_url)]
        connection = self.server.connect(self.mount, trust=self.trust)
        answer = connection.send(Request(method, prefix + target, headers))
        self.exchanges.append(Exchange(request, answer, self.mount, self.trust))
        assert b"Traceback (most recent call last)" not in answer.body
        return answer

    def untrusting(self) -> "SocketClient":
        # Without trust a header tells no prefix.
        return replace(self, trust=False, mount=Mount("bare"))

    def through(self, mount: Mount) -> "SocketClient":
        return replace(self, mount=mount)

    def minimal(self) -> Client:
        raise NotImplementedError(Power.SCOPE)

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


@dataclass(frozen=True)
class DeployedClient(Client):
    """`client` of the suite, for an app that somebody else runs: `make test-url`."""

    connection: Connection
    mount: Mount
    powers: frozenset[Power]
    exchanges: list[Exchange] = field(default_factory=list)
    observations: list[str] = field(default_factory=list)

    def request(self, method: str, target: str, headers: Headers = ()) -> Answer:
        request = Request(method, target, headers)
        answer = self.connection.send(Request(method, self.mount.prefix + target, headers))
        self.exchanges.append(Exchange(request, answer, self.mount, trust=True))
        assert b"Traceback (most recent call last)" not in answer.body
        return answer

    def untrusting(self) -> Client:
        raise NotImplementedError(Power.FORGE)

    def through(self, mount: Mount) -> Client:
        raise NotImplementedError(Power.PREFIX)

    def minimal(self) -> Client:
        raise NotImplementedError(Power.SCOPE)

    def observe(self, what: str) -> None:
        self.observations.append(what)

    def log(self, awaited: str) -> str:
        raise NotImplementedError(Power.LOG)
