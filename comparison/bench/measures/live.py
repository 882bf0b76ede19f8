"""B7: websockets and streams.

The time from a hang-up to the closed generator is observed from outside: it is the time until the
query, for which the stream waits, is no longer running in the database (`pg_stat_activity`).
"""

import select
import socket
import statistics
import time
from contextlib import ExitStack
from dataclasses import dataclass

from comparison.bench.cores import choose_cores
from comparison.bench.figures import Effort, Figure
from comparison.bench.load import CLIENT_LIMIT, core_gate
from comparison.bench.slow_store import SlowStore, shared_slow_store
from comparison.bench.subjects import Running, Server, Subject
from comparison.bench.websocket import (
    NotOpenError,
    client_frame,
    open_websocket,
    server_frame,
)
from comparison.bench.workloads import GREETING

ID = "B7"
TITLE = "Websockets and streams"
SERVERS: tuple[Server, ...] = ("uvicorn",)
FORMS = ("control", "control again", "matched")
ROUNDS = 6
SECONDS = {"quick": 5.0, "full": 5.0}

QUESTION = b'{"lang":"en"}'
CONNECTIONS = (1, 100)
WARMUP_SECONDS = 0.2
LAST_EVENT = b"event: end\ndata: {}\n\n"
HELD_DELAY = 60.0
"""The seconds that the second query of a stream takes."""
ROWS = 1000
PATIENCE = 5.0
"""The seconds within which that query has to begin, and to end after the hang-up."""


@dataclass(frozen=True)
class Asked:
    """What came of questions over websockets."""

    seconds: float
    answered: int
    wrong: int
    closed: int
    client_share: float

    def faults(self) -> list[str]:
        faults = []
        if self.wrong:
            faults.append(f"{self.wrong} answers were wrong.")
        if self.closed:
            faults.append(f"{self.closed} websockets were closed.")
        if not self.answered:
            faults.append("No question was answered.")
        if self.client_share > CLIENT_LIMIT:
            faults.append(f"The client used {self.client_share:.0%} of its core.")
        return faults


def run(subject: Subject, effort: Effort) -> list[Figure]:
    """Measures with the greetings in a file on one start, and the hang-up on another one."""
    figures: list[Figure] = []
    with subject.start() as running:
        cores = core_gate(running.pid, [choose_cores().client])
        for count in CONNECTIONS:
            figures += questions(running, count, effort.choose(quick=0.7, full=1.0), cores)
        figures.append(first_event(running.port, effort.choose(quick=10, full=30)))
    if subject.framework is not None:
        figures.append(hang_up(subject, effort.choose(quick=1, full=3)))
    return figures


def questions(running: Running, count: int, seconds: float, cores: list[str]) -> list[Figure]:
    """Returns the answers per second over `count` websockets, and the processor time of each."""
    name = f"questions, {count} websocket{'s' if count > 1 else ''}"
    units = ("1/s", "CPU us/question")
    with ExitStack() as stack:
        try:
            sockets = [
                stack.enter_context(open_websocket(running.port, compression=False))
                for _ in range(count)
            ]
            expected = _first_answer(sockets[0])
        except (OSError, ValueError, NotOpenError) as error:
            faults = [f"{count} websockets: {error}."]
            return [Figure(ID, name, unit, None, 0, list(faults)) for unit in units]
        ask(sockets, expected, WARMUP_SECONDS)
        cpu = running.cpu_seconds()
        asked = ask(sockets, expected, seconds)
        cpu = running.cpu_seconds() - cpu
    faults = asked.faults() + cores
    extra = {"client_share": asked.client_share, "seconds": asked.seconds}
    rate, each = asked.answered / asked.seconds, cpu / max(asked.answered, 1) * 1e6
    return [
        Figure(ID, name, units[0], rate, asked.answered, faults, extra=extra),
        Figure(ID, name, units[1], each, asked.answered, list(faults)),
    ]


def _first_answer(websocket: socket.socket) -> bytes:
    """Asks once; returns the frame that every later answer must equal. Raises `ValueError`."""
    websocket.sendall(client_frame(QUESTION))
    received = websocket.recv(4096)
    if received != server_frame(received[2:]) or not GREETING.check(received[2:]):
        raise ValueError(f"the first answer was {received[:80]!r}")
    return received


def ask(sockets: list[socket.socket], expected: bytes, seconds: float) -> Asked:
    """Asks over every websocket, again after each answer, for so many seconds.

    The last answers are read afterwards, and do not count; the sockets can be used again.
    """
    asking = _Asking(expected)
    cpu, begun = time.thread_time(), time.perf_counter()
    for websocket in sockets:
        asking.send(websocket)
    while asking.waiting and time.perf_counter() < begun + seconds:
        asking.receive(again=True)
    elapsed = time.perf_counter() - begun
    share = (time.thread_time() - cpu) / elapsed
    answered = asking.answered
    while asking.waiting and time.perf_counter() < begun + elapsed + PATIENCE:
        asking.receive(again=False)
    closed = asking.closed + len(asking.waiting)
    return Asked(elapsed, answered, asking.wrong, closed, share)


