"""What a case can do with an app: send requests, open websockets, start processes."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from tests.contract.vocabulary import (
    Answer,
    Capability,
    Closed,
    Headers,
    Mount,
    Request,
    StoreName,
    Timed,
)

if TYPE_CHECKING:
    from tests.postgresql import Database


class InFlight(Protocol):
    """A request that has been sent; its answer is read piece by piece.

    Every method that waits raises `TimeoutFailure` after `seconds`, and `IncompleteAnswerFailure` when the
    connection is closed before the answer is complete.
    """

    def start(self, seconds: float = 10.0) -> Answer:
        """The status and the headers, with an empty body, as soon as they are there."""

    def read(self, seconds: float = 10.0) -> bytes:
        """The next piece of the body as it arrives; empty at the end."""

    def hang_up(self) -> None:
        """Closes the connection at once, whatever is still to come; of an answer that is complete, nothing."""

    def answer(self, seconds: float = 10.0) -> Answer:
        """The answer with all of its body that has not been read; `seconds` for each piece."""
        return replace(self.start(seconds), body=b"".join(iter(lambda: self.read(seconds), b"")))


class WebSocket(Protocol):
    """The client's end of an open websocket."""

    def send(self, *fragments: str | bytes) -> None:
        """A message, in as many frames as there are fragments; all text or all binary."""

    def receive(self, seconds: float = 10.0) -> str | bytes | Closed:
        """The next message, whole; `Closed` from then on when the other side has closed.

        Raises `TimeoutFailure`.
        """

    def close(self, code: int = 1000) -> None:
        """Says goodbye and waits for the answer. Raises `TimeoutFailure` where none comes."""

    def hang_up(self) -> None:
        """Drops the connection without a close frame."""


class FreshApp(Protocol):
    """A process of an app that one case has for itself."""

    @property
    def client(self) -> "Client":
        """Reaches the process; raises `ConnectionError` once it has ended."""

    @property
    def pid(self) -> int: ...

    def terminate(self) -> None:
        """SIGTERM, which is not waited for."""

    def wait(self, seconds: float) -> int:
        """The exit code. Raises `TimeoutFailure` where the process is still there after `seconds`."""

    def log(self) -> str:
        """All that it and its server have logged so far."""


class Client(Protocol):
    """Reaches one app, on one server, through one mount."""

    mount: Mount
    capabilities: frozenset[Capability]
    waived: frozenset[str]
    """The IDs of the SHOULD cases in which the app goes its own way, as it admits."""

    @property
    def store(self) -> StoreName | None:
        """Where the app has its greetings from; None where that is not known."""

    def request(self, method: str, target: str, headers: Headers = ()) -> Answer: ...

    def together(self, requests: Sequence[Request]) -> list[Timed]:
        """The answers to requests that are sent at the same moment, each on a connection of its own.

        In the order of the requests. Raises what `request` raises, for the first that fails.
        """

    def begin(
        self, method: str, target: str, headers: Headers = ()
    ) -> AbstractContextManager[InFlight]:
        """A request that has been sent; leaving the context hangs up where the answer is not complete."""

    def websocket(self, target: str, headers: Headers = ()) -> AbstractContextManager[WebSocket]:
        """A websocket that is open; leaving the context drops it where it is not closed.

        Raises `HandshakeFailure` where the handshake is not answered 101.
        """

    @property
    def database(self) -> "Database":
        """What the app has its greetings from."""

    def process(self, **environment: str | None) -> AbstractContextManager[FreshApp]:
        """A new process of the same app, on the same kind of server, reached the same way.

        `environment` is put over that of the other processes; None leaves a variable out. The process is
        waited for until it takes connections or has ended, whichever it is: `wait` and `log` tell. Leaving
        the context ends it.
        """

    def untrusting(self) -> "Client":
        """The same app where Connect's headers are not trusted."""

    def through(self, mount: Mount) -> "Client":
        """The same app through another mount."""

    def minimal(self) -> "Client":
        """The first example of the framework's own documentation: what it does unconfigured."""

    def observe(self, what: str) -> None:
        """Puts into the report what was seen, for comparison."""

    def log(self, awaited: str) -> str:
        """What the app and its server have logged since the last call, up to `awaited`.

        Raises `AssertionError` where that does not come: some log only after they have answered.
        """
