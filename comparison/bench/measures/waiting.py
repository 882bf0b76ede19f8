"""B3: a store that takes 50 ms a query, and a pool of five connections.

The pool allows 100 answers a second. Other requests wait, and are answered 503 after a second. A
second worker has a pool of its own: its goodput is given as a ratio to the bound of one pool.
"""

import asyncio
import time
from dataclasses import dataclass

from comparison.bench.connection import Connection, LostAnswerError, open_connections
from comparison.bench.cores import choose_cores
from comparison.bench.figures import Effort, Figure
from comparison.bench.load import Load, core_gate, gates
from comparison.bench.prober import Prober, Request
from comparison.bench.slow_store import shared_slow_store
from comparison.bench.subjects import Running, Server, Subject

ID = "B3"
TITLE = "Waiting for a slow store"
SERVERS: tuple[Server, ...] = ("uvicorn",)
FORMS = ("matched",)
ROUNDS = 6
SECONDS = {"quick": 11.0, "full": 11.0}

DELAY = 0.05
POOL_SIZE = 5
BOUND = POOL_SIZE / DELAY
"""The queries per second that the pool allows."""
TIMEOUT = 1.0
"""The seconds after which a request that waits is answered 503."""
SATURATING = 2 * POOL_SIZE
"""The connections of the closed loop: each request waits for one other, far below the limit."""
GAP = 0.01
"""The seconds between two connections of the closed loop, so that two workers share them."""
OVERLOAD = 2 * BOUND
RAMP = 1.5 * TIMEOUT
"""The seconds at the beginning that are not counted: first the queue grows."""
SECONDS_A_TURN = 1.5
"""The seconds of each load that are counted."""
LATE = 0.1
"""The seconds by which the client may send late."""
PATIENCE = 10.0
"""The seconds within which the application has to recover."""
ROWS = 7

TARGET = "/greetings/en"
EXPECTED = b'{"lang":"en","text":"Hello"}'
RATIO = "ratio"
NAMES = (
    ("goodput", RATIO),
    ("503 at twice the rate", RATIO),
    ("goodput at twice the rate", RATIO),
    ("recovery", "s"),
    ("goodput afterwards", RATIO),
    ("goodput, 2 workers", RATIO),
)


@dataclass(frozen=True)
class Observed:
    """One request of the open loop; times in seconds from the beginning."""

    intended: float
    sent: float
    ended: float
    status: int | None
    """None: the answer was lost."""
    right: bool
    """Whether the body is that of the greeting, if the status is 200."""


def run(subject: Subject, effort: Effort) -> list[Figure]:
    store = shared_slow_store()
    if isinstance(store, str):
        return [Figure(ID, name, unit, None, 0, note=store) for name, unit in NAMES]
    store.prepare(ROWS, DELAY)
    variables = {
        "GREETINGS_URL": store.url,
        "GREETINGS_POOL_SIZE": f"{POOL_SIZE}",
        "GREETINGS_QUERY_TIMEOUT": f"{TIMEOUT:g}",
    }
    with subject.start(environment=variables, ready_target="/health") as running:
        faults = core_gate(running.pid, [choose_cores().client])
        figures = measure(running, SECONDS_A_TURN, faults)
    with subject.start(2, variables, ready_target="/health") as running:
        faults = core_gate(running.pid, [choose_cores().client])
        _saturate(running.port, 0.3, workers=2)
        load = _saturate(running.port, SECONDS_A_TURN, workers=2)
    return [*figures, _goodput(NAMES[5][0], load, faults)]


