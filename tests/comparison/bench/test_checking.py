"""B10: the two routes of each framework differ in nothing but the checks, or the figure is void."""

import json
from pathlib import Path

import pytest

from comparison.bench import checking as checking_applications
from comparison.bench.checking import ROWS
from comparison.bench.companions import Companion, find_companion
from comparison.bench.figures import QUICK
from comparison.bench.measures import checking
from comparison.bench.subjects import Subject
from tests.comparison.bench.applications import with_application
from tests.comparison.bench.broken import Respond, WrongBody, answering
from tests.serving import serving
from tooling.frameworks import Framework

FOLDER = Path(checking_applications.__file__).parent
BODY = json.dumps(ROWS[: checking.LIMIT]).encode()


@pytest.mark.parametrize("framework", with_application(FOLDER), ids=lambda f: f.name)
def test_one_route_checks_the_other_does_not_and_both_answer_the_same(framework: Framework) -> None:
    companion = find_companion(Subject(framework.name, "stock", "uvicorn"), "checking")
    assert isinstance(companion, Companion)
    with companion.start(core=None, ready_target=checking.target("checked")) as running:
        assert checking.route_faults(running.port) == []


def test_a_route_that_checks_nothing_voids_the_figure() -> None:
    async def respond(path: str) -> tuple[int, bytes]:
        return 200, BODY

    found = faults(respond)
    assert len(found) == len(checking.INVALID)
    assert all("answered 200, not 422." in fault for fault in found)


def test_routes_that_answer_different_bytes_void_the_figure() -> None:
    async def respond(path: str) -> tuple[int, bytes]:
        return 200, BODY + b" " * path.startswith("/checked")

    assert "The two routes answer different bytes." in faults(respond)


def test_a_route_that_fails_voids_the_figure() -> None:
    async def respond(path: str) -> tuple[int, bytes]:
        return 500, b""

    assert "/unchecked is answered 500 b''." in faults(respond)


def test_a_wrong_body_under_load_voids_the_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "route_faults", lambda port: [])
    with WrongBody(None, "control", "uvicorn").start(core=None) as running:
        figure = checking.measure(running, QUICK, [])
    assert any("wrong body" in fault for fault in figure.faults)
    assert not figure.valid


def test_a_framework_without_such_an_application_has_no_value_and_says_why() -> None:
    (figure,) = checking.run(Subject("none", "stock", "uvicorn"), QUICK)
    assert figure.value is None
    assert "checking/none.py" in figure.note


def faults(respond: Respond) -> list[str]:
    with serving(answering(respond)) as url:
        return checking.route_faults(int(url.rpartition(":")[2]))
