"""Runs the prober against servers with a known fault: it must read the known value.

Most load tools do not: with one stall of two seconds in twenty, for which the 99th percentile is
1.8 s, several report a few milliseconds.
"""

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from comparison.bench.cores import choose_cores, on_cores
from comparison.bench.load import Load, gates
from comparison.bench.prober import Prober, Request
from tooling.frameworks import ROOT
from tooling.processes import killed_with_parent

BODY = b"Hello"
TOLERANCE = 0.1
"""Of the wait that the fault causes."""


@dataclass(frozen=True)
class Reading:
    """One value that is known by construction, and what the prober read."""

    case: str
    what: str
    unit: str
    known: float
    read: float
    tolerance: float
    """The largest difference that is accepted, in the unit."""

    @property
    def holds(self) -> bool:
        return abs(self.read - self.known) <= self.tolerance

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "holds": self.holds}


@dataclass(frozen=True)
class Case:
    """A server with a fault, the load that is offered, and what is known of the result."""

    name: str
    fault: tuple[str, ...]
    """The arguments of the server."""
    rate: float
    seconds: float
    read: Callable[["Case", Load], list[Reading]]


def _ms(case: Case, what: str, known: float, read: float, tolerance: float) -> Reading:
    return Reading(case.name, what, "ms", known * 1000, read * 1000, tolerance * 1000)


def _delayed(case: Case, load: Load) -> list[Reading]:
    """A request that comes during a stall waits for its end, so that waits are uniform.

    The share of requests that wait longer than x is (stall - x)/period.
    """
    stall, period = float(case.fault[1]), float(case.fault[2])
    known = {percent: stall - (1 - percent / 100) * period for percent in (90, 99)}
    tolerance = min(stall * TOLERANCE, 0.1)
    return [
        *(
            _ms(case, f"p{each}", value, load.percentile(each), tolerance)
            for each, value in known.items()
        ),
        _ms(case, "max", stall, load.max_latency, tolerance),
    ]


def _tail(case: Case, load: Load) -> list[Reading]:
    wait = float(case.fault[2])
    return [
        _ms(case, "p90", 0, load.percentile(90), wait * TOLERANCE),
        _ms(case, "p99", wait, load.percentile(99), wait * TOLERANCE),
    ]


def _saturated(case: Case, load: Load) -> list[Reading]:
    capacity = 1 / float(case.fault[1])
    return [
        Reading(case.name, "achieved rate", "requests/s", capacity, load.rate, capacity * 0.15),
        _voided(case, load, "below the offered"),
    ]


def _failing(case: Case, load: Load) -> list[Reading]:
    known = round(case.rate * case.seconds) // int(case.fault[1])
    read = load.errors if case.fault[0] == "errors" else load.wrong
    words = "requests failed" if case.fault[0] == "errors" else "wrong body"
    return [Reading(case.name, "number", "", known, read, 0), _voided(case, load, words)]


def _voided(case: Case, load: Load, words: str) -> Reading:
    fired = any(words in fault for fault in gates(load))
    return Reading(case.name, "the gate voids it", "", 1, int(fired), 0)


CASES = (
    Case("one stall of 2 s", ("stall", "2", "8"), 200, 8, _delayed),
    Case("a pause of 0.2 s every second", ("pauses", "0.2", "1"), 200, 4, _delayed),
    Case("a slow tail: every 50th answer after 0.2 s", ("tail", "50", "0.2"), 200, 3, _tail),
    Case("saturation at 100 requests/s", ("slow", "0.01"), 150, 3, _saturated),
    Case("an error rate of 0.1 %", ("errors", "1000"), 500, 4, _failing),
    Case("0.5 % wrong bodies", ("wrong", "200"), 200, 2, _failing),
)


QUICK_CASES = (
    Case("one stall of 1 s", ("stall", "1", "4"), 200, 4, _delayed),
    *(case for case in CASES if case.fault[0] in ("slow", "errors")),
)


def calibrate(cases: tuple[Case, ...] = CASES) -> list[Reading]:
    """Runs every case, about half a minute; returns what is known and what was read."""
    return [reading for case in cases for reading in _run(case)]


def _run(case: Case) -> list[Reading]:
    with faulty_server(*case.fault) as port:
        prober = Prober(port, Request("/", expected=BODY), 20)
        return case.read(case, prober.open_loop(case.rate, case.seconds))


@contextlib.contextmanager
def faulty_server(*fault: str) -> Iterator[int]:
    """Starts a server with this fault on the server's core, and gives its port."""
    module = "comparison.bench.calibration.server"
    command = killed_with_parent(sys.executable, "-m", module, *fault)
    with on_cores(choose_cores().server):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()
