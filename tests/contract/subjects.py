"""What the suite runs against: every app, on every server, through every mount."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import h11

from rehearsal.frameworks import ROOT, Framework
from rehearsal.gateway import Gateway, Route, RoutingTable
from rehearsal.processes import AppProcess, ServerKind
from rehearsal.serving import serving
from tests.contract.in_process import IN_PROCESS, Host, InProcessClient, load
from tests.contract.registry import Case
from tests.contract.sockets import Connection, DeployedClient, SocketClient
from tests.contract.vocabulary import BARE, Capability, Mount, Request, StoreName
from tests.postgresql import Cluster, Database

LOGS = ROOT / "build" / "contract"

PREFIXES = {
    "content": "/content/6f1c2b9e-53a0-4a37-9d0a-8b4f0f4f9d11",
    "bundle": "/content/6f1c2b9e-53a0-4a37-9d0a-8b4f0f4f9d11/_bundle7",
    "vanity": "/vanity/name",
}

ServerName = Literal["in process", "uvicorn", "hypercorn", "gateway", "deployed"]
"""`gateway`: uvicorn behind the gateway of the rehearsal."""

# The gateway takes the prefix away, and tells it in the header alone; the client sees neither.
GATEWAY = Mount("content, header, stripped", PREFIXES["content"], client_sends_prefix=True)

# One mount for each server: where an app is mounted has nothing to do with where its greetings come from.
WITH_DATABASE: dict[ServerName, Mount] = {
    "uvicorn": Mount(
        "content, header, included", PREFIXES["content"], base_url=True, client_sends_prefix=True
    ),
    "hypercorn": Mount(
        "content, included", PREFIXES["content"], root_path=True, client_sends_prefix=True
    ),
    "gateway": GATEWAY,
}


def mounts(server: ServerName) -> Iterator[Mount]:
    """Every mount through which that server can hand an app on."""
    yield BARE
    for name, prefix in PREFIXES.items():
        # uvicorn puts its --root-path before whatever path comes, so that its scopes always include it.
        if server != "uvicorn":
            yield Mount(f"{name}, included", prefix, root_path=True, client_sends_prefix=True)
        yield Mount(f"{name}, stripped", prefix, root_path=True)
        yield Mount(f"{name}, header, included", prefix, base_url=True, client_sends_prefix=True)
        yield Mount(f"{name}, header, stripped", prefix, base_url=True)
        if server == "in process":
            # What live Connect servers were seen to send: notes on the rehearsal's profiles.
            yield Mount(
                f"{name}, both", prefix, root_path=True, base_url=True, client_sends_prefix=True
            )


@dataclass(frozen=True)
class Subject:
    """One way to reach one app; of a deployed app `framework` is unknown."""

    server: ServerName
    mount: Mount
    framework: Framework | None = None
    store: StoreName | None = "json"
    """None where that is not known, as of a deployed app."""

    @property
    def id(self) -> str:
        app = self.framework.name if self.framework else "app"
        store = f"-{self.store}" if self.store == "postgresql" else ""
        return f"{app}-{self.server}-{self.mount.id}{store}"

    @property
    def group(self) -> str:
        """What runs on the same processes, and so belongs into one process of the suite."""
        return f"{self.framework.name if self.framework else 'app'}-{self.server}-{self.store}"

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What the harness can do there; of a deployed app it depends on the key."""
        if self.server == "in process":
            return IN_PROCESS
        capabilities = frozenset(Capability) - {Capability.SCOPE}
        if self.server == "gateway":
            # The gateway sets Connect's headers itself, and lets nobody else.
            capabilities -= {Capability.FORGE, Capability.PREFIX}
        if self.store == "json":
            capabilities -= {Capability.DATABASE}
            if self.mount.prefix:
                # That an app can be started again does not depend on its mount, and takes its time.
                capabilities -= {Capability.PROCESS}
        return capabilities

    def takes(self, case: Case) -> bool:
        """Whether the case means anything there; on deployed apps it is skipped in the open instead."""
        if self.server == "deployed":
            return True
        # With a database STORE-1 replays version 1; how the gateway hands it on, `make test-rehearsal` does.
        if case.version == 1 and (self.store == "postgresql" or self.server == "gateway"):
            return False
        return case.needs <= self.capabilities

    @property
    def waivers(self) -> dict[str, str]:
        """Case ID to reason: the deviations that the app's own `pyproject.toml` admits."""
        waivers: dict[str, str] = (
            self.framework.contract.get("waivers", {}) if self.framework else {}
        )
        return waivers


