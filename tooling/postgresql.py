"""A real PostgreSQL for tests and measurements, on a socket and a port of its own."""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import quote

import psycopg

from tooling.frameworks import ROOT
from tooling.postgresql_binaries import PROGRAMS, find_binaries

ROLE = "greeter"
"""Whom the apps sign in as: owner of each database, and nothing more."""

# The data are thrown away, so that nothing needs to survive a crash.
SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "autovacuum": "off",
    "shared_buffers": "16MB",
    "max_connections": "100",
    "listen_addresses": "127.0.0.1",
    "timezone": "UTC",
}

# The administrator comes over the private socket, the apps with their password, mostly over TCP.
ACCESS = f"""\
local all postgres trust
local all {ROLE} scram-sha-256
host all {ROLE} 127.0.0.1/32 scram-sha-256
"""

_SECONDS = 30.0

# Reads until the process that started it is gone, however it ended, and then does what that would
# have done.
WATCH = """
read -r _
kill -QUIT "$1" && while kill -0 "$1"; do sleep 0.1; done
rm -rf "$2"
"""


@dataclass(frozen=True)
class Database:
    """One database of a cluster, encoded as UTF-8 and empty at first."""

    cluster: "Cluster"
    name: str

    @property
    def password(self) -> str:
        return self.cluster.password

    @property
    def url(self) -> str:
        """What `GREETINGS_URL` takes."""
        password = quote(self.password, safe="")
        return f"postgresql://{ROLE}:{password}@127.0.0.1:{self.cluster.port}/{self.name}"

    def prepare(self) -> None:
        """Prepares it with the command behind `make db`."""
        subprocess.run(
            [sys.executable, "-m", "deploy.prepare_database"],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "GREETINGS_URL": self.url},
            stdout=subprocess.DEVNULL,
            check=True,
        )

    def execute(self, sql: str) -> None:
        """Runs statements as the administrator, from whatever thread. Raises `psycopg.Error`."""
        self.cluster.run(sql, self.name)

    def fetch(self, sql: str) -> list[tuple[Any, ...]]:
        return self.cluster.run(sql, self.name, fetch=True)

    def connections(self) -> int:
        """How many the apps have open."""
        return self._count("true")

    def active(self) -> int:
        """On how many of them a query runs.

        Between preparing a query and executing it the server is active too, but waits for the
        client; there it stays, when the client gives the query up just then, until it has another
        one.
        """
        return self._count("state = 'active' AND wait_event IS DISTINCT FROM 'ClientRead'")

    def _count(self, condition: str) -> int:
        return len(self.fetch(f"SELECT FROM ({self._backends()}) AS backend WHERE {condition}"))

    def _backends(self) -> str:
        return (
            "SELECT pid, state, wait_event FROM pg_stat_activity"
            f" WHERE datname = '{self.name}' AND usename = '{ROLE}'"
        )

    def kill_connections(self) -> None:
        """Ends them, as an administrator would, and waits until they are gone."""
        self.fetch(f"SELECT pg_terminate_backend(pid, 5000) FROM ({self._backends()}) AS backend")

    def drop(self) -> None:
        self.cluster.run(f"DROP DATABASE {self.name} WITH (FORCE)")


