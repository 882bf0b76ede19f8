"""Parametrizes the suite over what it finds, and keeps the report.

`--app NAME` limits it to one framework; `--server KIND`, which can be repeated, to ways of serving. `--url URL`
sends it to a deployed app, with the API key in the environment variable `API_KEY`; then `--app` says whose
waivers hold, and `--store` what it was deployed with.
"""

import os
from collections.abc import Generator, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from rehearsal.frameworks import ROOT, UnknownFrameworkError, find_framework, find_frameworks

pytest.register_assert_rewrite("tests.contract.cases")

from tests.contract import cases, failing, faults, report  # noqa: E402, F401
from tests.contract.apps import RunningApps  # noqa: E402
from tests.contract.client import Client  # noqa: E402
from tests.contract.deployed import (  # noqa: E402
    check_deployed,
    deployed_client,
    deployed_subject,
    record_of,
)
from tests.contract.registry import CASES, Case  # noqa: E402
from tests.contract.subjects import (  # noqa: E402
    ServerName,
    Subject,
    subjects_of,
)

SERVERS: tuple[ServerName, ...] = ("in process", "uvicorn", "hypercorn", "gateway")

results = pytest.StashKey[list[report.Result]]()
subjects = pytest.StashKey[list[Subject]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("contract")
    group.addoption("--app", help="the framework to run the contract for; every one without it")
    group.addoption(
        "--server", choices=SERVERS, action="append", help="a way of serving; every one without it"
    )
    group.addoption("--url", help="the address of a deployed app, instead of those here")
    group.addoption(
        "--store",
        choices=("json", "postgresql"),
        help="what the app at that address was deployed with",
    )
    group.addoption("--report", type=Path, help="the file to write what was found to")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[results] = []
    url = config.getoption("--url")
    if not config.getoption("--report"):
        config.option.report = record_of(url) if url else ROOT / "build" / "contract.json"
    try:
        config.stash[subjects] = [_deployed(config, url)] if url else _here(config)
    except (ValueError, UnknownFrameworkError) as error:
        raise pytest.UsageError(str(error)) from error


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
        for kind in SERVERS
        if not server or kind in server
        for framework in ([find_framework(app)] if app else find_frameworks())
        for subject in sorted(
            subjects_of(framework, kind),
            key=lambda subject: subject.id.endswith("-postgresql"),
        )
    ]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if {"subject", "part"} <= set(metafunc.fixturenames):
        found = metafunc.config.stash[subjects]
        pairs = [
            (subject, part)
            for subject in found
            for case in CASES.values()
            for part in case.parts
            if subject.takes(part)
        ]
        ids = [f"{subject.id}-{part.id}" for subject, part in pairs]
        metafunc.parametrize(("subject", "part"), pairs, ids=ids)


@pytest.fixture(scope="session")
def apps() -> Iterator[RunningApps]:
    faults.install()
    apps = RunningApps()
    yield apps
    apps.close()


@pytest.fixture
def client(request: pytest.FixtureRequest, subject: Subject, apps: RunningApps) -> Iterator[Client]:
    if subject.server == "deployed":
        url = request.config.getoption("--url")
        with deployed_client(url, subject, os.environ.get("API_KEY")) as client:
            yield client
    else:
        yield apps.client(subject)


@pytest.fixture
def recorded(request: pytest.FixtureRequest) -> list[report.Result]:
    found: list[report.Result] = request.config.stash[results]
    return found


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With `-q`, as make calls it, a failed case is told in a few lines, without pytest's own."""
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
        found.longrepr = failing.told(
            arguments["part"],
            arguments["subject"].id,
            call.excinfo.value,
            arguments["client"].exchanges,
            item.config.getoption("--report"),
        )
        found.sections.clear()
    return found


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """pytest-xdist: takes over what a worker has found."""
    found = getattr(node, "workeroutput", {}).get("contract", [])
    node.config.stash[results] += [report.Result(**fields) for fields in found]


def pytest_sessionfinish(session: pytest.Session) -> None:
    config = session.config
    if hasattr(config, "workeroutput"):
        config.workeroutput["contract"] = [asdict(found) for found in config.stash[results]]
    elif config.stash[results]:
        report.write(config.getoption("--report"), config.stash[results], config.stash[subjects])


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    failed = sorted(
        {r.case for r in config.stash[results] if r.outcome == "fail"}, key=list(CASES).index
    )
    for id in failed:
        case: Case = CASES[id]
        where = sorted(
            {
                f"{r.app} on {r.server}"
                for r in config.stash[results]
                if r.case == id and r.outcome == "fail"
            }
        )
        terminalreporter.write_line(
            f"{case.level} {id} fails for {', '.join(where)}: {case.sentence}"
        )
    if config.stash[results]:
        terminalreporter.write_line(f"The report: {config.getoption('--report')}")
