"""How often the tests of endurance repeat what they do: seldom in `make test-all`, often in `make
soak`.
"""

from dataclasses import dataclass
from typing import Literal

Length = Literal["short", "full"]


@dataclass
class Counts:
    """`--soak` replaces the small numbers by larger ones, before any test runs."""

    restarts: int = 1
    """LIFE-1: of one app on each of the five ways to serve it."""
    hang_ups: int = 200
    """STORE-6: clients that leave during their query, for each way with a database."""
    hostile_requests: int = 500
    """To the addresses of a rehearsal; `seed` chooses them."""
    seed: int = 1
    differential_requests: int = 2000
    """The same to all apps, whose answers are compared."""
    socket_requests: int = 100
    """The same to all apps, over sockets on each server, whose answers are compared."""
    schemathesis_cases: int = 40
    """Generated from the contract's document, for each app."""
    kills: int = 2
    """Of a rehearsal: at so many moments of a deployment."""
    different_requests: int = 500
    """To one process of each app on each server, whose memory must not grow."""
    everything: bool = False
    """Whether tests that otherwise take a sample take all: every framework, mount or command."""

    def soak(self, length: Length) -> None:
        short = length == "short"
        self.restarts = 3 if short else 10
        self.hang_ups = 300 if short else 1000
        self.hostile_requests = 5000 if short else 20_000
        self.differential_requests = 20_000 if short else 100_000
        self.socket_requests = 1000 if short else 5000
        self.schemathesis_cases = 1000 if short else 16_000
        self.kills = 7
        self.different_requests = 5000 if short else 50_000
        self.everything = not short


COUNTS = Counts()
