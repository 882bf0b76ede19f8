"""How often the tests of endurance repeat what they do: seldom in `make test-all`, often in `make
soak`.
"""

from dataclasses import dataclass


@dataclass
class Counts:
    """`--soak` replaces the small numbers by the large ones, before any test runs."""

    restarts: int = 1
    """LIFE-1: of one app on each of the five ways to serve it."""
    hang_ups: int = 200
    """STORE-6: clients that leave during their query, for each way with a database."""
    hostile_requests: int = 500
    """To the addresses of a rehearsal; `seed` chooses them."""
    seed: int = 1
    differential_requests: int = 2000
    """The same to all four apps, whose answers are compared."""
    kills: int = 2
    """Of a rehearsal: at so many moments of a deployment."""

    def soak(self) -> None:
        self.restarts = 10
        self.hang_ups = 1000
        self.hostile_requests = 20_000
        self.differential_requests = 40_000
        self.kills = 7


COUNTS = Counts()
