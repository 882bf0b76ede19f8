"""Several hosts, and connections that end without a word."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from shared.errors import UnavailableError
from shared.health import check_health
from shared.postgresql import UNUSED, PoolSettings
from tests.shared.databases import count, opened
from tooling.postgresql import ROLE, Cluster, Database, children

SETTINGS = PoolSettings(pool_size=2, connect_timeout=2.0, query_timeout=5.0)

# Each connection is relayed by a process of its own, which the test can stop.
RELAY = """
import os, select, signal, socket, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    near, _ = listener.accept()
    if os.fork():
        near.close()
        continue
    far = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    other = {near: far, far: near}
    while True:
        for one in select.select([near, far], [], [])[0]:
            data = one.recv(65536)
            if not data:
                os._exit(0)
            other[one].sendall(data)
"""


def through(database: Database, *ports: int) -> str:
    """The URL of the database with other ports, each of which is another host."""
    own = f"127.0.0.1:{database.cluster.port}"
    assert own in database.url
    return database.url.replace(own, ",".join(f"127.0.0.1:{port}" for port in ports))


def test_the_next_host_is_asked_where_one_refuses(cluster: Cluster, prepared: Database) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        refusing = listener.getsockname()[1]
    assert asyncio.run(count(through(prepared, refusing, cluster.port), SETTINGS)) == 7


def test_the_next_host_is_asked_where_one_accepts_nothing(
    cluster: Cluster, prepared: Database
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        silent = listener.getsockname()[1]
        begun = time.monotonic()
        assert asyncio.run(count(through(prepared, silent, cluster.port), SETTINGS)) == 7
        assert time.monotonic() - begun < SETTINGS.query_timeout


def test_health_recovers_where_a_host_accepts_nothing(cluster: Cluster, prepared: Database) -> None:
    """A connection takes longer to open than the check may take: it is opened meanwhile."""

    async def ask(url: str) -> None:
        async with opened(url, SETTINGS) as store:
            prepared.kill_connections()
            with pytest.raises(UnavailableError):
                await check_health(store)
            await asyncio.sleep(SETTINGS.connect_timeout)
            assert len(await store.all()) == 7
            assert (await check_health(store)).status == "ok"

    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        silent = listener.getsockname()[1]
        asyncio.run(ask(through(prepared, silent, cluster.port)))


def test_the_next_host_of_a_service_file_is_asked_too(
    cluster: Cluster, prepared: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        ports = f"{listener.getsockname()[1]},{cluster.port}"
        services = tmp_path / "services"
        services.write_text(
            f"[app]\nhost=127.0.0.1,127.0.0.1\nport={ports}\ndbname=prepared\n"
            f"user={ROLE}\npassword={prepared.password}\n"
        )
        monkeypatch.setenv("PGSERVICEFILE", str(services))
        assert asyncio.run(count("postgresql:///?service=app", SETTINGS)) == 7


@contextmanager
def relay(port: int) -> Iterator[subprocess.Popen[str]]:
    """A process that relays TCP to a port on 127.0.0.1. It prints its own port."""
    with subprocess.Popen(
        [sys.executable, "-c", RELAY, str(port)], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            for child in children(process.pid):
                os.kill(child, signal.SIGKILL)
            process.kill()


@pytest.mark.parametrize("requests", [1, 2])
def test_after_a_silent_loss_the_next_request_gets_another_connection(
    requests: int, cluster: Cluster, prepared: Database
) -> None:
    async def ask(url: str, process: subprocess.Popen[str]) -> float:
        loop = asyncio.get_running_loop()
        async with opened(url, SETTINGS) as store:
            await asyncio.gather(store.all(), store.all())
            await asyncio.sleep(UNUSED)
            stopped = children(process.pid)
            assert len(stopped) == 3  # One is that of the health check.
            for child in stopped:
                os.kill(child, signal.SIGSTOP)
            begun = loop.time()
            found = await asyncio.gather(*(store.all() for _ in range(requests)))
            assert [len(greetings) for greetings in found] == [7] * requests
            return loop.time() - begun

    with relay(cluster.port) as process:
        assert process.stdout is not None
        url = through(prepared, int(process.stdout.readline()))
        assert asyncio.run(ask(url, process)) < SETTINGS.connect_timeout


def test_after_a_restart_the_next_request_gets_another_connection(
    cluster: Cluster, prepared: Database
) -> None:
    async def ask() -> None:
        async with opened(prepared.url, SETTINGS) as store:
            await asyncio.gather(store.all(), store.all())
            cluster.restart()
            assert len(await store.all()) == 7

    asyncio.run(ask())
