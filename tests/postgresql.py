"""A real PostgreSQL that the tests start themselves (first version)."""

import asyncio
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import quote

import asyncpg

BIN = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]
ROLE = "greeter"
PASSWORD = "p@ss/w?rd#%'" + os.urandom(6).hex()


@dataclass(frozen=True)
class Database:
    cluster: "Cluster"
    name: str

    @property
    def password(self) -> str:
        return PASSWORD

    @property
    def url(self) -> str:
        return f"postgresql://{ROLE}:{quote(PASSWORD, safe='')}@127.0.0.1:{self.cluster.port}/{self.name}"

    def execute(self, sql: str) -> None:
        self.cluster.run(sql, self.name)

    def fetch(self, sql: str) -> list[tuple[Any, ...]]:
        return self.cluster.run(sql, self.name, fetch=True)

    def connections(self, role: str = ROLE) -> int:
        sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = '%s' AND usename = '%s'"
        return int(self.fetch(sql % (self.name, role))[0][0])

    def active(self) -> int:
        sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = '%s' AND usename = '%s' AND state = 'active'"
        return int(self.fetch(sql % (self.name, ROLE))[0][0])

    def kill_connections(self) -> None:
        sql = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '%s' AND usename = '%s'"
        self.fetch(sql % (self.name, ROLE))

    def drop(self) -> None:
        self.cluster.run(f"DROP DATABASE {self.name} WITH (FORCE)")


class Cluster:
    def __enter__(self) -> Self:
        self.directory = Path(tempfile.mkdtemp(prefix="pg-"))
        self.owner: dict[str, Any] = {}
        if os.geteuid() == 0:
            user = pwd.getpwnam("nobody")
            os.chown(self.directory, user.pw_uid, user.pw_gid)
            self.owner = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        subprocess.run(
            [BIN / "initdb", "-D", self.directory / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8",
             "--no-sync", "--locale=C.UTF-8"],
            check=True, stdout=subprocess.DEVNULL, cwd="/", **self.owner,
        )  # fmt: skip
        hba = "local all postgres trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
        (self.directory / "data" / "pg_hba.conf").write_text(hba)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.start()
        self.run(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD.replace(chr(39), chr(39) * 2)}'")
        return self

    def start(self) -> None:
        options = "-c fsync=off -c full_page_writes=off -c synchronous_commit=off -c autovacuum=off"
        self.process = subprocess.Popen(
            [BIN / "postgres", "-D", self.directory / "data", "-p", str(self.port), "-k", self.directory,
             "-c", "listen_addresses=127.0.0.1", *options.split()],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", **self.owner,
        )  # fmt: skip
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with suppress(OSError, asyncpg.PostgresError):
                self.run("SELECT 1")
                return
            time.sleep(0.02)
        raise TimeoutError

    def stop(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        self.process.send_signal(signal.SIGINT if mode == "fast" else signal.SIGQUIT)
        self.process.wait(30)

    def restart(self) -> None:
        self.stop()
        self.start()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        found = subprocess.run(
            ["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True
        ).stdout.split()
        pids = [self.process.pid, *map(int, found)]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def __exit__(self, *_: object) -> None:
        self.stop("immediate")
        shutil.rmtree(self.directory)

    def create_database(self, name: str, encoding: str = "UTF8") -> Database:
        locale = "" if encoding == "UTF8" else " LOCALE 'C'"
        self.run(
            f"CREATE DATABASE {name} OWNER {ROLE} ENCODING '{encoding}'{locale} TEMPLATE template0"
        )
        return Database(self, name)

    def run(
        self, sql: str, database: str = "postgres", fetch: bool = False
    ) -> list[tuple[Any, ...]]:
        async def run() -> list[tuple[Any, ...]]:
            connection = await asyncpg.connect(
                host=str(self.directory), port=self.port, user="postgres", database=database
            )
            try:
                if fetch:
                    return [tuple(row) for row in await connection.fetch(sql)]
                await connection.execute(sql)
                return []
            finally:
                await connection.close()

        with ThreadPoolExecutor(1) as executor:
            return executor.submit(lambda: asyncio.run(run())).result()