def measure(running: Running, seconds: float, faults: list[str]) -> list[Figure]:
    """`seconds` is the duration of the closed loop, and of the counted part of the open one."""
    port = running.port
    _saturate(port, 0.3)  # Opens the connections of the pool.
    first = _saturate(port, seconds)
    observed, recovery = asyncio.run(_overload(port, RAMP + seconds))
    afterwards = _saturate(port, seconds)
    counted = [one for one in observed if one.intended >= RAMP]
    refused = sum(one.status == 503 for one in counted)
    answered = sum(one.status == 200 for one in counted)
    overload_faults = faults + overload_gates(observed)
    late = [] if recovery is not None else [f"It did not recover within {PATIENCE:g} s."]
    total = len(counted)
    return [
        _goodput("goodput", first, faults),
        Figure(ID, *NAMES[1], refused / max(total, 1), total, overload_faults),
        Figure(ID, *NAMES[2], answered / seconds / BOUND, total, list(overload_faults)),
        Figure(ID, *NAMES[3], recovery, 1, overload_faults + late),
        _goodput("goodput afterwards", afterwards, faults),
    ]


def _saturate(port: int, seconds: float, workers: int = 1) -> Load:
    request = Request(TARGET, expected=EXPECTED)
    return Prober(port, request, workers * SATURATING, GAP).closed_loop(seconds)


def _goodput(name: str, load: Load, faults: list[str]) -> Figure:
    """Returns the right answers per second as a ratio to the bound.

    The time ends with the last answer: answers come five at a time, and a time that ends anywhere
    between two of them would cut off a part that is the same in every round.
    """
    found = faults + gates(load)
    ratio = load.completed / load.last_answer / BOUND
    return Figure(ID, name, RATIO, ratio, load.completed, found, extra=load.as_json())


async def _overload(port: int, seconds: float) -> tuple[list[Observed], float | None]:
    """Offers twice the bound; returns what was observed, and the seconds until it recovered."""
    # All that may wait at the same time, and some more.
    async with open_connections(port, round(OVERLOAD * TIMEOUT * 2)) as connections:
        observed = asyncio.create_task(offer(connections, OVERLOAD, seconds))
        await asyncio.sleep(seconds)
        async with open_connections(port, 1) as (prober,):
            recovery = await _recover(prober)
        return await observed, recovery


async def offer(connections: list[Connection], rate: float, seconds: float) -> list[Observed]:
    """Sends requests at a fixed rate, each on a connection that is free, and waits for the last."""
    begun = time.perf_counter()
    free = list(connections)

    async def request(intended: float) -> Observed:
        sent = time.perf_counter() - begun
        if not free:
            return Observed(intended, sent, sent, None, False)
        connection = free.pop()
        status, right = None, False
        try:
            answer = await connection.get(TARGET)
        except (OSError, LostAnswerError):
            pass
        else:
            status, right = answer.status, answer.body == EXPECTED
            free.append(connection)
        return Observed(intended, sent, time.perf_counter() - begun, status, right)

    tasks = []
    for number in range(round(rate * seconds)):
        intended = number / rate
        await asyncio.sleep(max(begun + intended - time.perf_counter(), 0))
        tasks.append(asyncio.create_task(request(intended)))
    return list(await asyncio.gather(*tasks))


async def _recover(connection: Connection) -> float | None:
    """Asks until an answer takes at most two queries' time; returns when that request was sent."""
    begun = time.perf_counter()
    while (sent := time.perf_counter() - begun) < PATIENCE:
        try:
            answer = await connection.get(TARGET)
        except LostAnswerError:
            return None
        if answer.status == 200 and time.perf_counter() - begun - sent <= 2 * DELAY:
            return sent
    return None


def overload_gates(observed: list[Observed]) -> list[str]:
    """Returns a sentence for everything that must not happen: only 200 and 503 are right."""
    faults = []
    lost = sum(one.status is None for one in observed)
    if lost:
        faults.append(f"{lost} of {len(observed)} requests had no answer.")
    if others := sorted({one.status for one in observed if one.status} - {200, 503}):
        faults.append(f"Requests were answered {', '.join(map(str, others))}.")
    if wrong := sum(one.status == 200 and not one.right for one in observed):
        faults.append(f"{wrong} answers had a wrong body.")
    lateness = sorted(one.sent - one.intended for one in observed)
    if lateness and (late := lateness[int(len(lateness) * 0.99)]) > LATE:
        faults.append(f"The client sent late: {late:.3f} s, 99th percentile.")
    return faults
