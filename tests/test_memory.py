"""What hostile clients cost an app under each server: memory, waiting, log lines, descriptors.

Each value is printed by `make soak`. What only a server can bound, and does not, is listed in
`EXPOSED` with its reason; README tells which setting or proxy bounds it.
"""

import re
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from shared.live import MAX_MESSAGE
from tests.attacks import (
    ALLOWED,
    BINARY,
    COMPRESSED,
    FIN,
    MIB,
    PING,
    TEXT,
    Memory,
    bomb,
    closed,
    frame,
    handshake,
    send_until_refused,
    websocket,
)
from tests.contract.waiting import eventually
from tests.endurance import COUNTS
from tests.figures import Measure, Unit, measured
from tests.rehearsal.wire import TIMEOUT_SECONDS, dial, read_until
from tests.servers import server_process
from tooling.frameworks import find_frameworks
from tooling.limits import MAX_MESSAGE_BYTES
from tooling.processes import AppProcess, ServerKind

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="the memory of a process is read from Linux's /proc"
)

CLOSE = b"\x88"
"""How the frame begins with which a server asks for the end: RFC 6455 section 5.5.1."""

SERVERS: tuple[ServerKind, ...] = ("uvicorn", "hypercorn")

_UNPACKS = "hypercorn unpacks a frame before it looks at its size, and has no setting for it"
_KEEPS = "hypercorn keeps the rest of a message that it has refused"
_PONGS = "uvicorn queues the answers to pings that a client does not read"
_HEADS = "uvicorn with httptools has no limit for head and trailers; --http h11 has"

EXPOSED = {
    ("hypercorn", "compressed messages"): _UNPACKS,
    ("hypercorn", "compressed message in fragments"): _UNPACKS,
    ("hypercorn", "message of 48 MiB"): _KEEPS,
    ("uvicorn", "pings, answers not read"): _PONGS,
    ("uvicorn", "head with a large header"): _HEADS,
    ("uvicorn", "head with many headers"): _HEADS,
    ("uvicorn", "large request target"): _HEADS,
    ("uvicorn", "large trailer"): _HEADS,
}
"""By server and attack."""


