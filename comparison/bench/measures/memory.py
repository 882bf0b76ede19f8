"""B5: memory after the start, its growth with requests, and what an open connection costs.

Memory is the proportional set size of the process and its workers, so that a page that several
processes share counts once. In a full run on uvicorn, the growth of the control and the matched
applications is measured over at least 100,000 requests. For the others this takes too long: it is
measured over as many requests as are answered in three seconds. The number is in the result.
"""

import asyncio
import resource
import select
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from comparison.bench.connection import LostAnswerError, open_connections
from comparison.bench.figures import Effort, Figure
from comparison.bench.slow_store import SlowStore, shared_slow_store
from comparison.bench.subjects import Running, Server, Subject
from comparison.bench.websocket import NotOpenError, open_websocket
from comparison.bench.workloads import GREETING, prepare
from comparison.bench.wrk import closed_loop

ID = "B5"
TITLE = "Memory"
SERVERS: tuple[Server, ...] = ("uvicorn", "hypercorn")
FORMS = ("control", "stock", "matched")
ROUNDS = 1
SECONDS = {"quick": 7.0, "full": 18.0}

MB, KB = 1e6, 1e3
WARMUP_SECONDS = 1.0
"""The load before the growth is measured: the first requests fill caches."""
CONNECTIONS = 16
REQUESTS = 100_000
"""The fewest over which the growth is measured, for the matched applications on uvicorn."""
LONGEST = 120.0
"""The seconds within which they have to be answered."""
STREAMS = 100
ROWS = 1000
POOL_SIZE = 5
OPENING_DELAY, HELD_DELAY = 0.05, 60.0
"""The seconds that a query takes while the streams are opened, and afterwards."""
OPENING = 30.0
"""The seconds within which all streams have to be open."""


class NotSettledError(Exception):
    """The memory cannot be read, because the processes are not idle."""


def run(subject: Subject, effort: Effort) -> list[Figure]:
    """Every kind of figure has a process of its own."""
    long = effort.name == "full" and subject.server == "uvicorn" and subject.form != "stock"
    figures = requests(subject, effort.choose(quick=1.0, full=3.0), REQUESTS if long else 1)
    figures.append(workers(subject, 2))
    if subject.form != "stock":
        figures.append(websockets(subject, effort.choose(quick=200, full=1000)))
    if subject.form == "matched":
        figures.append(streams(subject, STREAMS))
    return figures


def requests(subject: Subject, seconds: float, least: int = 1) -> list[Figure]:
    """Returns the memory after the start, and its growth under at least `least` requests.

    They are sent for `seconds`, and as often again as is needed, within `LONGEST`.
    """
    growth = "growth"
    unit = "KB/1,000 requests"
    with subject.start() as running:
        started = settled(running)
        figures = [Figure(ID, "after start, 1 worker", "MB", started / MB, 1)]
        prepared = prepare(GREETING, subject, running.port)
        if prepared.request is None:
            faults = list(prepared.faults) or [prepared.note]
            return [*figures, Figure(ID, growth, unit, None, 0, faults)]
        closed_loop(running.port, prepared.request, CONNECTIONS, WARMUP_SECONDS)
        before = settled(running)
        completed = errors = wrong = 0
        deadline = time.monotonic() + LONGEST
        while completed < least and not errors and not wrong and time.monotonic() < deadline:
            load = closed_loop(running.port, prepared.request, CONNECTIONS, seconds)
            completed += load.completed
            errors += load.errors
            wrong += load.wrong
        after = settled(running)
    faults = []
    if errors or wrong or completed < least:
        faults.append(
            f"{errors} requests failed, {wrong} had a wrong body, and {completed} of at least"
            f" {least} were answered."
        )
    value = (after - before) / KB / max(completed / 1000, 1)
    extra = {"before": before, "after": after, "requests": completed, "tool": load.tool}
    return [*figures, Figure(ID, growth, unit, value, completed, faults, extra=extra)]


def workers(subject: Subject, count: int) -> Figure:
    name = f"after start, {count} workers"
    with subject.start(workers=count) as running:
        return Figure(ID, name, "MB", settled(running) / MB, 1)


