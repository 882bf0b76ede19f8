"""The PostgreSQL of the tests: where its programs come from, and that nothing of it stays."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from tests.contract.waiting import eventually
from tooling.frameworks import ROOT
from tooling.postgresql import Cluster
from tooling.postgresql_binaries import PROGRAMS, NoPostgreSQLError, chosen, find_binaries


def test_nothing_is_left_of_a_cluster() -> None:
    with Cluster() as cluster:
        database = cluster.create_database("here")
        database.execute("CREATE TABLE fact (text text)")
        directory, port = cluster.directory, cluster.port
    assert not directory.exists()
    with pytest.raises(OSError, match=r"."):
        socket.create_connection(("127.0.0.1", port), timeout=1)


def test_a_cluster_comes_back_at_its_place_with_its_data() -> None:
    with Cluster() as cluster:
        database = cluster.create_database("here")
        database.execute("CREATE TABLE fact AS SELECT 'kept' AS text")
        port = cluster.port
        for mode in ("fast", "immediate"):
            cluster.stop(mode)
            with pytest.raises(psycopg.OperationalError):
                database.fetch("SELECT")
            cluster.start()
            assert cluster.port == port
        assert database.fetch("SELECT text FROM fact") == [("kept",)]


def test_over_tcp_the_password_is_asked_for() -> None:
    with Cluster() as cluster:
        database = cluster.create_database("here")
        assert cluster.password not in repr(database)
        psycopg.connect(database.url).close()
        where = f"host=127.0.0.1 port={cluster.port} dbname=here"
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(f"{where} user=greeter password=guessed")
        with pytest.raises(psycopg.OperationalError, match=r"no pg_hba\.conf entry"):
            psycopg.connect(f"{where} user=postgres")


def test_a_killed_test_leaves_no_server_behind() -> None:
    code = """
import time
from tooling.postgresql import Cluster
with Cluster() as cluster:
    print(cluster._process.pid, cluster.directory, flush=True)
    time.sleep(60)
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as test:
        assert test.stdout is not None
        pid, directory = test.stdout.readline().split()
        os.kill(int(pid), 0)
        test.send_signal(signal.SIGKILL)
    assert eventually(lambda: not Path(directory).exists())
    assert eventually(lambda: not Path(f"/proc/{pid}").exists() or sys.platform != "linux")


def test_a_frozen_server_takes_connections_and_answers_none() -> None:
    with Cluster() as cluster:
        with cluster.frozen():
            begun = time.monotonic()
            with socket.create_connection(("127.0.0.1", cluster.port), timeout=1) as connection:
                connection.settimeout(0.3)
                connection.sendall(b"\x00\x00\x00\x08\x04\xd2\x16\x2f")  # SSLRequest
                with pytest.raises(TimeoutError):
                    connection.recv(1)
            assert time.monotonic() - begun >= 0.3
        assert cluster.run("SELECT 1", fetch=True) == [(1,)]


def test_the_first_folder_with_the_programs_is_taken_else_one_is_installed(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    full = tmp_path / "full"
    full.mkdir()
    for program in PROGRAMS:
        (full / program).write_text("#!/bin/sh\n")
        (full / program).chmod(0o755)
    folders = [tmp_path / "missing", tmp_path / "empty", full]
    assert chosen(folders, lambda: None) == full
    assert chosen(folders[:2], lambda: full) == full
    with pytest.raises(NoPostgreSQLError, match="apt install postgresql"):
        chosen(folders[:2], lambda: None)


def test_a_folder_that_is_named_is_taken_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSTGRESQL_BIN", str(tmp_path))
    with pytest.raises(NoPostgreSQLError, match="POSTGRESQL_BIN"):
        find_binaries()
