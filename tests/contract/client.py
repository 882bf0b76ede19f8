"""What a case can do with an app: send requests, open websockets, start processes."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

from tests.contract.interfaces import InFlight, WebSocket
from tests.contract.recording import RecordedInFlight, RecordedWebSocket, assert_no_traceback
from tests.contract.vocabulary import (
    Answer,
    Capability,
    Exchange,
    HandshakeFailure,
    Headers,
    Mount,
    Request,
    StoreName,
    Timed,
)

if TYPE_CHECKING:
    from tests.contract.servers import ServerProcess
    from tooling.postgresql import Database


@dataclass(frozen=True, kw_only=True)
class Client:
    """Reaches one app, on one server, through one mount, and records every exchange.

    A subclass implements `_send`, `_send_together`, `_begin` and `_open_websocket`, and overrides
    the methods for which it has the capability.
    """

    mount: Mount
    capabilities: frozenset[Capability]
    store: StoreName | None = None
    """Where the app reads its greetings; None if that is not known."""
    waived: frozenset[str] = frozenset()
    """The IDs of the SHOULD cases from which the app deviates, as its `pyproject.toml` declares."""
    trust: bool = True
    """Whether the app trusts Connect's headers."""
    repeating: bool = False
    """Whether the requests are sent again until something happens, see `repeatedly`."""
    exchanges: list[Exchange] = field(default_factory=list, repr=False)
    """Everything that was sent and received, in the order in which it was begun."""
    observations: list[str] = field(default_factory=list, repr=False)
    """What `observe` was called with."""

    # What every client can do

    def request(
        self, method: str, target: str, headers: Headers = (), trailers: Headers = ()
    ) -> Answer:
        """Sends a request and returns its answer."""
        exchange = self._record(Request(method, target, headers, trailers))
        with self._context():
            exchange.answer = self._send(exchange.request)
        assert_no_traceback(exchange.answer)
        return exchange.answer

    def together(self, requests: Sequence[Request]) -> list[Timed]:
        """Sends requests at the same moment, each on a connection of its own.

        Returns the answers in the order of the requests. Raises what `request` raises, for the
        first request that fails.
        """
        exchanges = [self._record(request) for request in requests]
        with self._context():
            answers = self._send_together(requests)
        for exchange, timed in zip(exchanges, answers, strict=True):
            exchange.answer = timed.answer
            assert_no_traceback(timed.answer)
        return answers

    @contextmanager
    def begin(self, method: str, target: str, headers: Headers = ()) -> Iterator[InFlight]:
        """Sends a request. Leaving the context closes the connection."""
        exchange = self._record(Request(method, target, headers))
        with self._context():
            in_flight = self._begin(exchange.request)
            try:
                yield RecordedInFlight(in_flight, exchange)
            finally:
                in_flight.hang_up()

    @contextmanager
    def websocket(self, target: str, headers: Headers = ()) -> Iterator[WebSocket]:
        """Opens a websocket. Leaving the context closes the connection.

        Raises `HandshakeFailure` if the handshake is not answered 101.
        """
        exchange = self._record(Request("GET", target, headers))
        with self._context():
            try:
                websocket = self._open_websocket(exchange.request)
            except HandshakeFailure as failure:
                exchange.answer = failure.answer
                raise
            exchange.answer = Answer(101, [], b"")
            try:
                yield RecordedWebSocket(websocket, exchange)
            finally:
                websocket.hang_up()

    def repeatedly(self) -> Self:
        """Returns a client of the same app for requests that are sent until something happens.

        Their number varies: the canonical result of the contract leaves them out.
        """
        return replace(self, repeating=True)

    def observe(self, what: str) -> None:
        """Puts into the report what the case has seen, for comparison."""
        self.observations.append(what)

    def _record(self, request: Request) -> Exchange:
        exchange = Exchange(request, self.mount, self.trust, repeated=self.repeating)
        self.exchanges.append(exchange)
        return exchange

    # What a subclass implements

    def _context(self) -> AbstractContextManager[None]:
        """Surrounds everything that is sent and received."""
        return nullcontext()

    def _send(self, request: Request) -> Answer:
        raise NotImplementedError

    def _send_together(self, requests: Sequence[Request]) -> list[Timed]:
        raise NotImplementedError

    def _begin(self, request: Request) -> InFlight:
        raise NotImplementedError

    def _open_websocket(self, request: Request) -> WebSocket:
        """Raises `HandshakeFailure` if the handshake is not answered 101."""
        raise NotImplementedError

    @property
    def origin(self) -> str:
        """The origin of the app's pages in a browser."""
        raise NotImplementedError

    # What needs a capability

    def untrusting(self) -> "Client":
        """Returns a client of the same app where Connect's headers are not trusted."""
        raise NotImplementedError(Capability.FORGE)

    def through(self, mount: Mount) -> "Client":
        """Returns a client of the same app through another mount."""
        raise NotImplementedError(Capability.PREFIX)

    def minimal(self) -> "Client":
        """Returns a client of the first example in the framework's own documentation."""
        raise NotImplementedError(Capability.SCOPE)

    def log(self, awaited: str) -> str:
        """Returns what the app and its server have logged since the last call, up to `awaited`.

        Some servers log after they have answered, so that the call waits for `awaited`. Raises
        `AssertionError` if it does not appear.
        """
        raise NotImplementedError(Capability.LOG)

    @property
    def database(self) -> "Database":
        """The database from which the app reads its greetings."""
        raise NotImplementedError(Capability.DATABASE)

    def process(
        self, **environment: str | None
    ) -> AbstractContextManager[tuple["Client", "ServerProcess"]]:
        """Starts a new process of the same app, on the same kind of server, and returns its client.

        `environment` is put over the variables of the other processes; None removes a variable.
        The call returns when the process accepts connections or has exited. Leaving the context
        stops it.
        """
        raise NotImplementedError(Capability.PROCESS)