def websockets(subject: Subject, count: int) -> Figure:
    """Returns what one of `count` idle websockets costs; the client offers to compress."""
    with files_for(count + 100), subject.start() as running:
        return held_websockets(running, count)


def held_websockets(running: Running, count: int) -> Figure:
    name, unit = "idle websocket", "KB"
    with ExitStack() as stack:
        try:
            # The first one loads what all use.
            open_websocket(running.port, compression=True).close()
            before = settled(running)
            opened = [
                stack.enter_context(open_websocket(running.port, compression=True))
                for _ in range(count)
            ]
            after = settled(running)
            # A websocket on which nothing was sent is readable only if it was closed.
            if closed := len(select_readable(opened)):
                raise NotOpenError(f"{closed} of {count} were closed")
        except (OSError, NotOpenError, NotSettledError) as error:
            return Figure(ID, name, unit, None, 0, [f"{count} websockets: {error}."])
    extra = {"before": before, "after": after}
    return Figure(ID, name, unit, (after - before) / KB / count, count, extra=extra)


def streams(subject: Subject, count: int) -> Figure:
    """Returns what one of `count` streams costs that wait for the store."""
    store = shared_slow_store()
    if isinstance(store, str):
        return Figure(ID, "open stream", "KB", None, 0, note=store)
    store.prepare(ROWS, OPENING_DELAY)
    variables = {
        "GREETINGS_URL": store.url,
        "GREETINGS_POOL_SIZE": f"{POOL_SIZE}",
        "GREETINGS_QUERY_TIMEOUT": "120",
    }
    with files_for(count + 100), subject.start(environment=variables, ready_target="/health") as r:
        return asyncio.run(held_streams(r, count, store))


async def held_streams(running: Running, count: int, store: SlowStore) -> Figure:
    """Every stream has sent its first event, and waits for a connection to the database.

    The pool is filled before, so that its connections are not counted as those of streams.
    """
    name, unit = "open stream", "KB"
    try:
        async with asyncio.timeout(OPENING), open_connections(running.port, count) as connections:
            asked = [connection.get("/greetings/en") for connection in connections]
            await asyncio.gather(*asked)
            before = settled(running)
            started = [connection.start("/greetings/stream") for connection in connections]
            statuses = {response.status_code for response in await asyncio.gather(*started)}
            if statuses != {200}:
                raise NotOpenError(f"answered {statuses}")
            events = await asyncio.gather(*(connection.data() for connection in connections))
            if not all(events):
                raise NotOpenError("one had no event")
            await asyncio.to_thread(store.set_delay, HELD_DELAY)
            after = settled(running)
            if any(await asyncio.gather(*(connection.ends(0.1) for connection in connections))):
                raise NotOpenError("one has ended")
    except (
        OSError,
        TimeoutError,
        LostAnswerError,
        NotOpenError,
        NotSettledError,
    ) as error:
        return Figure(ID, name, unit, None, 0, [f"{count} streams: {error!r}."])
    extra = {"before": before, "after": after}
    return Figure(ID, name, unit, (after - before) / KB / count, count, extra=extra)


def settled(running: Running, seconds: float = 10.0) -> int:
    """Returns the memory in bytes when the processes have been idle for 0.3 s.

    The workers of a server start after the first one answers. Raises `NotSettledError` if the
    processes are not idle within `seconds`.
    """
    deadline = time.monotonic() + seconds
    idle, before = 0, running.cpu_seconds()
    while idle < 3 and time.monotonic() < deadline:
        time.sleep(0.1)
        now = running.cpu_seconds()
        idle = idle + 1 if now - before < 0.005 else 0
        before = now
    if idle < 3:
        raise NotSettledError(f"the processes were busy for {seconds:g} s")
    return running.pss_bytes()


def select_readable(sockets: list[socket.socket]) -> list[int]:
    """Returns the descriptors on which something has arrived; poll(2) takes more than 1,023."""
    poll = select.poll()
    for connection in sockets:
        poll.register(connection, select.POLLIN)
    return [descriptor for descriptor, _ in poll.poll(0)]


@contextmanager
def files_for(count: int) -> Iterator[None]:
    """Lets this process, and those that it starts meanwhile, open `count` files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(soft, count)
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