@dataclass(frozen=True)
class Attacked:
    """An app that is attacked, and the file with its log."""

    name: str
    server: ServerKind
    process: AppProcess
    log: Path

    @property
    def url(self) -> str:
        return self.process.url

    def measured(self, attack: str, value: float, unit: Unit, allowed: float) -> None:
        """Records a value. Raises `AssertionError` if it is more than is allowed."""
        exposed = EXPOSED.get((self.server, attack), "") if unit == "MiB" else ""
        measured(Measure(attack, self.name, self.server, value, unit, allowed, exposed))

    @contextmanager
    def memory(self, attack: str, allowed: int = ALLOWED) -> Iterator[None]:
        """Measures by how much the peak of memory grows; `allowed` in bytes."""
        memory = Memory(self.process.pid)
        memory.forget_peak()
        before = memory.peak()
        yield
        self.measured(attack, (memory.peak() - before) / MIB, "MiB", allowed / MIB)

    def resident(self) -> float:
        """The resident memory, in MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) / 1024

    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))


@pytest.fixture(
    # A process for each attack. What the allocator keeps of one would hide the next one, and
    # hypercorn goes on with the rest of a message that it has refused.
    params=[(framework, server) for framework in find_frameworks() for server in SERVERS],
    ids=lambda param: f"{param[0].name}-{param[1]}",
)
def app(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Attacked]:
    framework, server = request.param
    log = tmp_path_factory.mktemp(framework.name) / "log"
    with server_process(framework.entrypoint, log=log, variables={}, server=server) as process:
        process.wait_until_ready()
        attacked = Attacked(framework.name, server, process, log)
        # The first conversation and requests load what every other one uses.
        converse(attacked, frame(FIN | BINARY, b"x"))
        ask_different(attacked, range(100))
        yield attacked
        assert httpx.get(f"{process.url}/health").status_code == 200


def converse(app: Attacked, *frames: bytes) -> None:
    """Sends the frames over one websocket, which the server closes, or asks the client to close."""
    with websocket(app.url, "/live") as connection:
        for data in frames:
            send_until_refused(connection, data)
        with suppress(ConnectionError, EOFError):
            read_until(connection, CLOSE)


def test_the_servers_limit_is_that_of_the_apps() -> None:
    assert MAX_MESSAGE_BYTES == MAX_MESSAGE


def test_compressed_messages_are_not_unpacked_beyond_the_limit(app: Attacked) -> None:
    packed = bomb(16 * MIB)
    with app.memory("compressed messages"):
        converse(app, *[frame(FIN | COMPRESSED | BINARY, packed)] * 20)


def test_a_compressed_message_in_fragments_is_not_unpacked_beyond_the_limit(app: Attacked) -> None:
    packed = bomb(16 * MIB)
    half = len(packed) // 2
    first, last = frame(COMPRESSED | BINARY, packed[:half]), frame(FIN, packed[half:])
    with app.memory("compressed message in fragments"):
        converse(app, first, last)


def test_a_large_message_is_not_read_to_its_end(app: Attacked) -> None:
    with app.memory("message of 48 MiB"):
        converse(app, frame(FIN | BINARY, bytes(48 * MIB)))


HEADS = {
    "head with a large header": b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 20 * MIB,
    "head with many headers": b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 3_500_000,
    "large request target": b"GET /" + b"y" * 20 * MIB,
    "large trailer": (
        b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"0\r\nX: " + b"y" * 20 * MIB
    ),
}


@pytest.mark.parametrize("attack", HEADS)
def test_a_large_head_is_refused_early(app: Attacked, attack: str) -> None:
    with app.memory(attack), dial(app.url) as connection:
        send_until_refused(connection, HEADS[attack])


def test_with_h11_uvicorn_refuses_a_large_head_early(tmp_path: Path) -> None:
    program = (sys.executable, "-m", "uvicorn", "--http", "h11")
    entrypoint = find_frameworks()[0].entrypoint
    with server_process(entrypoint, log=tmp_path / "log", variables={}, program=program) as process:
        process.wait_until_ready()
        memory = Memory(process.pid)
        for head in HEADS.values():
            memory.forget_peak()
            before = memory.peak()
            with dial(process.url) as connection:
                send_until_refused(connection, head)
                assert closed(connection)
            assert memory.peak() - before <= ALLOWED


def test_pings_whose_answers_nobody_reads_cost_no_memory(app: Attacked) -> None:
    flood(app, "pings, answers not read", frame(FIN | PING, b"x" * 125) * 500)


def test_messages_whose_answers_nobody_reads_cost_no_memory(app: Attacked) -> None:
    message = b'{"lang":"en"}'.ljust(MAX_MESSAGE)
    flood(app, "messages, answers not read", frame(FIN | TEXT, message) * 16)


def flood(app: Attacked, attack: str, frames: bytes) -> None:
    """Sends up to 48 MiB, and meanwhile other requests, which are to be answered too."""
    done, waits = threading.Event(), []

    def ask() -> None:
        with httpx.Client(base_url=app.url, timeout=TIMEOUT_SECONDS) as client:
            while not done.is_set():
                begun = time.monotonic()
                assert client.get("/hello").status_code == 200
                waits.append(time.monotonic() - begun)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        with app.memory(attack, 8 * MIB), websocket(app.url, "/live") as connection:
            connection.settimeout(3.0)  # The server reads no more.
            with suppress(ConnectionError, TimeoutError):
                for _ in range(48 * MIB // len(frames)):
                    connection.sendall(frames)
    finally:
        done.set()
        asking.join()
    app.measured(f"{attack}: another waits", 1000 * max(waits), "ms", 1000 * TIMEOUT_SECONDS)


def test_a_long_cookie_of_a_handshake_is_answered_at_once(app: Attacked) -> None:
    with dial(app.url) as connection:
        begun = time.monotonic()
        connection.sendall(handshake("/live", f"Cookie: a={'x' * 9000}"))
        assert read_until(connection, b"\r\n\r\n").startswith(b"HTTP/1.1 101 ")
        waited = 1000 * (time.monotonic() - begun)
    app.measured("handshake with a cookie of 9 kB", waited, "ms", 2000)


def test_clients_that_reset_during_a_file_cost_neither_log_lines_nor_descriptors(
    app: Attacked,
) -> None:
    lines, descriptors = app.log.read_bytes().count(b"\n"), app.descriptors()
    for _ in range(100):
        with dial(app.url) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            # A close with this option is a reset: socket(7), SO_LINGER.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.sendall(
                b"GET /static/swagger-ui/swagger-ui-bundle.js HTTP/1.1\r\nHost: localhost\r\n\r\n"
            )
            read_until(connection, b"200 ")
    eventually(lambda: app.descriptors() <= descriptors, TIMEOUT_SECONDS)
    app.measured("100 resets", app.descriptors() - descriptors, "descriptors", 2)
    app.measured("100 resets", app.log.read_bytes().count(b"\n") - lines, "log lines", 20)


def test_different_requests_leave_nothing_behind(app: Attacked) -> None:
    # Memory grows at first: the allocator keeps what it has had once.
    ask_different(app, range(COUNTS.different_requests // 10))
    memory, descriptors = app.resident(), app.descriptors()
    ask_different(app, range(10**6, 10**6 + COUNTS.different_requests))
    eventually(lambda: app.descriptors() <= descriptors, TIMEOUT_SECONDS)
    attack = f"{COUNTS.different_requests:,} different requests"
    app.measured(attack, app.descriptors() - descriptors, "descriptors", 2)
    app.measured(attack, app.resident() - memory, "MiB", 8)


TARGETS = (
    "/greetings/x-{}",
    "/about?name=n{}",
    "/static/nope{}",
    "/hello?x={}",
    "/static/styles.css?{}",
    "/{}",
)


def ask_different(app: Attacked, numbers: range) -> None:
    """Sends one request for each number, over one connection."""
    with httpx.Client(base_url=app.url, timeout=TIMEOUT_SECONDS) as client:
        for number in numbers:
            target = TARGETS[number % len(TARGETS)].format(number)
            answer = client.get(target, headers={"X-Number": f"{number}"})
            assert answer.status_code in (200, 404), answer