def subjects_of(framework: Framework, server: ServerName) -> Iterator[Subject]:
    """Everything of one app on one server that the suite looks at."""
    if server == "gateway":
        yield Subject(server, GATEWAY, framework)
    else:
        for mount in mounts(server):
            yield Subject(server, mount, framework)
    if server in WITH_DATABASE:
        yield Subject(server, WITH_DATABASE[server], framework, "postgresql")


def environment_of(*, trust: bool, database: Database | None = None) -> dict[str, str]:
    """All that an app's process finds in its environment."""
    environment = {"PATH": os.environ["PATH"], "CONNECT_HEADERS": "trust" if trust else "ignore"}
    return environment if database is None else environment | {"GREETINGS_URL": database.url}


class Served:
    """One process of an app, and the gateway in front of it where there is one; ended with its context."""

    def __init__(
        self,
        subject: Subject,
        mount: Mount,
        environment: Mapping[str, str],
        log: Path,
    ) -> None:
        assert subject.framework is not None
        kind: ServerKind = "hypercorn" if subject.server == "hypercorn" else "uvicorn"
        self._stack = ExitStack()
        self.app = self._stack.enter_context(
            AppProcess(
                subject.framework.entrypoint,
                server=kind,
                root_path=mount.prefix if mount.root_path else "",
                environment=environment,
                command=[sys.executable, "-m", "tests.contract.serve", kind],
                log=log,
            )
        )
        self.url = self.app.url
        if subject.server == "gateway":
            route = Route(mount.prefix, self.app.port, strip_prefix=True, base_url=True)
            gateway = Gateway(RoutingTable.of(route).resolve)
            self.url = self._stack.enter_context(serving(gateway))
        self._connection = Connection(self.url)
        self._stack.callback(self._connection.close)
        self.database: Database | None = None

    def connect(self, mount: Mount, *, trust: bool) -> Connection:
        return self._connection

    def process(
        self, mount: Mount, environment: Mapping[str, str | None]
    ) -> AbstractContextManager["Served"]:
        raise NotImplementedError(Capability.PROCESS)

    @property
    def pid(self) -> int:
        return self.app.pid

    def terminate(self) -> None:
        self.app.terminate()

    def exit_code(self) -> int | None:
        return self.app.exit_code()

    def log(self) -> str:
        """Everything since its start."""
        return self.app.log.read_text(encoding="utf-8", errors="replace")

    def close(self) -> None:
        self._stack.close()


@dataclass
class Servers:
    """One app on one kind of server: a process for each `--root-path` and each kind of trust, when needed."""

    subject: Subject
    database: Database | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    """Put over that of every process."""
    _stack: ExitStack = field(default_factory=ExitStack)
    _served: dict[tuple[str, bool], Served] = field(default_factory=dict)
    _logs_read: dict[Path, int] = field(default_factory=dict)
    _fresh: int = 0

    def connect(self, mount: Mount, *, trust: bool) -> Connection:
        key = (mount.prefix if mount.root_path else "", trust)
        if key not in self._served:
            served = self._start(mount, trust, {}, f"{len(self._served)}")
            self._stack.callback(served.close)
            served.app.wait_until_ready()
            self._served[key] = served
        return self._served[key].connect(mount, trust=trust)

    def _start(
        self, mount: Mount, trust: bool, changes: Mapping[str, str | None], name: str
    ) -> Served:
        environment = environment_of(trust=trust, database=self.database)
        changed = {**environment, **self.environment, **changes}
        return Served(
            self.subject,
            mount,
            {key: value for key, value in changed.items() if value is not None},
            LOGS / f"{self.subject.group}-{name}.log",
        )

    @contextmanager
    def process(self, mount: Mount, environment: Mapping[str, str | None]) -> Iterator[Served]:
        """A process more, until it takes connections or has ended."""
        self._fresh += 1
        served = self._start(mount, True, environment, f"fresh-{self._fresh}")
        served.database = self.database
        try:
            deadline = time.monotonic() + 30
            while served.exit_code() is None and not served.app.is_listening():
                assert time.monotonic() < deadline, served.log()
                time.sleep(0.02)
            yield served
        finally:
            served.close()

    def log(self) -> str:
        """What all of its processes have logged since the last call, but for those of one case."""
        texts = []
        for served in self._served.values():
            file = served.app.log
            content = file.read_bytes()
            texts.append(content[self._logs_read.get(file, 0) :])
            self._logs_read[file] = len(content)
        return b"".join(texts).decode("utf-8", "replace")

    def close(self) -> None:
        self._stack.close()


