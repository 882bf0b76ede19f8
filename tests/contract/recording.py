"""Records what is sent and received while a request is in flight or a websocket is open."""

from dataclasses import replace

from tests.contract.interfaces import InFlight, WebSocket
from tests.contract.vocabulary import Answer, Closed, Exchange


class RecordedInFlight(InFlight):
    """Keeps in `exchange` the answer as far as it has been read."""

    def __init__(self, in_flight: InFlight, exchange: Exchange) -> None:
        self._in_flight = in_flight
        self._exchange = exchange

    def start(self, seconds: float = 10.0) -> Answer:
        if self._exchange.answer is None:
            self._exchange.answer = self._in_flight.start(seconds)
        return replace(self._exchange.answer, body=b"")

    def read(self, seconds: float = 10.0) -> bytes:
        self.start(seconds)
        piece = self._in_flight.read(seconds)
        answer = self._exchange.answer
        assert answer is not None
        self._exchange.answer = replace(answer, body=answer.body + piece)
        if not piece:
            assert_no_traceback(answer)
        return piece

    def hang_up(self) -> None:
        self._in_flight.hang_up()


class RecordedWebSocket(WebSocket):
    """Keeps in `exchange` the messages of both sides."""

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


def assert_no_traceback(answer: Answer) -> None:
    """No answer discloses a traceback, whatever the case asks."""
    assert b"Traceback (most recent call last)" not in answer.body
