"""The prober: an HTTP/1.1 client that measures latency under a fixed rate, in an open loop.

The schedule is fixed before the first request: one request every 1/rate seconds. A request whose
time has come waits for a free connection if there is none, and its latency counts from the time at
which it was to be sent. A server that stalls therefore does not slow the client down: this error of
most load tools is called coordinated omission.

In a closed loop every connection sends the next request after the answer, as wrk does.
"""

import contextlib
import select
import socket
import time
from collections import deque
from dataclasses import dataclass

from comparison.bench.load import Load, new_histogram

_GRACE_SECONDS = 5.0
"""How long the prober waits for answers after its last send."""
_CLOCK = time.perf_counter


@dataclass(frozen=True)
class Request:
    """A request, and the only body that is a right answer to it."""

    target: str
    headers: tuple[tuple[str, str], ...] = ()
    expected: bytes | None = None
    """None: every body is right."""

    def encode(self, port: int) -> bytes:
        lines = [f"GET {self.target} HTTP/1.1", f"Host: 127.0.0.1:{port}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        return "\r\n".join([*lines, "", ""]).encode()


class BrokenAnswer(Exception):
    """The bytes are not an answer, or it ends early."""


def parse_answer(data: bytes | bytearray) -> tuple[int, bytes, bool] | None:
    """Returns status, body, and whether the server closes; None while the answer is incomplete.

    Raises `BrokenAnswer`. The connection must have nothing but this answer in `data`.
    """
    head_end = data.find(b"\r\n\r\n")
    if head_end < 0:
        return None
    head = bytes(data[:head_end]).lower()
    if not head.startswith(b"http/1.1 "):
        raise BrokenAnswer
    rest = data[head_end + 4 :]
    try:
        status = int(head[9:12])
        closes = b"\r\nconnection: close" in head
        at = head.find(b"\r\ncontent-length:")
        if at >= 0:
            length = int(head[at + 17 :].split(b"\r\n", 1)[0])
            if len(rest) > length:
                raise BrokenAnswer
            return (status, bytes(rest), closes) if len(rest) == length else None
        if b"\r\ntransfer-encoding: chunked" in head:
            body = join_chunks(bytes(rest))
            return None if body is None else (status, body, closes)
    except ValueError:
        raise BrokenAnswer from None
    raise BrokenAnswer


def join_chunks(data: bytes) -> bytes | None:
    """Returns a chunked body: RFC 9112 section 7.1; None while it is incomplete."""
    body: list[bytes] = []
    position = 0
    while (line_end := data.find(b"\r\n", position)) >= 0:
        size = int(data[position:line_end].split(b";")[0], 16)
        start = line_end + 2
        if len(data) < start + size + 2:
            return None
        if size == 0:
            return b"".join(body)
        body.append(data[start : start + size])
        position = start + size + 2
    return None


class _Connection:
    def __init__(self, port: int) -> None:
        self.port = port
        self.intended = 0.0
        self.received = bytearray()
        self.open()

    def open(self) -> None:
        self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=5)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)

    def reopen(self) -> None:
        self.socket.close()
        self.received.clear()
        self.open()


class _State:
    """The connections, and what was observed on them."""

    def __init__(self, request: bytes, expected: bytes | None) -> None:
        self._request = request
        self._expected = expected
        self.free: list[_Connection] = []
        self.busy: dict[int, _Connection] = {}
        self.waiting: deque[float] = deque()
        """The intended times of requests that wait for a connection."""
        self.latencies: list[float] = []
        self.late: list[float] = []
        """By how much this client took up each request later than intended."""
        self.completed = self.errors = self.wrong = 0
        self.in_system = 0
        self.area = 0.0
        """The integral of `in_system` over time."""
        self.last = self.answered = _CLOCK()

    def enter(self, due: float) -> None:
        """Adds a request that was to be sent at `due`."""
        self._advance(_CLOCK())
        self.late.append(self.last - due)
        self.area += self.last - due
        self.in_system += 1
        self.waiting.append(due)

    def send(self) -> None:
        """Sends as many waiting requests as there are free connections."""
        while self.waiting and self.free:
            connection = self.free.pop()
            connection.intended = self.waiting.popleft()
            try:
                # A request is far smaller than the socket's buffer: it is sent as a whole.
                connection.socket.send(self._request)
            except OSError:
                self._fail(connection)
            else:
                self.busy[connection.socket.fileno()] = connection

    def receive(self, seconds: float) -> None:
        """Waits for answers, at most so long, and takes them."""
        # select(2) has microseconds; epoll_wait(2) has milliseconds.
        for fd in select.select(list(self.busy), (), (), max(seconds, 0))[0]:
            connection = self.busy[fd]
            try:
                if not (data := connection.socket.recv(1 << 18)):
                    raise BrokenAnswer
                connection.received += data
                answer = parse_answer(connection.received)
            except (OSError, BrokenAnswer):
                del self.busy[fd]
                self._fail(connection)
                continue
            if answer is not None:
                del self.busy[fd]
                self._complete(connection, *answer)

    def close(self) -> None:
        for connection in (*self.free, *self.busy.values()):
            connection.socket.close()

    def _complete(self, connection: _Connection, status: int, body: bytes, closes: bool) -> None:
        self._leave(connection)
        if status != 200:
            self.errors += 1
        elif self._expected is not None and body != self._expected:
            self.wrong += 1
        else:
            self.completed += 1
            self.answered = self.last
        connection.received.clear()
        if closes:
            connection.reopen()
        self.free.append(connection)

    def _fail(self, connection: _Connection) -> None:
        self._leave(connection)
        self.errors += 1
        # A server that accepts no connection: this one is not used again.
        with contextlib.suppress(OSError):
            connection.reopen()
            self.free.append(connection)

    def _leave(self, connection: _Connection) -> None:
        now = _CLOCK()
        self._advance(now)
        self.in_system -= 1
        self.latencies.append(now - connection.intended)

    def _advance(self, now: float) -> None:
        self.area += self.in_system * (now - self.last)
        self.last = now


