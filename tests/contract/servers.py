"""Servers on which the suite reaches an app: the processes that it starts, and any other."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rehearsal.proxy.upstream import Upstream
from tests.contract.sockets import Connection
from tests.contract.subjects import Subject
from tests.contract.vocabulary import Capability, Mount, TimeoutFailure
from tests.contract.waiting import eventually
from tests.gateway import gateway
from tests.servers import server_process
from tests.serving import serving
from tooling.frameworks import ROOT
from tooling.postgresql import Database
from tooling.processes import ServerKind

RECORDS = ROOT / "build" / "contract"
# Each worker of pytest-xdist has logs of its own, because two may start the same app.
LOGS = RECORDS / os.environ.get("PYTEST_XDIST_WORKER", "")


def variables_of(*, trust: bool, database: Database | None = None) -> dict[str, str]:
    """All the environment variables of an app's process."""
    environment = {"PATH": os.environ["PATH"], "CONNECT_HEADERS": "trust" if trust else "ignore"}
    return environment if database is None else environment | {"GREETINGS_URL": database.url}


class Server:
    """Where an app can be reached. A subclass overrides what the suite can do there."""

    database: Database | None = None
    """Where the app reads its greetings, if the suite has access to it."""

    def connect(self, mount: Mount, *, trust: bool) -> Connection:
        raise NotImplementedError

    def log(self) -> str:
        raise NotImplementedError(Capability.LOG)

    def process(
        self, mount: Mount, environment: Mapping[str, str | None]
    ) -> AbstractContextManager["ServerProcess"]:
        raise NotImplementedError(Capability.PROCESS)


class ServerProcess(Server):
    """One process of an app, and the gateway in front of it if the subject has one."""

    def __init__(
        self, subject: Subject, mount: Mount, environment: Mapping[str, str], log: Path
    ) -> None:
        assert subject.framework is not None
        kind: ServerKind = "hypercorn" if subject.server == "hypercorn" else "uvicorn"
        self._stack = ExitStack()
        self._process = self._stack.enter_context(
            server_process(
                subject.framework.entrypoint,
                server=kind,
                root_path=mount.prefix if mount.root_path else "",
                variables=environment,
                program=[sys.executable, "-m", "tests.contract.serve", kind],
                log=log,
            )
        )
        url = self._process.url
        if subject.server == "gateway":
            route = Upstream(mount.prefix, self._process.port, strip_prefix=True, base_url=True)
            url = self._stack.enter_context(serving(gateway(route)))
        self._connection = Connection(url)
        self._stack.callback(self._connection.close)
        self._log = log

    def connect(self, mount: Mount, *, trust: bool) -> Connection:
        return self._connection

    def wait_until_ready(self) -> None:
        """Returns when the app is ready. Raises what `AppProcess.wait_until_ready` raises."""
        self._process.wait_until_ready()

    def has_started(self) -> bool:
        """Whether the process accepts connections or has exited."""
        return self._process.exit_code() is not None or self._process.is_listening()

    def terminate(self) -> None:
        """Sends SIGTERM and returns at once."""
        self._process.terminate()

    def wait(self, seconds: float) -> int:
        """Returns the exit code. Raises `TimeoutFailure` if the process runs after `seconds`."""
        if not eventually(lambda: self._process.exit_code() is not None, seconds):
            raise TimeoutFailure(f"process {self._process.pid} still runs after {seconds:g} s")
        code = self._process.exit_code()
        assert code is not None
        return code

    def log(self) -> str:
        """Everything that the process has logged since its start."""
        return self.log_bytes().decode("utf-8", "replace")

    def log_bytes(self) -> bytes:
        return self._log.read_bytes()

    def close(self) -> None:
        self._stack.close()


@dataclass
class ServerProcesses(Server):
    """The processes of one app on one kind of server.

    A process is started when it is needed: one for each `--root-path` and each value of trust.
    """

    subject: Subject
    database: Database | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    """Put over the variables of every process."""
    _stack: ExitStack = field(default_factory=ExitStack)
    _processes: dict[tuple[str, bool], ServerProcess] = field(default_factory=dict)
    _bytes_read: dict[tuple[str, bool], int] = field(default_factory=dict)
    _own_processes: int = 0

    def connect(self, mount: Mount, *, trust: bool) -> Connection:
        key = (mount.prefix if mount.root_path else "", trust)
        if key not in self._processes:
            process = self._start(mount, trust, {}, f"{len(self._processes)}")
            self._stack.callback(process.close)
            process.wait_until_ready()
            self._processes[key] = process
        return self._processes[key].connect(mount, trust=trust)

    def _start(
        self, mount: Mount, trust: bool, changes: Mapping[str, str | None], name: str
    ) -> ServerProcess:
        environment = variables_of(trust=trust, database=self.database)
        changed = {**environment, **self.environment, **changes}
        return ServerProcess(
            self.subject,
            mount,
            {key: value for key, value in changed.items() if value is not None},
            LOGS / f"{self.subject.group}-{name}.log",
        )

    @contextmanager
    def process(
        self, mount: Mount, environment: Mapping[str, str | None]
    ) -> Iterator[ServerProcess]:
        """Starts a process for one case."""
        self._own_processes += 1
        process = self._start(mount, True, environment, f"fresh-{self._own_processes}")
        process.database = self.database
        try:
            assert eventually(process.has_started, 30), process.log()
            yield process
        finally:
            process.close()

    def log(self) -> str:
        """What the shared processes have logged since the last call."""
        added = []
        for key, process in self._processes.items():
            content = process.log_bytes()
            added.append(content[self._bytes_read.get(key, 0) :])
            self._bytes_read[key] = len(content)
        return b"".join(added).decode("utf-8", "replace")

    def close(self) -> None:
        self._stack.close()


@dataclass
class OtherServer(Server):
    """A server that the suite has not started, reached over one connection."""

    connection: Connection
    database: Database | None = None

    def connect(self, mount: Mount, *, trust: bool) -> Connection:
        return self.connection
