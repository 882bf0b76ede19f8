"""The suite can fail, continued: what is broken in a process of its own is caught there."""

from collections import Counter

import pytest

from rehearsal.frameworks import Framework, find_frameworks
from tests.contract.process_breakages import PROCESS_BREAKAGES, VARIABLE, ProcessBreakage
from tests.contract.registry import CASES
from tests.contract.sockets import SocketClient
from tests.contract.subjects import WITH_DATABASE, Hosts, Servers, Subject


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "breakage" in metafunc.fixturenames:
        app = metafunc.config.getoption("--app")
        frameworks = [f for f in find_frameworks() if app in (None, f.name)]
        # What is broken is the store that they share, so that each way is tried on one app, in turn.
        pairs = [(frameworks[i % len(frameworks)], b) for i, b in enumerate(PROCESS_BREAKAGES)]
        ids = [f"{framework.name}-{broken.caught_by}: {broken.what}" for framework, broken in pairs]
        metafunc.parametrize(("framework", "breakage"), pairs, ids=ids)


def test_a_broken_process_is_caught(
    breakage: ProcessBreakage, framework: Framework, hosts: Hosts
) -> None:
    subject = Subject("uvicorn", WITH_DATABASE["uvicorn"], framework, "postgresql")
    hosts.stop_servers()
    database = hosts.database(subject)
    servers = Servers(subject, database, {VARIABLE: breakage.what})
    try:
        client = SocketClient(
            servers, subject.mount, subject.capabilities, frozenset(subject.waivers)
        )
        with pytest.raises(AssertionError):
            CASES[breakage.caught_by].check(client)
    finally:
        servers.close()
        database.drop()


def test_every_case_that_needs_a_database_is_known_to_be_able_to_fail() -> None:
    proved = Counter(broken.caught_by for broken in PROCESS_BREAKAGES)
    assert set(proved) == {
        *(f"STORE-{number}" for number in range(1, 7)),
        "HEALTH-1",
        "LIFE-1",
        "LIVE-1",
        "STREAM-1",
    }
