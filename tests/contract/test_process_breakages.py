"""The suite can fail: each breakage of a process is caught by the part that it names."""

import pytest

from tests.contract import process_breakages
from tests.contract.apps import RunningApps
from tests.contract.process_breakages import PROCESS_BREAKAGES, VARIABLE, ProcessBreakage
from tests.contract.registry import CASES, PARTS, Level
from tests.contract.servers import ServerProcesses
from tests.contract.socket_client import SocketClient
from tests.contract.subjects import WITH_DATABASE, Subject
from tests.contract.vocabulary import Capability
from tooling.frameworks import Framework, find_frameworks


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "breakage" in metafunc.fixturenames:
        app = metafunc.config.getoption("--app")
        frameworks = [f for f in find_frameworks() if app in (None, f.name)]
        # The apps share the store, so that each breakage is tried on one app, in turn.
        pairs = [(frameworks[i % len(frameworks)], b) for i, b in enumerate(PROCESS_BREAKAGES)]
        ids = [
            f"{framework.name}-{PARTS[broken.caught_by].case_id}: {broken.what}"
            for framework, broken in pairs
        ]
        metafunc.parametrize(("framework", "breakage"), pairs, ids=ids)


def test_a_broken_process_is_caught(
    breakage: ProcessBreakage, framework: Framework, apps: RunningApps
) -> None:
    subject = Subject("uvicorn", WITH_DATABASE["uvicorn"], framework, "postgresql")
    apps.stop_servers()
    database = apps.database(subject)
    processes = ServerProcesses(
        subject, database, {VARIABLE: f"{process_breakages.__name__}:{breakage.what}"}
    )
    try:
        client = SocketClient(
            server=processes,
            mount=subject.mount,
            capabilities=subject.capabilities,
            store=subject.store,
            waived=frozenset(subject.waivers),
        )
        with pytest.raises(AssertionError):
            PARTS[breakage.caught_by].check(client)
    finally:
        processes.close()
        database.drop()


def test_every_case_that_needs_a_database_is_known_to_be_able_to_fail() -> None:
    needs = {Capability.DATABASE, Capability.PROCESS}
    assert {broken.caught_by for broken in PROCESS_BREAKAGES} >= {
        part.id
        for case in CASES.values()
        if case.level is Level.MUST
        for part in case.parts
        if part.needs & needs
    }
