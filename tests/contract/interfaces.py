"""A request in flight and an open websocket: what every client gives to the cases."""

from dataclasses import replace
from typing import Protocol

from tests.contract.vocabulary import Answer, Closed


class InFlight(Protocol):
    """A request that has been sent; its answer is read piece by piece.

    Every method that waits raises `TimeoutFailure` after `seconds`, and
    `IncompleteAnswerFailure` when the connection is closed before the answer is complete.
    """

    def start(self, seconds: float = 10.0) -> Answer:
        """Returns the status and the headers, with an empty body, as soon as they arrive."""

    def read(self, seconds: float = 10.0) -> bytes:
        """Returns the next piece of the body as it arrives; empty at the end."""

    def hang_up(self) -> None:
        """Closes the connection, whether or not the answer is complete."""

    def answer(self, seconds: float = 10.0) -> Answer:
        """Returns the answer with the unread rest of its body; `seconds` for each piece."""
        return replace(self.start(seconds), body=b"".join(iter(lambda: self.read(seconds), b"")))


class WebSocket(Protocol):
    """The client's end of an open websocket."""

    def send(self, *fragments: str | bytes) -> None:
        """Sends one message, in one frame for each fragment; all text or all binary."""

    def receive(self, seconds: float = 10.0) -> str | bytes | Closed:
        """Returns the next message, whole; after the other side has closed, always `Closed`.

        Raises `TimeoutFailure`.
        """

    def close(self, code: int = 1000) -> None:
        """Sends a close frame and waits for the answer. Raises `TimeoutFailure`."""

    def hang_up(self) -> None:
        """Closes the connection without a close frame."""
