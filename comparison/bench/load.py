"""What a client under load reports, and the gates that make it void."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from hdrh.histogram import HdrHistogram

from comparison.bench.process_tree import tree

CLIENT_LIMIT = 0.8
"""The share of its core above which a client may measure itself."""
LITTLE_LIMIT = 0.05
OFFERED_LIMIT = 0.02
LATE_LIMIT = 0.002
"""The seconds by which a client may take up a request late, 99th percentile."""
BUSY_LIMIT = 0.9
"""The share of its core that a server uses at least whose capacity is measured."""
LONGEST_SECONDS = 120


def new_histogram() -> HdrHistogram:
    """Returns an empty histogram of microseconds with three significant digits."""
    return HdrHistogram(1, LONGEST_SECONDS * 1_000_000, 3)


@dataclass(frozen=True)
class Load:
    """One run of a client against one server."""

    tool: str
    """`wrk` or `prober`."""
    command: list[str]
    """As it was run; for the prober, its parameters."""
    seconds: float
    """From the first intended send to the end of the last answer, or to the end of the run."""
    completed: int
    """Answers with the right status and body."""
    errors: int
    """Failed connections, time-outs, broken answers, and wrong statuses."""
    wrong: int
    """Answers with status 200 and a wrong body."""
    mean_latency: float
    """Seconds."""
    mean_in_system: float
    """Requests that wait for an answer, averaged over the time; in a closed loop, connections."""
    client_share: float
    """The processor time of the client divided by the duration."""
    offered: float | None = None
    """Requests per second that were to be sent; None in a closed loop."""
    histogram: HdrHistogram | None = field(default=None, repr=False)
    beyond_p99: int = 0
    """The number of samples above the 99th percentile."""
    max_latency: float = 0.0
    p99_late: float = 0.0
    """By how many seconds the client took up a request later than intended, 99th percentile. What a
    request waits for a connection, which is the server's doing, is not a part of it."""
    last_answer: float = 0.0
    """Seconds from the beginning to the last right answer."""

    @property
    def rate(self) -> float:
        """Right answers per second."""
        return self.completed / self.seconds

    def percentile(self, percent: float) -> float:
        """Returns a latency in seconds."""
        assert self.histogram is not None
        return float(self.histogram.get_value_at_percentile(percent)) / 1e6

    def as_json(self) -> dict[str, Any]:
        return {
            "tool": self.tool,
            "command": self.command,
            "seconds": self.seconds,
            "completed": self.completed,
            "errors": self.errors,
            "wrong": self.wrong,
            "mean_latency": self.mean_latency,
            "mean_in_system": self.mean_in_system,
            "client_share": self.client_share,
            "offered": self.offered,
            "beyond_p99": self.beyond_p99,
            "p99_late": self.p99_late,
            "last_answer": self.last_answer,
        }


def gates(load: Load) -> list[str]:
    """Returns a sentence for every gate that the load does not pass."""
    faults = []
    if load.errors:
        faults.append(f"{load.errors} of {load.completed + load.errors} requests failed.")
    if load.wrong:
        faults.append(f"{load.wrong} answers had a wrong body.")
    if not load.completed:
        faults.append("No request was answered.")
    if load.offered is not None and load.rate < load.offered * (1 - OFFERED_LIMIT):
        faults.append(
            f"The achieved rate, {load.rate:.0f}/s, is below the offered one, {load.offered:.0f}/s."
        )
    expected = _in_system(load)
    if abs(expected - load.mean_in_system) > LITTLE_LIMIT * load.mean_in_system:
        faults.append(
            f"Little's law: {load.mean_in_system:.3g} requests were in the system, and"
            f" rate times mean latency is {expected:.3g}."
        )
    if load.client_share > CLIENT_LIMIT:
        faults.append(f"The client used {load.client_share:.0%} of its core.")
    if load.p99_late > LATE_LIMIT and load.offered is not None:
        faults.append(f"The client was late by {load.p99_late * 1000:.1f} ms, 99th percentile.")
    return faults


def _in_system(load: Load) -> float:
    """Returns how many requests are in the system by Little's law.

    At the end of a closed loop, every connection has a request that is not counted. On average,
    half of its latency has passed.
    """
    answered = load.completed + load.errors + load.wrong
    expected = answered / load.seconds * load.mean_latency
    if load.offered is None:
        expected += load.mean_in_system * load.mean_latency / 2 / load.seconds
    return expected


def busy_gate(load: Load, cpu_seconds: float) -> list[str]:
    """Returns a sentence if the client did not keep the server busy: a client that stalls.

    - `cpu_seconds`: the processor time of the server, which has one core, during the load.
    """
    share = cpu_seconds / load.seconds
    if share < BUSY_LIMIT:
        return [f"The server used {share:.0%} of its core: it was not asked for more."]
    return []


def core_gate(server: int, client: Iterable[int]) -> list[str]:
    """Returns a sentence if a process of the server may run on a core of the client.

    - `server`: the pid of the server; its descendants count too.
    - `client`: the cores of the client.
    """
    shared = set(client) & set().union(*(os.sched_getaffinity(pid) for pid in tree(server)))
    if shared:
        return [f"Server and client share core {', '.join(map(str, sorted(shared)))}."]
    return []
