"""What the suite runs against: every app, on every server, through every mount."""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from rehearsal.frameworks import ROOT, Framework
from rehearsal.processes import AppProcess, ServerKind
from tests.contract.in_process import Host, InProcessClient, load
from tests.contract.model import Case, Mount, Power
from tests.contract.sockets import ON_SERVERS, Connection, DeployedClient, SocketClient

LOGS = ROOT / "build" / "contract"

BARE = Mount("bare")

PREFIXES = {
    "content": "/content/6f1c2b9e-53a0-4a37-9d0a-8b4f0f4f9d11",
    "bundle": "/content/6f1c2b9e-53a0-4a37-9d0a-8b4f0f4f9d11/_bundle7",
    "vanity": "/vanity/name",
}

ServerName = Literal["in process", "uvicorn", "hypercorn", "deployed"]


def mounts(server: ServerName) -> Iterator[Mount]:
    """Every mount through which that server can hand an app on."""
    yield BARE
    for name, prefix in PREFIXES.items():
        # uvicorn puts its --root-path before whatever path comes, so that its scopes always include it.
        if server != "uvicorn":
            yield Mount(f"{name}, included", prefix, root_path=True, path="included")
        yield Mount(f"{name}, stripped", prefix, root_path=True, path="stripped")
        yield Mount(f"{name}, header, included", prefix, base_url=True, path="included")
        yield Mount(f"{name}, header, stripped", prefix, base_url=True, path="stripped")
        if server == "in process":
            # What live Connect servers were seen to send: notes on the rehearsal's profiles.
            yield Mount(f"{name}, both", prefix, root_path=True, base_url=True, path="included")


@dataclass(frozen=True)
class Target:
    """One way to reach one app; of a deployed app `framework` is unknown."""

    server: ServerName
    mount: Mount
    framework: Framework | None = None

    @property
    def id(self) -> str:
        app = self.framework.name if self.framework else "app"
        return f"{app}-{self.server}-{self.mount.id}"

    def takes(self, case: Case) -> bool:
        """Whether the case means anything there; on deployed apps it is skipped in the open instead."""
        return self.server in ("in process", "deployed") or case.needs <= ON_SERVERS

    @property
    def waivers(self) -> dict[str, str]:
        """Case ID to reason: the deviations that the app's own `pyproject.toml` admits."""
        waivers: dict[str, str] = (
            self.framework.contract.get("waivers", {}) if self.framework else {}
        )
        return waivers


def environment_of(*, trust: bool) -> dict[str, str]:
    """All that an app's process finds in its environment."""
    return {"PATH": os.environ["PATH"], "CONNECT_HEADERS": "trust" if trust else "ignore"}


@dataclass
class Servers:
    """One app on one kind of server: a process for each `--root-path` and each kind of trust, when needed."""

    framework: Framework
    kind: ServerKind
    _stack: ExitStack = field(default_factory=ExitStack)
    _processes: dict[tuple[str, bool], AppProcess] = field(default_factory=dict)
    _connections: dict[tuple[str, bool], Connection] = field(default_factory=dict)
    _logs_read: dict[Path, int] = field(default_factory=dict)

    def connect(self, mount: Mount, *, trust: bool) -> Connection:
        key = (mount.prefix if mount.root_path else "", trust)
        if key not in self._connections:
            process = self._stack.enter_context(self._start(*key)).wait_until_ready()
            self._processes[key] = process
            self._connections[key] = connection = Connection(process.url)
            self._stack.callback(connection.close)
        return self._connections[key]

    def _start(self, root_path: str, trust: bool) -> AppProcess:
        return AppProcess(
            self.framework.entrypoint,
            server=self.kind,
            root_path=root_path,
            environment=environment_of(trust=trust),
            command=[sys.executable, "-m", "tests.contract.serve", self.kind],
            log=LOGS / f"{self.framework.name}-{self.kind}-{len(self._processes)}.log",
        )

    def log(self) -> str:
        """What all of its processes have logged since the last call."""
        texts = []
        for process in self._processes.values():
            content = process.log.read_bytes()
            texts.append(content[self._logs_read.get(process.log, 0) :])
            self._logs_read[process.log] = len(content)
        return b"".join(texts).decode("utf-8", "replace")

    def close(self) -> None:
        self._stack.close()


class Hosts:
    """Everything that the suite has running; servers of one app and kind at a time."""

    def __init__(self) -> None:
        self._in_process: dict[str, Host] = {}
        self._servers: Servers | None = None

    def client(self, target: Target) -> InProcessClient | SocketClient:
        """A client for one of the apps of this repository."""
        assert target.framework is not None
        if target.server == "in process":
            return InProcessClient(target.framework, self._host(target.framework), target.mount)
        assert target.server != "deployed"
        running = self._servers
        if running is None or (running.framework, running.kind) != (
            target.framework,
            target.server,
        ):
            self.stop_servers()
            self._servers = Servers(target.framework, target.server)
        assert self._servers is not None
        return SocketClient(self._servers, target.mount)

    def _host(self, framework: Framework) -> Host:
        if framework.name not in self._in_process:
            self._in_process[framework.name] = Host(load(framework))
        return self._in_process[framework.name]

    def stop_servers(self) -> None:
        if self._servers is not None:
            self._servers.close()
            self._servers = None

    def close(self) -> None:
        self.stop_servers()
        for host in self._in_process.values():
            host.close()
        self._in_process.clear()


def deployed_target(url: str, framework: Framework | None) -> Target:
    """The target for `make test-url`; `url` is the content's address, with or without a final slash.

    `framework`: whose app it is, where that is known.

    Raises `ValueError` for what is not an absolute http(s) URL.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(
            f"{url!r} is not the address of an app, such as https://connect.example.org/content/1b2c/"
        )
    return Target(
        "deployed", Mount("as deployed", parts.path.rstrip("/"), path="included"), framework
    )


@contextmanager
def deployed_client(url: str, target: Target, api_key: str | None) -> Iterator[DeployedClient]:
    """Connect takes API keys as `Authorization: Key`: https://docs.posit.co/connect/user/api-keys/."""
    connection = Connection(url, f"Key {api_key}" if api_key else "")
    powers = frozenset() if api_key else frozenset({Power.ANONYMOUS})
    try:
        yield DeployedClient(connection, target.mount, powers)
    finally:
        connection.close()


@cache
def versions_of(framework: Framework) -> dict[str, str]:
    """What stands behind a result."""
    names = (framework.contract["distribution"], "uvicorn", "hypercorn")
    return {name: version(name) for name in names}
