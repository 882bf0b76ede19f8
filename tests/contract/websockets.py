"""A websocket client: wsproto over a blocking socket, so that hundreds need no threads."""

import contextlib
import selectors
import socket
import ssl
import time
from collections.abc import Iterator
from typing import NoReturn

from wsproto import ConnectionType, WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import RemoteProtocolError

from tests.contract.interfaces import WebSocket
from tests.contract.vocabulary import (
    Answer,
    Closed,
    HandshakeFailure,
    IncompleteAnswerFailure,
    TimeoutFailure,
)

_SECONDS = 10.0
_CHUNK_BYTES = 64 * 1024


class SocketWebSocket(WebSocket):
    """A websocket over a connected socket, which it closes.

    The constructor does the handshake. It raises `HandshakeFailure` for an answer other than 101,
    `IncompleteAnswerFailure` for none, and `TimeoutFailure`.
    """

    def __init__(
        self, sock: socket.socket, host: str, target: str, headers: list[tuple[bytes, bytes]]
    ) -> None:
        self._socket = sock
        self._protocol = WSConnection(ConnectionType.CLIENT)
        self._ended = False
        self._closed: Closed | None = None
        try:
            deadline = time.monotonic() + _SECONDS
            self._write(self._protocol.send(Request(host, target, extra_headers=headers)))
            match self._next_event(deadline):
                case AcceptConnection():
                    pass
                case RejectConnection(status_code=status, headers=answered):
                    self._refuse(status, answered, deadline)
                case _:
                    raise IncompleteAnswerFailure(f"{target}: no answer to the handshake")
        except BaseException:
            self.hang_up()
            raise

    def _refuse(self, status: int, headers: list[tuple[bytes, bytes]], deadline: float) -> NoReturn:
        body = b""
        while isinstance(event := self._next_event(deadline), RejectData):
            body += event.data
            if event.body_finished:
                break
        pairs = [(n.decode("ascii").lower(), v.decode("latin-1")) for n, v in headers]
        raise HandshakeFailure(Answer(status, pairs, body))

    def send(self, *fragments: str | bytes) -> None:
        for i, fragment in enumerate(fragments, 1):
            last = i == len(fragments)
            if isinstance(fragment, str):
                self._write(self._protocol.send(TextMessage(fragment, message_finished=last)))
            else:
                self._write(self._protocol.send(BytesMessage(fragment, message_finished=last)))

    def receive(self, seconds: float = _SECONDS) -> str | bytes | Closed:
        deadline = time.monotonic() + seconds
        text: list[str] = []
        binary: list[bytes] = []
        while self._closed is None:
            match event := self._next_event(deadline):
                case TextMessage():
                    text.append(event.data)
                    if event.message_finished:
                        return "".join(text)
                case BytesMessage():
                    binary.append(bytes(event.data))
                    if event.message_finished:
                        return b"".join(binary)
                case CloseConnection(code=code, reason=reason):
                    if self._protocol.state is ConnectionState.REMOTE_CLOSING:
                        self._write(self._protocol.send(event.response()))
                    self._closed = Closed(int(code), reason or "")
                case None:
                    self._closed = Closed(int(CloseReason.ABNORMAL_CLOSURE))
        self._socket.close()
        return self._closed

    def close(self, code: int = 1000) -> None:
        if self._closed is None and self._protocol.state is ConnectionState.OPEN:
            self._write(self._protocol.send(CloseConnection(code)))
        deadline = time.monotonic() + _SECONDS
        while not isinstance(self.receive(deadline - time.monotonic()), Closed):
            pass  # Messages that were sent before the close frame arrived.

    def hang_up(self) -> None:
        self._socket.close()
        self._closed = self._closed or Closed(int(CloseReason.ABNORMAL_CLOSURE))

    def _next_event(self, deadline: float) -> Event | None:
        """Returns the next event; None if the connection is closed. Raises `TimeoutFailure`."""
        while True:
            for event in self._protocol.events():
                if not isinstance(event, Ping):
                    return event
                self._write(self._protocol.send(event.response()))
            if self._ended:
                return None
            self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                self._take(self._socket.recv(_CHUNK_BYTES))
            except TimeoutError as error:
                raise TimeoutFailure(
                    "nothing arrived over the websocket before the timeout"
                ) from error
            except ConnectionError:
                self._ended = True

    def _take(self, data: bytes) -> None:
        if not data:
            self._ended = True
            return
        try:
            self._protocol.receive_data(data)
        except RemoteProtocolError as error:
            raise AssertionError(f"no websocket: {error}") from error

    def _write(self, data: bytes) -> None:
        """Writes all bytes, and reads what arrives meanwhile.

        A server that refuses a message sends a close frame before it has received all of it, and
        stops reading. A closed connection is no error here: `receive` returns how it was closed.
        """
        deadline = time.monotonic() + _SECONDS
        rest = memoryview(data)
        self._socket.setblocking(False)
        with selectors.DefaultSelector() as selector, contextlib.suppress(ConnectionError):
            selector.register(self._socket, selectors.EVENT_READ | selectors.EVENT_WRITE)
            while rest:
                for _, ready in selector.select(0.5):
                    if ready & selectors.EVENT_READ:
                        for piece in self._arrived():
                            self._take(piece)
                    with contextlib.suppress(*_NOT_YET):
                        rest = rest[self._socket.send(rest[: 4 * _CHUNK_BYTES]) :]
                if time.monotonic() > deadline:
                    raise TimeoutFailure("the websocket accepts no more data")

    def _arrived(self) -> Iterator[bytes]:
        """What can be read without waiting; the last piece is empty if the connection is closed."""
        with contextlib.suppress(*_NOT_YET):
            yield self._socket.recv(_CHUNK_BYTES)


_NOT_YET = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
