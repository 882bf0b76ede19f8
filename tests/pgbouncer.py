"""PgBouncer, configured as in `deploy/plain_server/`, in front of a database of the tests."""

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
from tooling.frameworks import ROOT
from tooling.postgresql import ROLE, Cluster, Database

CONNECTIONS = 4
"""PgBouncer opens at most so many to the database."""

CONFIGURATION = (ROOT / "deploy" / "plain_server" / "pgbouncer.ini").read_text(encoding="utf-8")


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
    users = configuration.with_suffix(".users")
    password = database.password.replace('"', '""')
    users.write_text(f'"{ROLE}" "{password}"\n', encoding="utf-8")
    text = CONFIGURATION
    for theirs, ours in {
        "host=db.example.org port=5432": f"host=127.0.0.1 port={cluster.port}",
        "dbname=greetings": f"dbname={database.name}",
        "\ngreetings = ": f"\n{database.name} = ",
        "listen_port = 6432": f"listen_port = {port}",
        "auth_file = /etc/pgbouncer/userlist.txt": f"auth_file = {users}",
        "default_pool_size = 20": f"default_pool_size = {CONNECTIONS}",
    }.items():
        assert text.count(theirs) == 1, theirs
        text = text.replace(theirs, ours)
    configuration.write_text(f"{text}{setting}\n", encoding="utf-8")
    url = database.url.replace(f"127.0.0.1:{cluster.port}", f"127.0.0.1:{port}")
    assert f":{port}/" in url
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
