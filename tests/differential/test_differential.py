"""All apps answer generated requests alike, except for the named differences.

The requests are the same in every run: each batch has its own seed.
"""

from collections.abc import Callable, Sequence

import pytest
from hypothesis import strategies as st

from tests.differential import generated
from tests.differential.asking import App
from tests.differential.examples import for_each
from tests.differential.generated import Asked
from tests.differential.judged import judge
from tests.differential.known import KNOWN, Known, Subject
from tests.endurance import COUNTS
from tests.figures import COMPARED, attempt

BATCH = 2000

# Of a batch.
REQUESTS, FILE_REQUESTS, TALKS, REPETITIONS = 1100, 500, 200, 200

each_batch = pytest.mark.parametrize("batch", range(COUNTS.differential_requests // BATCH))


def compare(running: Sequence[App]) -> Callable[[Subject], None]:
    def check(subject: Subject) -> None:
        with attempt(COMPARED):
            verdict = judge(subject, {app.framework.name: app.answer(subject) for app in running})
            assert not verdict.unknown

    return check


@each_batch
def test_an_app_answers_the_same_request_twice_alike(batch: int, running: list[App]) -> None:
    def check(asked: Asked) -> None:
        for app in running:
            assert app.request(asked) == app.request(asked)

    for_each(st.one_of(generated.requests(), generated.file_requests()), REPETITIONS, batch, check)


@each_batch
def test_requests_are_answered_alike(batch: int, running: list[App]) -> None:
    for_each(generated.requests(), REQUESTS, batch, compare(running))


@each_batch
def test_conditions_and_ranges_are_answered_alike(batch: int, running: list[App]) -> None:
    for_each(generated.file_requests(), FILE_REQUESTS, batch, compare(running))


@each_batch
def test_websockets_are_answered_alike(batch: int, running: list[App]) -> None:
    for_each(generated.talks(), TALKS, batch, compare(running))


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.id)
def test_a_named_difference_exists(known: Known, running: list[App]) -> None:
    answers = {app.framework.name: app.answer(known.example) for app in running}
    verdict = judge(known.example, answers)
    assert known.id in verdict.known
    assert not verdict.unknown


if COUNTS.differential_requests > BATCH:  # With --soak.

    def test_generated_requests_show_every_named_difference(running: list[App]) -> None:
        missing = {known.id for known in KNOWN}

        def look(subject: Subject) -> None:
            if missing & {known.id for known in KNOWN if known.applies(subject)}:
                answers = {app.framework.name: app.answer(subject) for app in running}
                missing.difference_update(judge(subject, answers).known)

        strategy = st.one_of(generated.requests(), generated.file_requests(), generated.talks())
        for batch in range(COUNTS.differential_requests // BATCH):
            for_each(strategy, BATCH, batch, look)
            if not missing:
                return
        assert not missing, "no generated request shows these named differences"