class _Asking:
    """Websockets that wait for an answer, and what was observed."""

    def __init__(self, expected: bytes) -> None:
        self._expected = expected
        self._question = client_frame(QUESTION)
        self._poll = select.poll()
        self.waiting: dict[int, tuple[socket.socket, bytearray]] = {}
        self.answered = self.wrong = self.closed = 0

    def send(self, websocket: socket.socket) -> None:
        try:
            websocket.sendall(self._question)
        except OSError:
            self.closed += 1
            return
        self.waiting[websocket.fileno()] = (websocket, bytearray())
        self._poll.register(websocket, select.POLLIN)

    def receive(self, *, again: bool) -> None:
        """Takes the answers that are there, and asks again if `again` is true."""
        for descriptor, _ in self._poll.poll(50):
            websocket, received = self.waiting[descriptor]
            data = _receive(websocket)
            received += data
            if data and len(received) < len(self._expected):
                continue
            del self.waiting[descriptor]
            self._poll.unregister(descriptor)
            if not data:
                self.closed += 1
                continue
            if received == self._expected:
                self.answered += 1
            else:
                self.wrong += 1
            if again:
                self.send(websocket)


def _receive(websocket: socket.socket) -> bytes:
    """Returns an empty string at the end."""
    try:
        return websocket.recv(4096)
    except OSError:
        return b""


def first_event(port: int, count: int) -> Figure:
    """Returns the median milliseconds from the request for a stream to its first event."""
    name = "first event"
    waits: list[float] = []
    faults: list[str] = []
    for number in range(count + 1):
        try:
            seconds, body = _read_stream(port)
        except OSError as error:
            faults = [f"A stream ended: {error!r}."]
            break
        if LAST_EVENT not in body:
            faults = [f"A stream was incomplete; it begins with {body[:40]!r}."]
            break
        if number:  # The first stream does more than later ones.
            waits.append(seconds * 1000)
    value = statistics.median(waits) if waits else None
    return Figure(ID, name, "ms", value, len(waits), faults, extra={"each": waits})


def _read_stream(port: int) -> tuple[float, bytes]:
    """Returns the seconds until the first event, and everything that was received."""
    request = b"GET /greetings/stream HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        begun = time.perf_counter()
        connection.sendall(request)
        received, seconds = b"", 0.0
        while data := connection.recv(65536):
            received += data
            if not seconds and b"data: " in received:
                seconds = time.perf_counter() - begun
    return seconds, received


def hang_up(subject: Subject, count: int) -> Figure:
    """Returns the median milliseconds from a hang-up to the end of the stream's query."""
    name, unit = "hang-up to the end of the query", "ms"
    store = shared_slow_store()
    if isinstance(store, str):
        return Figure(ID, name, unit, None, 0, note=store)
    waits: list[float] = []
    store.prepare(ROWS, 0)
    with subject.start(
        environment={"GREETINGS_URL": store.url, "GREETINGS_QUERY_TIMEOUT": "120"},
        ready_target="/health",
    ) as running:
        for _ in range(count):
            store.set_delay(HELD_DELAY, after=1)
            try:
                seconds = _hang_up_once(running.port, store)
            except (OSError, ValueError) as error:
                return Figure(ID, name, unit, None, 0, [f"A stream could not be held: {error}."])
            if seconds is None:
                note = f"The query still ran {PATIENCE:g} s after the hang-up."
                return Figure(ID, name, unit, None, 0, note=note)
            waits.append(seconds * 1000)
    return Figure(ID, name, unit, statistics.median(waits), count, extra={"each": waits})


def _hang_up_once(port: int, store: SlowStore) -> float | None:
    """Opens a stream, hangs up while a query runs; returns the seconds until none runs.

    The database is asked every millisecond or so, and the time of the last question counts. Returns
    None if the query still runs after `PATIENCE`. Raises `ValueError` if there was no query.
    """
    with store.watch() as waiting:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(b"GET /greetings/stream HTTP/1.1\r\nHost: bench\r\n\r\n")
            received = b""
            while b"data: " not in received:
                data = connection.recv(65536)
                if not data:
                    raise ValueError(f"there was no event, only {received[:40]!r}")
                received += data
            deadline = time.monotonic() + PATIENCE
            while waiting() != 1:
                if time.monotonic() > deadline:
                    raise ValueError("no query runs")
                time.sleep(0.002)
        begun = time.perf_counter()
        while (elapsed := time.perf_counter() - begun) < PATIENCE:
            if not waiting():
                return time.perf_counter() - begun
            time.sleep(0.0005 if elapsed < 0.1 else 0.002)
    return None
