"""Runs other tests than the cases of the contract in this process until one fails."""

from collections.abc import Sequence
from importlib import import_module

import pytest

from tooling.frameworks import Framework

APP_TESTS = tuple(
    f"tests/contract/test_{name}.py"
    for name in (
        "documents",
        "encoded_paths",
        "media_types",
        "prefix_of_a_route",
        "templates",
        "waiting_streams",
        "waiting_websockets",
        "websocket_ends",
    )
)
"""The tests of every app in process: what DOCS-3 ignores, and what no case can ask for."""

SHARED_TESTS = tuple(
    f"tests/shared/test_{name}.py"
    for name in (
        "connect",
        "events",
        "files",
        "greetings",
        "health",
        "lifespan",
        "live",
        "pages",
        "postgresql_url",
        "problems",
        "security",
        "stores",
    )
)
"""The tests of `shared/` that need no database."""


def first_failure(name: str, files: Sequence[str]) -> str | None:
    """Returns the test that fails on the app of that framework, or on `shared/`, if one does."""

    class First:
        failed: str | None = None

        def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
            items[:] = [item for item in items if _can_kill(item, name)]

        def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
            if report.failed and self.failed is None:
                self.failed = report.nodeid

    # For pytest a module that all tests need, and that cannot be imported, is no failed test.
    try:
        import_module("tests.conftest")
    except Exception as error:
        return f"import: {error!r}"
    first = First()
    # Plugins and assertions that explain themselves would take longer than the tests.
    arguments = ["-x", "-q", "--assert=plain", "-p", "no:hypothesispytest", "-p", "no:anyio"]
    arguments += ["-o", "cache_dir=build/mutation-pytest", "--app", name]
    try:
        code = pytest.main([*arguments, *files], plugins=[first])
    except pytest.PytestUnraisableExceptionWarning as warning:  # At the end, after the last test.
        return first.failed or f"warning: {warning}"
    # A test failed, or its module could not be imported. Anything else says nothing of the mutant.
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED):
        raise RuntimeError(f"pytest ended with {code!r}")
    return None if code == pytest.ExitCode.OK else first.failed or "pytest: import"


def _can_kill(item: pytest.Item, name: str) -> bool:
    """Whether the test is of the changed code: not of another app, a process or a database."""
    if {"framework", "cluster"} & set(getattr(item, "fixturenames", ())):
        return False
    parameters = (
        item.callspec.params.values()
        if isinstance(item, pytest.Function) and hasattr(item, "callspec")
        else ()
    )
    return all(each.name == name for each in parameters if isinstance(each, Framework))
