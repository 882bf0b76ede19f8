"""What a case runs against: an app, on a server, through a mount, with a store."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Literal

import pytest

from tests.contract.in_process import IN_PROCESS
from tests.contract.registry import CASES, Part
from tests.contract.vocabulary import BARE, Capability, Mount, StoreName
from tooling.frameworks import Framework

GROUPS = pytest.StashKey[dict[str, str]]()
"""The group of the subject of each test, by the name of the test."""

PREFIXES = {
    "content": "/content/6f1c2b9e-53a0-4a37-9d0a-8b4f0f4f9d11",
    "bundle": "/content/6f1c2b9e-53a0-4a37-9d0a-8b4f0f4f9d11/_bundle7",
    "vanity": "/vanity/name",
}

ServerName = Literal["in process", "uvicorn", "hypercorn", "gateway", "deployed"]
"""`gateway`: uvicorn behind a gateway that strips the prefix."""

# The gateway strips the prefix, which the client sends, and sends it on in the header.
GATEWAY = Mount("content, header, stripped", PREFIXES["content"], client_sends_prefix=True)

# One mount for each server: the mount has no effect on the store.
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
    """Every mount that the server can pass on to an app."""
    yield BARE
    for name, prefix in PREFIXES.items():
        # uvicorn puts --root-path in front of every path, so that its scopes always include it.
        if server != "uvicorn":
            yield Mount(f"{name}, included", prefix, root_path=True, client_sends_prefix=True)
        yield Mount(f"{name}, stripped", prefix, root_path=True)
        yield Mount(f"{name}, header, included", prefix, base_url=True, client_sends_prefix=True)
        yield Mount(f"{name}, header, stripped", prefix, base_url=True)
        if server == "in process":
            # What Connect seems to send.
            yield Mount(
                f"{name}, both", prefix, root_path=True, base_url=True, client_sends_prefix=True
            )


@dataclass(frozen=True)
class Subject:
    """One app, on one server, through one mount, with one store.

    `framework` is None if the framework of a deployed app is unknown.
    """

    server: ServerName
    mount: Mount
    framework: Framework | None = None
    store: StoreName | None = "json"
    """None if the store of a deployed app is unknown."""

    @property
    def id(self) -> str:
        app = self.framework.name if self.framework else "app"
        store = f"-{self.store}" if self.store == "postgresql" else ""
        return f"{app}-{self.server}-{self.mount.id}{store}"

    @property
    def group(self) -> str:
        """The subjects of a group share server processes; one pytest worker runs all of them."""
        return f"{self.framework.name if self.framework else 'app'}-{self.server}-{self.store}"

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What a client of the subject can do. For a deployed app it depends on the API key."""
        if self.server == "in process":
            return IN_PROCESS
        capabilities = frozenset(Capability) - {Capability.SCOPE}
        if self.server == "hypercorn" and sys.version_info >= (3, 12, 1):
            # It waits until all clients have left: https://github.com/pgjones/hypercorn/issues/308
            capabilities -= {Capability.STOP}
        if self.server == "gateway":
            # The gateway sets Connect's headers itself and drops those of the client.
            capabilities -= {Capability.FORGE, Capability.PREFIX}
        if self.store == "json":
            capabilities -= {Capability.DATABASE}
            if self.mount.prefix:
                # Starting a process takes seconds, and does not depend on the mount.
                capabilities -= {Capability.PROCESS}
        return capabilities

    def takes(self, part: Part) -> bool:
        """Whether the part can run there. For a deployed app it is skipped and reported instead."""
        if self.server == "deployed":
            return True
        # With a database STORE-1 runs the cases of version 1. A deployed app runs them
        # through a proxy.
        version = CASES[part.case_id].version
        if version == 1 and (self.store == "postgresql" or self.server == "gateway"):
            return False
        return part.needs <= self.capabilities

    @property
    def is_example(self) -> bool:
        """Whether the canonical result has the exchanges of this subject.

        They stand for those of the other mounts of the same server.
        """
        alone = self.server == "gateway" or self.store == "postgresql"
        return alone or self.mount == BARE

    @property
    def waivers(self) -> dict[str, str]:
        """The deviations that the app's `pyproject.toml` declares: case ID to reason."""
        waivers: dict[str, str] = (
            self.framework.contract.get("waivers", {}) if self.framework else {}
        )
        return waivers


def subjects_of(framework: Framework, server: ServerName) -> Iterator[Subject]:
    """The subjects of one app on one server."""
    if server == "gateway":
        yield Subject(server, GATEWAY, framework)
    else:
        for mount in mounts(server):
            yield Subject(server, mount, framework)
    if server in WITH_DATABASE:
        yield Subject(server, WITH_DATABASE[server], framework, "postgresql")


@cache
def versions_of(framework: Framework) -> dict[str, str]:
    """The versions of the packages that a result depends on."""
    names = (framework.contract["distribution"], "uvicorn", "hypercorn")
    return {name: version(name) for name in names}
