"""The contract's pytest plugin: its options, the subjects that they select, and the report.

`--app NAME` selects one framework. `--server KIND`, which can be repeated, selects kinds of server.
`--url URL` runs the contract against a deployed app, with the API key in the environment variable
`API_KEY`; then `--app` names the framework whose waivers apply, and `--store` the store with which
it was deployed.

`tests/conftest.py` loads the plugin, so that every run of pytest over the suite writes the report.
`--report FILE` writes it elsewhere.
"""

import os
from collections.abc import Generator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tooling.errors import UsageError
from tooling.frameworks import ROOT, find_framework, find_frameworks

pytest.register_assert_rewrite("tests.contract.cases")

from tests.contract import cases, failing, report  # noqa: E402, F401
from tests.contract.deployed import (  # noqa: E402
    check_deployed,
    deployed_subject,
    record_of,
)
from tests.contract.registry import CASES, Part  # noqa: E402
from tests.contract.servers import server_names  # noqa: E402
from tests.contract.subjects import GROUPS, Subject, subjects_of  # noqa: E402

RESULTS = pytest.StashKey[list[report.Result]]()
SUBJECTS = pytest.StashKey[list[Subject]]()
REPORT = pytest.StashKey[Path]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("contract")
    group.addoption("--app", help="the framework to test (default: all)")
    group.addoption(
        "--server", choices=server_names(), action="append", help="a kind of server (default: all)"
    )
    group.addoption("--url", help="the URL of a deployed app to test")
    group.addoption(
        "--store",
        choices=("json", "postgresql"),
        help="the store of the deployed app",
    )
    group.addoption("--report", type=Path, help="the file of the report")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[RESULTS] = []
    url = config.getoption("--url")
    own = record_of(url) if url else ROOT / "build" / "contract.json"
    config.stash[REPORT] = config.getoption("--report") or own
    try:
        config.stash[SUBJECTS] = [_deployed(config, url)] if url else _here(config)
    except (ValueError, UsageError) as error:
        raise pytest.UsageError(str(error)) from error
    config.stash[GROUPS] = {
        f"test_contract[{subject.id}-{part.id}]": subject.group
        for subject, part in parts_of_subjects(config)
    }


def parts_of_subjects(config: pytest.Config) -> list[tuple[Subject, Part]]:
    """What `test_contract` is parametrized with."""
    return [
        (subject, part)
        for subject in config.stash[SUBJECTS]
        for case in CASES.values()
        for part in case.parts
        if subject.takes(part)
    ]


def _deployed(config: pytest.Config, url: str) -> Subject:
    app = config.getoption("--app")
    framework = find_framework(app) if app else None
    subject = deployed_subject(url, framework, config.getoption("--store"))
    check_deployed(url, os.environ.get("API_KEY"))
    return subject


def _here(config: pytest.Config) -> list[Subject]:
    app, server = config.getoption("--app"), config.getoption("--server")
    return [
        subject
        for kind in server_names()
        if not server or kind in server
        for framework in ([find_framework(app)] if app else find_frameworks())
        for subject in sorted(
            subjects_of(framework, kind),
            key=lambda subject: subject.id.endswith("-postgresql"),
        )
    ]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With `-q`, as the Makefile calls it, describes a failed case in a few lines."""
    found = yield
    arguments = getattr(item, "funcargs", {})
    if (
        found.when == "call"
        and found.failed
        and item.config.option.verbose < 0
        and {"part", "subject", "client"} <= set(arguments)
        and call.excinfo is not None
        and isinstance(call.excinfo.value, (AssertionError, OSError))
    ):
        found.longrepr = failing.describe(
            arguments["part"],
            arguments["subject"].id,
            call.excinfo.value,
            arguments["client"].exchanges,
            item.config.stash[REPORT],
        )
        found.sections.clear()
    return found


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Takes over the results of a worker of pytest-xdist."""
    found = getattr(node, "workeroutput", {}).get("contract", [])
    node.config.stash[RESULTS] += [report.Result(**fields) for fields in found]


def pytest_sessionfinish(session: pytest.Session) -> None:
    config = session.config
    if hasattr(config, "workeroutput"):
        config.workeroutput["contract"] = [asdict(found) for found in config.stash[RESULTS]]
    elif config.stash[RESULTS]:
        report.write(config.stash[REPORT], config.stash[RESULTS], config.stash[SUBJECTS])


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    failed = sorted(
        {r.case for r in config.stash[RESULTS] if r.outcome == "fail"}, key=list(CASES).index
    )
    for id in failed:
        case = CASES[id]
        where = sorted(
            {
                f"{r.app} on {r.server}"
                for r in config.stash[RESULTS]
                if r.case == id and r.outcome == "fail"
            }
        )
        terminalreporter.write_line(
            f"{case.level} {id} fails for {', '.join(where)}: {case.sentence}"
        )
    if config.stash[RESULTS]:
        terminalreporter.write_line(f"The report: {config.stash[REPORT]}")
