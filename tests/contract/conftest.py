"""Parametrizes the suite over what it finds, and keeps the report.

`--app NAME` limits it to one framework, `--server KIND` to one way of serving; `--url URL` sends it to a
deployed app, with the API key in the environment variable `API_KEY`, and then `--app` says whose waivers hold,
and `--store` what it was deployed with.
"""

import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from rehearsal.frameworks import ROOT, UnknownFrameworkError, find_framework, find_frameworks

pytest.register_assert_rewrite("tests.contract.cases")

from tests.contract import cases, faults, report  # noqa: E402, F401
from tests.contract.model import CASES, Case, Client  # noqa: E402
from tests.contract.targets import (  # noqa: E402
    Hosts,
    ServerName,
    Target,
    deployed_client,
    deployed_target,
    targets_of,
)

SERVERS: tuple[ServerName, ...] = ("in process", "uvicorn", "hypercorn", "gateway")

results = pytest.StashKey[list[report.Result]]()
targets = pytest.StashKey[list[Target]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("contract")
    group.addoption("--app", help="the framework to run the contract for; every one without it")
    group.addoption(
        "--server", choices=SERVERS, help="the one way of serving; every one without it"
    )
    group.addoption("--url", help="the address of a deployed app, instead of those here")
    group.addoption(
        "--store",
        choices=("json", "postgresql"),
        help="what the app at that address was deployed with",
    )
    group.addoption("--report", type=Path, default=ROOT / "build" / "contract.json")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[results] = []
    url, app, server = (config.getoption(name) for name in ("--url", "--app", "--server"))
    try:
        frameworks = [find_framework(app)] if app else find_frameworks()
        config.stash[targets] = (
            [
                deployed_target(
                    url, find_framework(app) if app else None, config.getoption("--store")
                )
            ]
            if url
            else [
                target
                for kind in SERVERS
                if server in (None, kind)
                for framework in frameworks
                for target in sorted(
                    targets_of(framework, kind),
                    key=lambda target: target.id.endswith("-postgresql"),
                )
            ]
        )
    except (ValueError, UnknownFrameworkError) as error:
        raise pytest.UsageError(str(error)) from error


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if {"target", "case"} <= set(metafunc.fixturenames):
        found = metafunc.config.stash[targets]
        pairs = [(t, c) for t in found for c in CASES.values() if t.takes(c)]
        ids = [f"{target.id}-{case.id}" for target, case in pairs]
        metafunc.parametrize(("target", "case"), pairs, ids=ids)


@pytest.fixture(scope="session")
def hosts() -> Iterator[Hosts]:
    faults.install()
    hosts = Hosts()
    yield hosts
    hosts.close()


@pytest.fixture
def client(request: pytest.FixtureRequest, target: Target, hosts: Hosts) -> Iterator[Client]:
    if target.server == "deployed":
        url = request.config.getoption("--url")
        with deployed_client(url, target, os.environ.get("API_KEY")) as client:
            yield client
    else:
        yield hosts.client(target)


@pytest.fixture
def recorded(request: pytest.FixtureRequest) -> list[report.Result]:
    found: list[report.Result] = request.config.stash[results]
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
        report.write(config.getoption("--report"), config.stash[results], config.stash[targets])


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
