"""B4: the small applications block as they should, and a wrong answer voids the figure."""

import asyncio
import time
from pathlib import Path

import pytest

from comparison.bench import blocking as blocking_applications
from comparison.bench.blocking import SECONDS
from comparison.bench.companions import Companion, find_companion
from comparison.bench.figures import Figure
from comparison.bench.measures import blocking, find_measures
from comparison.bench.plan import parse_settings, subjects_of
from comparison.bench.subjects import STOCK, Subject
from tests.comparison.bench.applications import with_application
from tests.comparison.bench.broken import Respond, answering
from tests.serving import serving
from tooling.frameworks import Framework

FOLDER = Path(blocking_applications.__file__).parent


@pytest.mark.parametrize("framework", with_application(FOLDER), ids=lambda f: f.name)
def test_others_wait_for_the_mistake_and_not_for_what_is_recommended(framework: Framework) -> None:
    companion = find_companion(Subject(framework.name, "stock", "uvicorn"), "blocking")
    assert isinstance(companion, Companion)
    with companion.start(core=None, ready_target="/quick") as running:
        # On a busy machine the request may begin to block late, which voids the figure.
        for _ in range(10):
            mistake, recommended = (
                asyncio.run(blocking.waits(running.port, way)) for way in blocking.WAYS
            )
            if mistake.valid and recommended.valid:
                break
    assert not mistake.faults + recommended.faults
    assert mistake.value is not None
    assert recommended.value is not None
    assert mistake.value > 500 > recommended.value
    assert mistake.samples == blocking.OTHERS


def test_a_wrong_body_voids_the_figure() -> None:
    async def respond(path: str) -> tuple[int, bytes]:
        return 200, b"something else"

    figure = measured(respond)
    assert "something else" in figure.faults[0]
    assert not figure.valid


def test_a_request_that_does_not_block_voids_the_figure() -> None:
    async def respond(path: str) -> tuple[int, bytes]:
        return 200, path.rpartition("/")[2].encode()

    assert "not for 1 s" in measured(respond).faults[0]


def test_a_request_that_begins_to_block_late_voids_the_figure() -> None:
    async def respond(path: str) -> tuple[int, bytes]:
        if path.startswith("/blocking"):
            await asyncio.sleep(0.3)
            time.sleep(SECONDS)  # noqa: ASYNC251
        return 200, path.rpartition("/")[2].encode()

    assert "before the request began to block" in measured(respond).faults[0]


def test_an_error_of_one_of_the_others_voids_the_figure() -> None:
    seen = 0

    async def respond(path: str) -> tuple[int, bytes]:
        nonlocal seen
        seen += 1
        if path.startswith("/blocking"):
            time.sleep(SECONDS)  # noqa: ASYNC251
        last = seen == 2 * (1 + blocking.OTHERS)
        return 500 if last else 200, path.rpartition("/")[2].encode()

    assert "500" in measured(respond).faults[0]


def test_a_server_that_ends_the_connection_voids_the_figure() -> None:
    async def respond(path: str) -> tuple[int, bytes]:
        raise ConnectionResetError

    with serving(answering(respond)) as url:
        figure = asyncio.run(blocking.waits(int(url.rpartition(":")[2]), "mistake"))
    assert figure.value is None
    assert figure.faults


def test_a_framework_without_such_an_application_has_no_value_and_says_why() -> None:
    figures = blocking.run(Subject("none", "stock", "uvicorn"), None)  # type: ignore[arg-type]
    assert [figure.value for figure in figures] == [None, None]
    assert "blocking/none.py" in figures[0].note


def test_a_quick_run_that_names_the_measure_has_a_subject_for_each_framework() -> None:
    (measure,) = (found for found in find_measures() if found.module == "blocking")
    settings = parse_settings("quick", "", "B4")
    subjects = subjects_of(measure, "uvicorn", settings)
    assert [subject.framework for subject in subjects] == [f.name for f in with_application(STOCK)]


def measured(respond: Respond) -> Figure:
    with serving(answering(respond)) as url:
        return asyncio.run(blocking.waits(int(url.rpartition(":")[2]), "mistake"))
