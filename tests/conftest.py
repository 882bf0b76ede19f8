"""How pytest-xdist shares the tests out: a file, or a part of the contract, to a process."""

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling


class ByFileAndTarget(LoadScopeScheduling):  # type: ignore[misc]
    """The contract is one file, but a group of targets shares its servers: app, server and store."""

    # The marks of `--dist loadgroup` would say the same, and are lost between xdist 3.8 and pytest 9.2.
    def _split_scope(self, nodeid: str) -> str:
        file, _, test = nodeid.partition("::")
        if not file.endswith("test_contract.py"):
            return file
        app, server, rest = test.partition("[")[2].split("-", 2)
        return f"{app}-{server}-{'postgresql' if '-postgresql-' in rest else 'json'}"


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFileAndTarget | None:
    return ByFileAndTarget(config, log) if config.getoption("dist") == "loadscope" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begins with what waits most, so that no process is left with it at the end."""
    items.sort(key=lambda item: "-postgresql-" not in item.nodeid)
