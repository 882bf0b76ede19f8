"""What the suite runs against: every app, on every server, through every mount."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Literal

import pytest

from rehearsal.frameworks import Framework
from tests.contract.in_process import IN_PROCESS
from tests.contract.registry import CASES, Part
from tests.contract.vocabulary import BARE, Capability, Mount, StoreName

GROUPS = pytest.StashKey[dict[str, str]]()
"""The group of the subject of each test, by the name of the test."""

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
        """The subjects of one group share server processes; one pytest worker runs all of a group."""
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

    def takes(self, part: Part) -> bool:
        """Whether the part can run there. For a deployed app it is skipped and reported instead."""
        if self.server == "deployed":
            return True
        # With a database STORE-1 replays version 1; how the gateway hands it on, `make test-rehearsal` does.
        version = CASES[part.case_id].version
        if version == 1 and (self.store == "postgresql" or self.server == "gateway"):
            return False
        return part.needs <= self.capabilities

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


@cache
def versions_of(framework: Framework) -> dict[str, str]:
    """What stands behind a result."""
    names = (framework.contract["distribution"], "uvicorn", "hypercorn")
    return {name: version(name) for name in names}
