"""A few bytes from a client cost the gateway neither much memory nor a connection for ever."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from tests.attacks import (
    ALLOWED,
    BINARY,
    COMPRESSED,
    FIN,
    MIB,
    PING,
    Memory,
    bomb,
    closed,
    frame,
    send_until_refused,
    websocket,
)
from tests.contract.waiting import eventually
from tests.figures import Measure, measured
from tests.rehearsal.wire import TIMEOUT_SECONDS, dial, read_until
from tests.serving import serving
from tooling.frameworks import ROOT
from tooling.serving import MAX_MESSAGE_BYTES

HEAD_SECONDS = 5.0

PROGRAM = """
import sys
from rehearsal.proxy.upstream import Upstream
from tests.gateway import gateway
from tests.serving import serving
from tooling import protocols

protocols.HEAD_SECONDS = float(sys.argv[2])
with serving(gateway(Upstream("/app", int(sys.argv[1])))) as url:
    print(url, flush=True)
    sys.stdin.read()
"""


async def sink(scope: Scope, receive: Receive, send: Send) -> None:
    """Takes everything and answers little."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass
    elif scope["type"] == "http":
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})


@dataclass(frozen=True)
class GatewayProcess(Memory):
    url: str

    @contextmanager
    def memory(self, attack: str) -> Iterator[None]:
        """Measures by how much the peak of memory grows."""
        before = self.peak()
        yield
        cost = (self.peak() - before) / MIB
        measured(Measure(attack, "", "gateway", cost, "MiB", ALLOWED / MIB))

    def connections(self) -> int:
        """The number of its open sockets."""
        descriptors = Path(f"/proc/{self.pid}/fd").iterdir()
        with suppress(FileNotFoundError):
            return sum("socket:" in str(fd.readlink()) for fd in descriptors)
        return -1


@pytest.fixture
def process(started: GatewayProcess) -> GatewayProcess:
    started.forget_peak()
    return started


@pytest.fixture(scope="module")
def started() -> Iterator[GatewayProcess]:
    """A gateway in a process of its own, in front of the sink at `/app`."""
    if sys.platform != "linux":
        pytest.skip("the memory of a process is read from Linux's /proc")
    with serving(sink) as upstream:
        port = upstream.rpartition(":")[2]
        command = [sys.executable, "-c", PROGRAM, port, f"{HEAD_SECONDS}"]
        with subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as child:
            assert child.stdout is not None
            url = child.stdout.readline().strip()
            gateway = GatewayProcess(child.pid, url)
            with httpx.Client(base_url=url, timeout=TIMEOUT_SECONDS) as client:
                for _ in range(20):
                    assert client.get("/app/").text == "ok"
            yield gateway


def test_a_compressed_message_is_not_unpacked(process: GatewayProcess) -> None:
    with (
        process.memory("compressed messages"),
        websocket(process.url, "/app/") as connection,
    ):
        send_until_refused(connection, frame(FIN | COMPRESSED | BINARY, bomb(64 * MIB)))
        assert closed(connection)


@pytest.mark.parametrize("fragments", [1, 20])
def test_a_message_has_a_limit(process: GatewayProcess, fragments: int) -> None:
    piece = bytes(20 * MIB // fragments)
    attack = "message of 20 MiB" + (" in fragments" if fragments > 1 else "")
    with process.memory(attack), websocket(process.url, "/app/") as connection:
        send_until_refused(
            connection, frame(BINARY, piece) + frame(0, piece) * (fragments - 1) + frame(FIN, b"")
        )
        assert closed(connection)


def test_a_message_of_the_limit_passes(process: GatewayProcess) -> None:
    with websocket(process.url, "/app/") as connection:
        connection.sendall(frame(FIN | BINARY, bytes(MAX_MESSAGE_BYTES)))
        connection.sendall(frame(FIN | PING, b"x"))
        assert read_until(connection, b"x").endswith(b"\x8a\x01x")


HEADS = {
    "head with a large header": b"GET /app/ HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 20 * MIB,
    "head with many headers": b"GET /app/ HTTP/1.1\r\nHost: localhost\r\n"
    + b"X: y\r\n" * 3_500_000,
    "large request target": b"GET /app/" + b"y" * 20 * MIB,
    "trailers of 20 MiB": b"POST /app/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked"
    b"\r\n\r\n0\r\n" + b"X: y\r\n" * 3_500_000,
}


@pytest.mark.parametrize("attack", HEADS)
def test_a_large_head_is_refused_early(process: GatewayProcess, attack: str) -> None:
    with process.memory(attack), dial(process.url) as connection:
        send_until_refused(connection, HEADS[attack])
        assert closed(connection)


def test_a_client_that_does_not_read_the_answers_to_its_pings_is_dropped(
    process: GatewayProcess,
) -> None:
    pings = frame(FIN | PING, b"x" * 125) * 1000  # 131 kB
    with (
        process.memory("pings, answers not read"),
        websocket(process.url, "/app/") as connection,
    ):
        connection.settimeout(TIMEOUT_SECONDS)
        with pytest.raises(ConnectionError):
            connection.sendall(pings * 100)


def test_half_sent_requests_are_ended(process: GatewayProcess) -> None:
    idle = process.connections()
    begun = time.monotonic()
    with ExitStack() as stack:
        halves = [stack.enter_context(dial(process.url)) for _ in range(500)]
        for number, half in enumerate(halves):
            half.sendall((b"", b"G", b"GET /app/ HTTP/1.1\r\nHost: localhost\r\nX")[number % 3])
        assert eventually(lambda: process.connections() <= idle, HEAD_SECONDS + TIMEOUT_SECONDS)
    assert time.monotonic() - begun >= HEAD_SECONDS
    assert httpx.get(f"{process.url}/app/").text == "ok"
