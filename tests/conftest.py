"""How pytest-xdist shares the tests out, where the time went, and `--soak`.

`--soak` repeats what the tests of endurance do as often as they are meant to, and writes
`build/soak.json`:

- `counts`: how often each kind of thing was done, for each app on each way to serve it.
- `tests`: for each test its `id`, its `outcome` (passed, failed, skipped) and its `seconds`.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright
from xdist.scheduler import LoadScopeScheduling

from tests import chromium
from tests.endurance import COUNTS
from tooling.frameworks import ROOT

SHOWN = 8
"""Parts of the suite in the list of what took longest."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", action="store_true", help="repeat as often as `make soak` does")


def part_of(nodeid: str) -> str:
    """A file; of the contract, which is one file, a group of targets that shares its servers.

    Tests that type README's commands share port 3939, and so a part.
    """
    file, _, test = nodeid.partition("::")
    if file.endswith("test_process_breakages.py"):
        return nodeid  # Each starts a server of its own, and waits.
    if file.endswith(("test_make_run.py", "test_readme_commands.py")):
        return "README's commands"
    if not file.endswith("test_contract.py"):
        return file
    app, server, rest = test.partition("[")[2].split("-", 2)
    return f"{app}-{server}-{'postgresql' if '-postgresql-' in rest else 'json'}"


class ByPart(LoadScopeScheduling):  # type: ignore[misc]
    # The marks of `--dist loadgroup` would say the same, and are lost between xdist 3.8 and pytest
    # 9.2.
    def _split_scope(self, nodeid: str) -> str:
        return part_of(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByPart | None:
    return ByPart(config, log) if config.getoption("dist") == "loadscope" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begins with what takes longest, so that no process is left with it at the end."""

    def order(item: pytest.Item) -> int:
        longest = (
            "test_make_run.py",
            "test_readme_commands.py",
            "test_environment.py",
            "test_browser.py",
            "-postgresql-",
        )
        return next((i for i, part in enumerate(longest) if part in item.nodeid), len(longest))

    items.sort(key=order)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium; without one the test is reported as not run."""
    with sync_playwright() as playwright:
        browser = chromium.launch_for_test(playwright)
        yield browser
        browser.close()


class Times:
    """Adds up what each part took, in whatever process."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._seconds: Counter[str] = Counter()
        self._tests: list[dict[str, Any]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[part_of(report.nodeid)] += report.duration  # type: ignore[assignment]
        if report.when == "call":
            told = {"id": report.nodeid, "outcome": report.outcome}
            self._tests.append({**told, "seconds": round(report.duration, 3)})

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        whole = sum(self._seconds.values())
        if len(self._seconds) > SHOWN:
            terminalreporter.write_line(
                f"{whole:.0f} s in {len(self._seconds)} parts; the longest:"
            )
            for part, seconds in self._seconds.most_common(SHOWN):
                terminalreporter.write_line(
                    f"{seconds:6.0f} s {100 * seconds / whole:3.0f} %  {part}"
                )
        if self._config.getoption("soak"):
            file = ROOT / "build" / "soak.json"
            document = {"counts": asdict(COUNTS), "tests": self._tests}
            file.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
            terminalreporter.write_line(f"The figures: {file}")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("soak"):
        COUNTS.soak()
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Times(config))
