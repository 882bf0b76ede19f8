"""How pytest-xdist shares the tests out, where the time went, and `--soak`.

`--soak=full` repeats what the tests of endurance do as often as they are meant to, `--soak=short`
less often. Both print a table of the figures, and write `build/soak.json`:

- `date`, `commit`: when the run ended, and what was tested.
- `counts`: the settings: how often each kind of thing is done.
- `tried`, `held`: what was tried, and how often it held. A row that is absent was not run.
- `measures`: what each attack cost each app on each server.
- `tests`: for each test its `id`, its `outcome` (passed, failed, skipped) and its `seconds`.
"""

import json
from collections import Counter
from collections.abc import Generator, Iterator
from dataclasses import asdict
from datetime import date
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright
from xdist.scheduler import LoadScopeScheduling

from tests import chromium, figures
from tests.contract import faults, gateway
from tests.contract.apps import RunningApps
from tests.contract.subjects import GROUPS, Subject
from tests.endurance import COUNTS
from tests.mutation.report import commit
from tooling.frameworks import ROOT
from tooling.postgresql import Cluster

BY_PARAMETER = (
    "tests/differential/test_differential.py",
    "tests/differential/test_over_sockets.py",
    "tests/rehearsal/test_profiles.py",
    "tests/test_memory.py",
    "tests/test_schemathesis.py",
)
"""The files whose tests for one value of their parameter are a group."""

FIGURES = "figures"
"""The name of the property of a report with what `tests/figures.py` counted."""

SLOWEST = 8
"""How many groups the list of the slowest names."""

gateway.install()  # Before the plugin names the kinds of server.

pytest_plugins = ["tests.contract.plugin", "tests.contract.committed"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--soak", choices=("short", "full"), help="repeat as often as `make soak` does"
    )


def group_of(config: pytest.Config, nodeid: str) -> str:
    """What one worker of pytest-xdist runs: a file; of the contract, the subjects of one group.

    The tests that type README's commands share port 3939, and are one group.
    """
    file, _, test = nodeid.partition("::")
    if file.endswith("test_process_breakages.py"):
        return nodeid  # Each starts a server of its own, and waits.
    if file in BY_PARAMETER:
        return f"{file} {test.partition('[')[2]}"
    if file.endswith(("test_make_run.py", "test_readme_commands.py")):
        return "README's commands"
    if file.endswith("test_contract.py"):
        return config.stash[GROUPS].get(test, file)
    return file


class ByGroup(LoadScopeScheduling):  # type: ignore[misc]
    # The marks of `--dist loadgroup` are lost between xdist 3.8 and pytest 9.2.
    def _split_scope(self, nodeid: str) -> str:
        return group_of(self.config, nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByGroup | None:
    return ByGroup(config, log) if config.getoption("dist") == "loadscope" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the tests that take longest first, so that no worker runs them alone at the end."""
    longest = (
        "test_make_run.py",
        "test_readme_commands.py",
        "test_environment.py",
        "test_browser.py",
        "test_profiles.py",
        "test_schemathesis.py",
    )

    def order(item: pytest.Item) -> int:
        callspec = getattr(item, "callspec", None)
        subject = callspec.params.get("subject") if callspec else None
        if isinstance(subject, Subject) and subject.store == "postgresql":
            return len(longest)
        positions = (i for i, name in enumerate(longest) if name in item.nodeid)
        return next(positions, len(longest) + 1)

    items.sort(key=order)


@pytest.fixture(scope="session")
def apps() -> Iterator[RunningApps]:
    """The apps of this repository. An app is started once in a process."""
    faults.install()
    apps = RunningApps()
    yield apps
    apps.close()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL server for the tests of one module."""
    with Cluster() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium; without one the test is reported as not run."""
    with sync_playwright() as playwright:
        browser = chromium.launch_for_test(playwright)
        yield browser
        browser.close()


class Times:
    """Adds up the time of each group, over all workers."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._seconds: Counter[str] = Counter()
        self._tests: list[dict[str, Any]] = []
        self._figures = figures.Figures()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[group_of(self._config, report.nodeid)] += report.duration  # type: ignore[assignment]
        if report.when == "call":
            told = {"id": report.nodeid, "outcome": report.outcome}
            self._tests.append({**told, "seconds": round(report.duration, 3)})
            for name, value in report.user_properties:
                if name == FIGURES and isinstance(value, dict):
                    self._figures.add(**value)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        whole = sum(self._seconds.values())
        if len(self._seconds) > SLOWEST:
            terminalreporter.write_line(
                f"{whole:.0f} s in {len(self._seconds)} groups; the slowest:"
            )
            for group, seconds in self._seconds.most_common(SLOWEST):
                terminalreporter.write_line(
                    f"{seconds:6.0f} s {100 * seconds / whole:3.0f} %  {group}"
                )
        if self._config.getoption("soak"):
            file = ROOT / "build" / "soak.json"
            figures.with_mutants(self._figures, ROOT / "comparison" / "results" / "mutation.json")
            for line in figures.table(self._figures):
                terminalreporter.write_line(line)
            found = self._figures.as_json()
            document = {
                "date": f"{date.today()}",
                "commit": commit(),
                "counts": asdict(COUNTS),
                **found,
                "tests": self._tests,
            }
            file.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
            terminalreporter.write_line(f"The figures: {file}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Sends the figures of a test with its report, because it may run in another process."""
    figures.take()
    try:
        yield
    finally:
        item.user_properties.append((FIGURES, figures.take().as_json()))


def pytest_configure(config: pytest.Config) -> None:
    if length := config.getoption("soak"):
        COUNTS.soak(length)
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Times(config))
