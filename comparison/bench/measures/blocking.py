"""B4: how long other requests wait while one request blocks for a second."""

import asyncio
import statistics
import time
from dataclasses import replace

from comparison.bench.blocking import SECONDS as BLOCKED
from comparison.bench.companions import find_companion
from comparison.bench.connection import Connection, LostAnswerError, open_connections
from comparison.bench.cores import choose_cores
from comparison.bench.figures import Effort, Figure
from comparison.bench.load import core_gate
from comparison.bench.subjects import Server, Subject

ID = "B4"
TITLE = "What others wait while one request blocks"
SERVERS: tuple[Server, ...] = ("uvicorn",)
FORMS = ("stock",)
ROUNDS = 6
SECONDS = {"quick": 3.5, "full": 2.7}

OTHERS = 20
"""The number of other requests."""
AFTER = 0.05
"""The seconds between the request that blocks and the others."""
WAYS = ("mistake", "recommended")
LIMIT = 20.0
"""The seconds after which the measurement is given up."""


def run(subject: Subject, effort: Effort) -> list[Figure]:
    """Measures both ways on one start."""
    companion = find_companion(subject, "blocking")
    if companion is None:
        note = f"There is no comparison/bench/blocking/{subject.framework}.py."
        return [Figure(ID, way, "ms", None, 0, note=note) for way in WAYS]
    with companion.start(ready_target="/quick") as running:
        shared = core_gate(running.pid, [choose_cores().client])
        figures = [asyncio.run(waits(running.port, way)) for way in WAYS]
        return [replace(figure, faults=figure.faults + shared) for figure in figures]


async def waits(port: int, way: str) -> Figure:
    """Returns the median of what the other requests wait, in milliseconds."""
    faults: list[str] = []
    measured: list[float] = []
    blocked = 0.0
    try:
        async with (
            asyncio.timeout(LIMIT),
            open_connections(port, 1 + OTHERS) as (blocker, *others),
        ):
            for connection in (blocker, *others):  # The first request does more than later ones.
                await timed(connection, "quick")
            blocking = asyncio.create_task(timed(blocker, f"blocking/{way}"))
            await asyncio.sleep(AFTER)
            measured = list(await asyncio.gather(*(timed(other, "quick") for other in others)))
            blocked = await blocking
    except (OSError, TimeoutError, LostAnswerError, ValueError) as error:
        faults.append(f"A request was not answered as it should be: {error!r}.")
    else:
        if blocked < BLOCKED:
            faults.append(f"The request blocked for {blocked:.3f} s, not for {BLOCKED:g} s.")
        if blocked > BLOCKED + AFTER:
            faults.append("The others may have been answered before the request began to block.")
    value = statistics.median(measured) * 1000 if measured else None
    each = [round(wait * 1000, 3) for wait in sorted(measured)]
    return Figure(ID, way, "ms", value, len(measured), faults, extra={"each": each})


async def timed(connection: Connection, path: str) -> float:
    """Returns the seconds until the whole answer. Raises `ValueError` for a wrong one."""
    begun = time.perf_counter()
    answer = await connection.get(f"/{path}")
    expected = path.rpartition("/")[2].encode()
    if (answer.status, answer.body) != (200, expected):
        raise ValueError(f"/{path}: {answer.status} {answer.body[:80]!r}")
    return time.perf_counter() - begun