class Hosts:
    """Everything that the suite has running; servers of one app and kind at a time."""

    def __init__(self) -> None:
        self._in_process: dict[str, Host] = {}
        self._servers: Servers | None = None
        self._stack = ExitStack()
        self._cluster: Cluster | None = None

    def client(self, subject: Subject) -> InProcessClient | SocketClient:
        """A client for one of the apps of this repository."""
        assert subject.framework is not None
        waived = frozenset(subject.waivers)
        if subject.server == "in process":
            host = self._host(subject.framework)
            return InProcessClient(subject.framework, host, subject.mount, waived=waived)
        if self._servers is None or self._servers.subject.group != subject.group:
            self.stop_servers()
            database = self.database(subject) if subject.store == "postgresql" else None
            self._servers = Servers(subject, database)
        return SocketClient(self._servers, subject.mount, subject.capabilities, waived)

    def _host(self, framework: Framework) -> Host:
        if framework.name not in self._in_process:
            self._in_process[framework.name] = Host(load(framework))
        return self._in_process[framework.name]

    def database(self, subject: Subject) -> Database:
        """A database of the subject's own, prepared as a user would."""
        if self._cluster is None:
            self._cluster = self._stack.enter_context(Cluster())
        database = self._cluster.create_database(subject.group.replace("-", "_"))
        subprocess.run(
            [sys.executable, "-m", "shared.database"],
            cwd=ROOT,
            env=environment_of(trust=False, database=database),
            stdout=subprocess.DEVNULL,
            check=True,
        )
        return database

    def stop_servers(self) -> None:
        if self._servers is not None:
            self._servers.close()
            if self._servers.database is not None:
                self._servers.database.drop()
            self._servers = None

    def close(self) -> None:
        self.stop_servers()
        for host in self._in_process.values():
            host.close()
        self._in_process.clear()
        self._stack.close()


def deployed_subject(
    url: str, framework: Framework | None, store: StoreName | None = None
) -> Subject:
    """The subject for `make test-url`; `url` is the content's address, with or without a final slash.

    `framework`: whose app it is, where that is known. `store`: what it was deployed with, likewise.

    Raises `ValueError` for what is not an absolute http(s) URL.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(
            f"{url!r} is not the address of an app, such as https://connect.example.org/content/1b2c/"
        )
    return Subject(
        "deployed",
        Mount("as deployed", parts.path.rstrip("/"), client_sends_prefix=True),
        framework,
        store,
    )


def record_of(url: str) -> Path:
    """Where the report about a deployed app goes: one file for each address."""
    parts = urlsplit(url)
    name = re.sub(r"[^A-Za-z0-9.]+", "-", f"{parts.netloc.rpartition('@')[2]}{parts.path}")
    return LOGS / f"{name.strip('-.')}.json"


def check_deployed(url: str, api_key: str | None) -> None:
    """Raises `ValueError`, in one sentence, where no case could be checked at that address."""
    connection = Connection(url, _authorization(api_key))
    try:
        status = connection.send(Request("GET", urlsplit(url).path or "/")).status
    except (OSError, h11.RemoteProtocolError) as error:
        raise ValueError(f"Nothing answers at {url}: {error}.") from None
    finally:
        connection.close()
    if status in (401, 403):
        key = "another API_KEY" if api_key else "API_KEY=..."
        raise ValueError(f"{url} is answered {status}, not by the app: give {key}.")


def _authorization(api_key: str | None) -> str:
    return f"Key {api_key}" if api_key else ""


@contextmanager
def deployed_client(url: str, subject: Subject, api_key: str | None) -> Iterator[DeployedClient]:
    """Connect takes API keys as `Authorization: Key`: https://docs.posit.co/connect/user/api-keys/."""
    connection = Connection(url, _authorization(api_key))
    capabilities = frozenset() if api_key else frozenset({Capability.ANONYMOUS})
    try:
        yield DeployedClient(connection, subject.mount, capabilities, store=subject.store)
    finally:
        connection.close()


@cache
def versions_of(framework: Framework) -> dict[str, str]:
    """What stands behind a result."""
    names = (framework.contract["distribution"], "uvicorn", "hypercorn")
    return {name: version(name) for name in names}
