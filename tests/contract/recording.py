"""Keeps what a client and an app have said to each other, so that a failure can show it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from tests.contract.client import InFlight, WebSocket
from tests.contract.vocabulary import Answer, Closed, Exchange, HandshakeFailure, Mount, Request


class Recorder:
    """Appends to `exchanges` what happens through one mount."""

    def __init__(self, exchanges: list[Exchange], mount: Mount, *, trust: bool = True) -> None:
        self._exchanges = exchanges
        self._mount = mount
        self._trust = trust

    def answered(self, request: Request, answer: Answer) -> Answer:
        """Raises `AssertionError` for an answer that shows a traceback."""
        self._add(request, answer)
        assert b"Traceback (most recent call last)" not in answer.body
        return answer

    def _add(self, request: Request, answer: Answer) -> Exchange:
        exchange = Exchange(request, answer, self._mount, self._trust)
        self._exchanges.append(exchange)
        return exchange

    @contextmanager
    def in_flight(self, request: Request, send: Callable[[], InFlight]) -> Iterator[InFlight]:
        """`send` sends the request; it is hung up at the end."""
        recorded = _InFlight(send())
        try:
            yield recorded
        finally:
            if recorded.seen is not None:
                self._add(request, recorded.seen)
            recorded.hang_up()

    @contextmanager
    def websocket(self, request: Request, shake: Callable[[], WebSocket]) -> Iterator[WebSocket]:
        """`shake` does the handshake; the websocket is dropped at the end."""
        try:
            websocket = shake()
        except HandshakeFailure as error:
            self._add(request, error.answer)
            raise
        exchange = self._add(request, Answer(101, [], b""))
        try:
            yield _WebSocket(websocket, exchange)
        finally:
            websocket.hang_up()


class _InFlight(InFlight):
    def __init__(self, request: InFlight) -> None:
        self._request = request
        self.seen: Answer | None = None
        """What has been read so far."""

    def start(self, seconds: float = 10.0) -> Answer:
        started = self._request.start(seconds)
        self.seen = self.seen or started
        return started

    def read(self, seconds: float = 10.0) -> bytes:
        seen = self.seen or self.start(seconds)
        piece = self._request.read(seconds)
        self.seen = replace(seen, body=seen.body + piece)
        return piece

    def hang_up(self) -> None:
        self._request.hang_up()


class _WebSocket(WebSocket):
    def __init__(self, websocket: WebSocket, exchange: Exchange) -> None:
        self._websocket = websocket
        self._messages = exchange.messages

    def send(self, *fragments: str | bytes) -> None:
        self._messages.extend(("sent", fragment) for fragment in fragments)
        self._websocket.send(*fragments)

    def receive(self, seconds: float = 10.0) -> str | bytes | Closed:
        received = self._websocket.receive(seconds)
        self._messages.append(("received", received))
        return received

    def close(self, code: int = 1000) -> None:
        self._messages.append(("sent", Closed(code)))
        self._websocket.close(code)

    def hang_up(self) -> None:
        self._websocket.hang_up()
