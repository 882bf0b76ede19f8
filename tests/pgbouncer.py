"""PgBouncer in transaction mode, in front of a database of the tests."""

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import psycopg
import pytest

from tests.contract.waiting import eventually
from tooling.postgresql import ROLE, Cluster, Database

CONNECTIONS = 4
"""PgBouncer opens at most so many to the database."""

CONFIGURATION = """
[databases]
{name} = host=127.0.0.1 port={database_port} user={role} password='{password}'
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {connections}
{setting}
"""


@contextmanager
def pgbouncer(database: Database, setting: str = "") -> Iterator[str]:
    """Starts it on a port of its own and yields the URL of the database behind it.

    `setting` is a further line of its configuration. Without the program, or with a version that
    does not know `max_prepared_statements` if that is the setting, the test is skipped.
    """
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip("There is no pgbouncer here (Debian: apt install pgbouncer).")
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
    version = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
    number = [int(part) for part in re.findall(r"\d+", version)[:2]]
    if "max_prepared_statements" in setting and number < [1, 21]:
        name = version.splitlines()[0]
        pytest.skip(f"{name} has no max_prepared_statements, and keeps no prepared statement.")
    cluster: Cluster = database.cluster
    configuration = cluster.directory / f"pgbouncer-{port}.ini"
    configuration.write_text(
        CONFIGURATION.format(
            name=database.name,
            database_port=cluster.port,
            role=ROLE,
            password=database.password.replace("'", "''"),
            port=port,
            connections=CONNECTIONS,
            setting=setting,
        ),
        encoding="utf-8",
    )
    url = f"postgresql://{ROLE}@127.0.0.1:{port}/{database.name}"
    log = configuration.with_suffix(".log")
    # PgBouncer refuses to run as root, as PostgreSQL does.
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [program, configuration], stdin=subprocess.DEVNULL, stderr=stderr, **cluster.owner
        )
    try:
        assert eventually(lambda: _answers(url) or process.poll() is not None)
        assert process.poll() is None, log.read_text(encoding="utf-8")
        yield url
    finally:
        process.terminate()
        process.wait()


def _answers(url: str) -> bool:
    with suppress(psycopg.OperationalError):
        psycopg.connect(url).close()
        return True
    return False
