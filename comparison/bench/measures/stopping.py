"""B8: how long a server takes to stop, and what its clients lose.

A stream is open, and a request is in flight, while its query runs: every query takes a second. This
needs PostgreSQL. Websockets, and nothing at all, are measured with the greetings in a file.
"""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from comparison.bench.client import Answer
from comparison.bench.connection import LostAnswerError, open_connections
from comparison.bench.figures import Effort, Figure
from comparison.bench.slow_store import SlowStore, shared_slow_store
from comparison.bench.subjects import Running, Server, Subject

ID = "B8"
TITLE = "Stopping"
SERVERS: tuple[Server, ...] = ("uvicorn", "hypercorn")
FORMS = ("control", "matched")
ROUNDS = 6
HYPERCORN_ROUNDS = 1
SECONDS = {"quick": 7.0, "full": 16.0}

PATIENCE = 5.0
"""The seconds after which the process is killed. No stream ends earlier by itself."""
DELAY = 1.0
"""The seconds that a query takes, if a stream or a request has to wait for one."""
ROWS = 1000
"""A stream reads them in eleven queries."""
POOL_SIZE = 60
OPENING = 20.0
"""The seconds within which everything has to be open."""


@dataclass(frozen=True)
class Case:
    """What is open when the signal is sent."""

    name: str
    websockets: int = 0
    streams: int = 0
    requests: int = 0

    @property
    def needs_store(self) -> bool:
        return bool(self.streams or self.requests)


NOTHING = Case("nothing open")
QUICK = (NOTHING, Case("50 websockets", websockets=50), Case("20 requests", requests=20))
FULL = (
    *QUICK,
    Case("1 websocket", websockets=1),
    Case("1 stream", streams=1),
    Case("50 streams", streams=50),
)


@dataclass
class Outcome:
    """What was observed of one stop."""

    seconds: float = 0.0
    exit_code: int | None = None
    """None: it had to be killed."""
    lost: int = 0
    answered: int = 0
    traceback_lines: int = 0
    close_codes: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


def run(subject: Subject, effort: Effort) -> list[Figure]:
    """Starts one process for each case."""
    figures: list[Figure] = []
    for case in effort.choose(quick=QUICK, full=FULL):
        figures += _measure(subject, case)
    return figures


def _measure(subject: Subject, case: Case) -> list[Figure]:
    store: SlowStore | None = None
    if case.needs_store:
        if subject.framework is None:
            return absent(case, "The control has no store.")
        found = shared_slow_store()
        if isinstance(found, str):
            return absent(case, found)
        store = found
        store.prepare(ROWS, DELAY)
    ready = "/health" if store else "/greetings/en"
    with subject.start(environment=environment(store), ready_target=ready) as running:
        return figures_of(case, asyncio.run(stop(running, case, store)))


def environment(store: SlowStore | None) -> dict[str, str]:
    if store is None:
        return {}
    return {"GREETINGS_URL": store.url, "GREETINGS_POOL_SIZE": f"{POOL_SIZE}"}


async def stop(running: Running, case: Case, store: SlowStore | None = None) -> Outcome:
    """Opens what the case says, sends SIGTERM, and observes the process and the clients."""
    outcome = Outcome()
    async with AsyncExitStack() as stack:
        try:
            async with asyncio.timeout(OPENING):
                sockets = await _open_websockets(stack, running, case.websockets)
                await _open_streams(stack, running, case.streams)
                requests = await _send_requests(stack, running, case.requests, store)
        except (OSError, TimeoutError, LostAnswerError, WebSocketException, ValueError) as error:
            outcome.faults.append(f"{case.name}: they could not be opened: {error!r}.")
            return outcome
        logged = running.log.stat().st_size
        if running.exit_code() is not None:
            outcome.faults.append("The process had exited before it was told to.")
        await _terminate(running, outcome)
        if outcome.exit_code is not None:
            await _look_at_clients(sockets, requests, outcome)
        for request in requests:
            request.cancel()
        await asyncio.gather(*requests, return_exceptions=True)
        with running.log.open("rb") as log:
            log.seek(logged)
            text = log.read().decode("utf-8", "replace")
        outcome.traceback_lines = sum(1 for _ in traceback_lines(text))
    return outcome


