"""What hostile websocket messages cost an app, under each server, in memory."""

import sys
from collections.abc import Iterator

import pytest

from shared.live import MAX_MESSAGE
from tests.attacks import (
    ALLOWED,
    BINARY,
    COMPRESSED,
    FIN,
    MIB,
    Memory,
    bomb,
    closed,
    frame,
    send_until_refused,
    websocket,
)
from tests.servers import server_process
from tooling import development
from tooling.frameworks import Framework, find_frameworks
from tooling.processes import AppProcess

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="the memory of a process is read from Linux's /proc"
)


@pytest.fixture(scope="module", params=find_frameworks(), ids=lambda framework: framework.name)
def app(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AppProcess]:
    framework: Framework = request.param
    log = tmp_path_factory.mktemp(framework.name) / "log"
    with server_process(framework.entrypoint, log=log, variables={}) as process:
        process.wait_until_ready()
        # The first conversation loads what every other one uses.
        with websocket(process.url, "/live") as connection:
            connection.sendall(frame(FIN | BINARY, b"x"))
            assert closed(connection)
        yield process


def cost(app: AppProcess, *frames: bytes) -> int:
    """Sends the frames over one websocket, which the app closes. Returns the peak of memory."""
    memory = Memory(app.pid)
    memory.forget_peak()
    before = memory.peak()
    with websocket(app.url, "/live") as connection:
        for data in frames:
            send_until_refused(connection, data)
        assert closed(connection)
    return memory.peak() - before


def test_the_servers_limit_is_that_of_the_apps() -> None:
    assert development.MAX_MESSAGE_BYTES == MAX_MESSAGE


def test_compressed_messages_are_not_unpacked_beyond_the_limit(app: AppProcess) -> None:
    packed = bomb(16 * MIB)
    assert cost(app, *[frame(FIN | COMPRESSED | BINARY, packed)] * 20) < ALLOWED


def test_a_compressed_message_in_fragments_is_not_unpacked_beyond_the_limit(
    app: AppProcess,
) -> None:
    packed = bomb(16 * MIB)
    half = len(packed) // 2
    first, last = frame(COMPRESSED | BINARY, packed[:half]), frame(FIN, packed[half:])
    assert cost(app, first, last) < ALLOWED


def test_a_large_message_is_not_read_to_its_end(app: AppProcess) -> None:
    assert cost(app, frame(FIN | BINARY, bytes(20 * MIB))) < ALLOWED
