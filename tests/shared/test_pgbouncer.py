"""PgBouncer in transaction mode between the store and its database.

PgBouncer gives each transaction another connection of the server. A prepared statement is therefore
not there when it is to be executed, with `max_prepared_statements=0` and before PgBouncer 1.21.
"""

import asyncio
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, suppress

import psycopg
import pytest

from shared.postgresql import PoolSettings
from tests.contract.waiting import eventually
from tests.shared.databases import make_db, opened
from tooling.postgresql import ROLE, Cluster, Database

CLIENTS = 16
SETTINGS = PoolSettings(pool_size=CLIENTS, query_timeout=10.0)


@pytest.fixture
def bounced(cluster: Cluster, database: Database) -> Iterator[str]:
    """The URL of the database behind PgBouncer, which has four connections to it."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip("There is no pgbouncer here (Debian: apt install pgbouncer).")
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
    password = database.password.replace("'", "''")
    version = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
    knows = [int(number) for number in re.findall(r"\d+", version)[:2]] >= [1, 21]
    configuration = cluster.directory / "pgbouncer.ini"
    configuration.write_text(
        f"""
[databases]
greetings = host=127.0.0.1 port={cluster.port} user={ROLE} password='{password}'
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 4
{"max_prepared_statements = 0" if knows else ""}
""",
        encoding="utf-8",
    )
    url = f"postgresql://{ROLE}@127.0.0.1:{port}/greetings"
    # PgBouncer refuses to run as root, as PostgreSQL does.
    with (cluster.directory / "pgbouncer.log").open("wb") as log:
        process = subprocess.Popen(
            [program, configuration], stdin=subprocess.DEVNULL, stderr=log, **cluster._owner
        )
    try:
        assert eventually(lambda: _answers(url) or process.poll() is not None)
        assert process.poll() is None, (cluster.directory / "pgbouncer.log").read_text()
        yield url
    finally:
        process.terminate()
        process.wait()


def _answers(url: str) -> bool:
    with suppress(psycopg.OperationalError):
        psycopg.connect(url).close()
        return True
    return False


def test_many_clients_share_a_few_connections(bounced: str, database: Database) -> None:
    assert "7 of them new" in make_db(bounced).stdout

    async def ask() -> None:
        async with opened(bounced, SETTINGS) as store:

            async def client() -> None:
                for _ in range(20):
                    assert len(await store.all()) == 7
                    assert await store.get("en") is not None
                    assert len([greeting async for greeting in store.each()]) == 7

            await asyncio.gather(*(client() for _ in range(CLIENTS)))
            assert database.connections() <= 4

    asyncio.run(ask())