class Prober:
    """Sends one kind of request over several connections to a port of 127.0.0.1.

    - `gap`: the seconds between the opening of two connections. Workers that listen on one socket
      share connections that arrive one by one; of many at once, one of them may accept most.
    """

    def __init__(self, port: int, request: Request, connections: int, gap: float = 0.0) -> None:
        self._request = request
        self._port = port
        self._count = connections
        self._gap = gap

    def open_loop(self, rate: float, seconds: float) -> Load:
        """Offers `rate` requests per second for `seconds`.

        Requests without an answer five seconds after the last send are errors.
        """
        state = self._state()
        total, scheduled = round(rate * seconds), 0
        cpu, begun = time.thread_time(), _CLOCK()
        give_up = begun + seconds + _GRACE_SECONDS
        while (now := _CLOCK()) < give_up:
            while scheduled < total and begun + scheduled / rate <= now:
                state.enter(begun + scheduled / rate)
                scheduled += 1
            state.send()
            if scheduled == total and not state.in_system:
                break
            until = begun + scheduled / rate if scheduled < total else give_up
            state.receive(until - _CLOCK())
        state.errors += state.in_system
        elapsed = max(_CLOCK() - begun, seconds)
        share = (time.thread_time() - cpu) / elapsed
        state.close()
        return self._load(state, begun, elapsed, share, state.area / elapsed, rate)

    def closed_loop(self, seconds: float) -> Load:
        """Every connection has one request in flight for `seconds`."""
        state = self._state()
        cpu, begun = time.thread_time(), _CLOCK()
        while (now := _CLOCK()) < begun + seconds and (state.free or state.busy):
            for _ in state.free:
                state.enter(now)
            state.send()
            state.receive(begun + seconds - _CLOCK())
        elapsed = max(_CLOCK() - begun, seconds)
        share = (time.thread_time() - cpu) / elapsed
        state.close()
        return self._load(state, begun, elapsed, share, self._count, None)

    def _state(self) -> _State:
        state = _State(self._request.encode(self._port), self._request.expected)
        for _ in range(self._count):
            state.free.append(_Connection(self._port))
            time.sleep(self._gap)
        return state

    def _load(
        self,
        state: _State,
        begun: float,
        elapsed: float,
        share: float,
        in_system: float,
        rate: float | None,
    ) -> Load:
        histogram = new_histogram()
        for latency in state.latencies:
            histogram.record_value(max(round(latency * 1e6), 1))
        p99 = histogram.get_value_at_percentile(99) / 1e6 if state.latencies else 0.0
        late = sorted(state.late)
        loop = f"rate {rate:.1f}/s" if rate is not None else "closed loop"
        return Load(
            tool="prober",
            command=["prober", f"{self._count} connections", loop, f"GET {self._request.target}"],
            seconds=elapsed,
            completed=state.completed,
            errors=state.errors,
            wrong=state.wrong,
            mean_latency=histogram.get_mean_value() / 1e6 if state.latencies else 0.0,
            mean_in_system=in_system,
            client_share=share,
            offered=rate,
            histogram=histogram,
            beyond_p99=sum(latency > p99 for latency in state.latencies),
            max_latency=max(state.latencies, default=0.0),
            p99_late=late[int(len(late) * 0.99)] if late else 0.0,
            last_answer=state.answered - begun if state.completed else elapsed,
        )
