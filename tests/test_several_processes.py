"""README, "When one machine is not enough": several processes of every application on one
PostgreSQL.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.contract.waiting import eventually
from tests.servers import server_process
from tooling.frameworks import find_frameworks
from tooling.postgresql import Cluster, Database
from tooling.processes import ServerKind

SERVERS: tuple[ServerKind, ...] = ("uvicorn", "uvicorn", "hypercorn")
POOL_SIZE = 2


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    with Cluster() as cluster:
        database = cluster.create_database("greetings")
        database.prepare()
        yield database


def test_every_process_sees_a_change_at_once_and_gives_its_connections_back(
    database: Database, tmp_path: Path
) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "GREETINGS_URL": database.url,
        "GREETINGS_POOL_SIZE": str(POOL_SIZE),
    }
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                server_process(
                    framework.entrypoint,
                    server=server,
                    variables=environment,
                    log=tmp_path / f"{framework.name}-{number}.log",
                )
            )
            for framework in find_frameworks()
            for number, server in enumerate(SERVERS)
        ]
        clients = [
            stack.enter_context(httpx.Client(base_url=process.wait_until_ready().url))
            for process in processes
        ]
        executor = stack.enter_context(ThreadPoolExecutor(len(clients)))

        def everywhere(target: str) -> list[httpx.Response]:
            return list(executor.map(lambda client: client.get(target), clients))

        for text in ("Hi", "Ahoy", "Hello"):
            database.execute(f"UPDATE greetings SET text = '{text}' WHERE lang = 'en'")
            answers = everywhere("/greetings/en")
            assert [answer.json()["text"] for answer in answers] == [text] * len(clients)
        for _ in range(3 * POOL_SIZE):
            everywhere("/greetings")
        assert len(processes) <= database.connections() <= POOL_SIZE * len(processes)

        # One process ends; its connections alone go, and nobody else notices.
        before = database.connections()
        processes[0].stop()
        assert eventually(lambda: database.connections() < before)
        assert database.connections() >= before - POOL_SIZE
        del clients[0]
        assert {answer.status_code for answer in everywhere("/health")} == {200}
    # Where a busy machine makes a process end the hard way, the server learns of it a moment later.
    assert eventually(lambda: database.connections() == 0)