async def _open_websockets(
    stack: AsyncExitStack, running: Running, count: int
) -> list[ClientConnection]:
    """Opens websockets, of which each has had an answer."""
    opened = []
    for _ in range(count):
        connecting = connect(
            f"ws://127.0.0.1:{running.port}/live", proxy=None, close_timeout=0.2, ping_interval=None
        )
        websocket = await stack.enter_async_context(connecting)
        await websocket.send('{"lang": "en"}')
        await websocket.recv()
        opened.append(websocket)
    return opened


async def _open_streams(stack: AsyncExitStack, running: Running, count: int) -> None:
    """Opens streams, of which each has sent its first event."""
    connections = await stack.enter_async_context(open_connections(running.port, count))
    started = [connection.start("/greetings/stream") for connection in connections]
    for response in await asyncio.gather(*started):
        if response.status_code != 200:
            raise ValueError(f"a stream answered {response.status_code}")
    for event in await asyncio.gather(*(connection.data() for connection in connections)):
        if not event:
            raise ValueError("a stream ended at once")


async def _send_requests(
    stack: AsyncExitStack, running: Running, count: int, store: SlowStore | None
) -> list[asyncio.Task[Answer]]:
    """Sends requests, and returns when the queries of all of them run."""
    connections = await stack.enter_async_context(open_connections(running.port, count))
    if store and count:
        # Opens the connections to the database, which may take longer than a query.
        await asyncio.to_thread(store.set_delay, 0.1)
        await asyncio.gather(*(connection.get("/greetings/en") for connection in connections))
        await asyncio.to_thread(store.set_delay, DELAY)
    sent = [asyncio.create_task(connection.get("/greetings/en")) for connection in connections]
    while store and count and await asyncio.to_thread(store.waiting) < count:
        if any(request.done() for request in sent):
            raise ValueError("a request was answered before all of them were in flight")
    return sent


async def _terminate(running: Running, outcome: Outcome) -> None:
    begun = time.monotonic()
    running.terminate()
    # Nothing else tells the end of a process that this one did not start through asyncio.
    while running.exit_code() is None and time.monotonic() - begun < PATIENCE:  # noqa: ASYNC110
        await asyncio.sleep(0.002)
    outcome.seconds = time.monotonic() - begun
    outcome.exit_code = running.exit_code()


async def _look_at_clients(
    sockets: list[ClientConnection], requests: list[asyncio.Task[Answer]], outcome: Outcome
) -> None:
    """Counts the answers that did not arrive, and the codes that closed the websockets."""
    if requests:
        await asyncio.wait(requests, timeout=1.0)
    for request in requests:
        if not request.done() or isinstance(request.exception(), LostAnswerError):
            outcome.lost += 1
        elif (answer := request.result()).status != 200 or b'"en"' not in answer.body:
            outcome.faults.append(f"An answer was wrong: {answer.status} {answer.body[:80]!r}.")
        else:
            outcome.answered += 1
    for websocket in sockets:
        with suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                await websocket.wait_closed()
        outcome.close_codes[f"{websocket.close_code}"] += 1


_TRACEBACK = re.compile(r"[\s|+-]*(Exception Group )?Traceback \(most recent call last\):")


def traceback_lines(log: str) -> Iterator[str]:
    """Yields the lines of a log that belong to a traceback, from its heading to the exception."""
    inside = in_group = False
    for line in log.splitlines():
        if _TRACEBACK.fullmatch(line):
            inside, in_group = True, line.startswith(" ")
        indented = line.startswith((" ", "\t"))
        # A group is indented to its end; otherwise the exception itself, the last line, is not.
        if inside and (indented or not in_group):
            yield line
        inside = inside and (indented or line.endswith("(most recent call last):"))


def absent(case: Case, note: str) -> list[Figure]:
    return [Figure(ID, f"exit, {case.name}", "s", None, 0, note=note)]


def figures_of(case: Case, outcome: Outcome) -> list[Figure]:
    killed = outcome.exit_code is None and not outcome.faults
    note = f"More than {PATIENCE:g} s: the process was killed." if killed else ""
    faults = outcome.faults
    extra = {
        "exit_code": outcome.exit_code,
        "killed": killed,
        "close_codes": dict(outcome.close_codes),
    }
    figures = [
        Figure(ID, f"exit, {case.name}", "s", outcome.seconds, 1, faults, note, extra),
        Figure(
            ID,
            f"traceback, {case.name}",
            "lines",
            outcome.traceback_lines,
            1,
            list(faults),
        ),
    ]
    if case.requests:
        lost = None if killed else outcome.lost
        figures.append(
            Figure(
                ID, f"lost answers, {case.name}", "answers", lost, case.requests, list(faults), note
            )
        )
    return figures