@dataclass
class Cluster:
    """A server and its data, from entering its context until leaving it; nothing is left behind.

    Not even where this process is killed. Raises `NoPostgreSQLError` where there are no programs,
    and `RuntimeError` with the log where it does not start.
    """

    password: str = field(default_factory=lambda: f"p@ss/w?rd#%'{secrets.token_hex(8)}", repr=False)
    port: int = 0
    """On 127.0.0.1; the same after `start` as before `stop`."""

    def __enter__(self) -> Self:
        binaries = find_binaries()
        # Short, since the path of a Unix socket may have 107 bytes at most.
        self.directory = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
        try:
            self._prepare(binaries)
            self.start()
            quoted = self.password.replace("'", "''")
            self.run(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{quoted}'")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop("immediate")
        shutil.rmtree(self.directory)

    def _prepare(self, binaries: Path) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._owner: dict[str, Any] = {}
        if os.geteuid() == 0:
            # PostgreSQL refuses to run as root; under Debian it has a user of its own.
            user = _unprivileged()
            os.chown(self.directory, user.pw_uid, user.pw_gid)
            self._owner = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
            if not self._may_run(binaries):
                copied = self.directory / "pginstall"
                shutil.copytree(binaries.parent, copied, symlinks=True)
                binaries = copied / "bin"
        self._binaries = binaries
        data = self.directory / "data"
        command = [
            binaries / "initdb",
            "--pgdata",
            data,
            "--username",
            "postgres",
            "--auth",
            "trust",
        ]
        done = self._call([*command, "--encoding", "UTF8", "--locale", "C", "--no-sync"])
        if done.returncode:
            raise RuntimeError(f"initdb: {done.stdout.decode(errors='replace')}")
        (data / "pg_hba.conf").write_text(ACCESS, encoding="ascii")

    def _call(self, command: list[Any]) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            command,
            cwd=self.directory,
            env={"PATH": os.defpath, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            **self._owner,
        )

    def _may_run(self, binaries: Path) -> bool:
        """Whether the other user reaches the programs, which may lie in a folder that only root may
        enter.
        """
        try:
            return all(self._call([binaries / p, "--version"]).returncode == 0 for p in PROGRAMS)
        except PermissionError:
            return False

    def start(self) -> None:
        """Starts the server, and waits until it takes connections."""
        for _ in range(5):
            port = self.port or _free_port()
            if self._start(port):
                self.port = port
                return
        raise RuntimeError(f"PostgreSQL does not start: {self.log()}")

    def _start(self, port: int) -> bool:
        """False where it ends instead, as it does where somebody else has taken the port."""
        options = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
        with (self.directory / "log").open("ab") as log:
            data, sockets = str(self.directory / "data"), str(self.directory)
            process = subprocess.Popen(
                [self._binaries / "postgres", "-D", data, "-p", f"{port}", "-k", sockets, *options],
                cwd=self.directory,
                env={"PATH": os.defpath, "LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **self._owner,
            )
        self._process = process
        self._watcher = subprocess.Popen(
            ["/bin/sh", "-c", WATCH, "sh", f"{process.pid}", sockets],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + _SECONDS
        while process.poll() is None:
            with suppress(psycopg.OperationalError):
                self.run("SELECT", port=port)
                return True
            if time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL does not get ready: {self.log()}")
            time.sleep(0.02)
        self._unwatch()
        self._process = None
        return False

    def _unwatch(self) -> None:
        with self._watcher:
            self._watcher.kill()

    def log(self) -> str:
        return (self.directory / "log").read_text(encoding="utf-8", errors="replace")

    def stop(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        """Ends the server, and every connection with it; `immediate` is as if it crashed."""
        if self._process is not None:
            self._unwatch()
            self._process.send_signal(signal.SIGINT if mode == "fast" else signal.SIGQUIT)
            self._process.wait(_SECONDS)
            self._process = None

    def restart(self) -> None:
        self.stop()
        self.start()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """A server that the system lets no more run: it takes connections, and answers nothing."""
        assert self._process is not None
        pid = self._process.pid
        stopped = [pid]
        # The server first, so that it cannot start another process meanwhile.
        os.kill(pid, signal.SIGSTOP)
        try:
            for child in children(pid):
                stopped.append(child)
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGSTOP)
            yield
        finally:
            for pid in stopped:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def create_database(self, name: str, encoding: str = "UTF8") -> Database:
        self.run(
            f"CREATE DATABASE {name} OWNER {ROLE} ENCODING '{encoding}' LOCALE 'C' TEMPLATE"
            " template0"
        )
        return Database(self, name)

    def run(
        self, sql: str, database: str = "postgres", *, fetch: bool = False, port: int | None = None
    ) -> list[tuple[Any, ...]]:
        """As the administrator, on a connection of its own. Raises `psycopg.Error`."""
        with closing(
            psycopg.connect(
                host=str(self.directory),
                port=port or self.port,
                user="postgres",
                dbname=database,
                connect_timeout=int(_SECONDS),
                autocommit=True,
            )
        ) as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if fetch else []


def _unprivileged() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise RuntimeError("PostgreSQL does not run as root, and there is neither postgres nor nobody.")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def children(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True)
    pairs = (line.split() for line in listed.stdout.splitlines())
    return [int(child) for child, parent in pairs if int(parent) == pid]
