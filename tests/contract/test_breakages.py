"""The suite can fail: in every app, each breakage is caught by the part that it names."""

from collections import Counter

import pytest

from tests.contract.apps import RunningApps
from tests.contract.breakages import BREAKAGES, Breakage
from tests.contract.process_breakages import PROCESS_BREAKAGES
from tests.contract.registry import CASES, PARTS, Level
from tests.contract.subjects import mounts
from tooling.frameworks import Framework, find_frameworks

MOUNT = next(mount for mount in mounts("in process") if mount.id == "content, included")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "breakage" in metafunc.fixturenames:
        app = metafunc.config.getoption("--app")
        pairs = [(f, b) for f in find_frameworks() if app in (None, f.name) for b in BREAKAGES]
        ids = [
            f"{framework.name}-{PARTS[broken.caught_by].case_id}: {broken.what}"
            for framework, broken in pairs
        ]
        metafunc.parametrize(("framework", "breakage"), pairs, ids=ids)


def test_a_broken_app_is_caught(
    breakage: Breakage, framework: Framework, apps: RunningApps
) -> None:
    client = apps.in_process(framework, MOUNT)
    check = PARTS[breakage.caught_by].check
    check(client)
    with pytest.raises(AssertionError):
        check(client.inside(breakage.layer))


def test_every_must_case_is_known_to_be_able_to_fail() -> None:
    proved = Counter(breakage.caught_by for breakage in BREAKAGES)
    proved.update(breakage.caught_by for breakage in PROCESS_BREAKAGES)
    assert set(proved) == {
        part.id for case in CASES.values() if case.level is Level.MUST for part in case.parts
    }
