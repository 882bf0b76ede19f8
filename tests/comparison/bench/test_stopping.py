"""B8: what is observed of a server that stops, and of one that loses answers."""

import asyncio
import os
import signal
from dataclasses import dataclass

import pytest

from comparison.bench.measures import stopping
from comparison.bench.measures.stopping import NOTHING, Case, Outcome, figures_of, traceback_lines
from comparison.bench.slow_store import SlowStore, open_slow_store
from comparison.bench.subjects import Running, Subject
from tooling.frameworks import Framework, find_frameworks

FIRST = find_frameworks()[0].name

PLAIN = """\
INFO: nothing
Traceback (most recent call last):
  File "a.py", line 1, in f
    raise ValueError
ValueError
INFO: nothing
"""
GROUP = """\
  + Exception Group Traceback (most recent call last):
  |   File "a.py", line 1, in f
  | ExceptionGroup: two (1 sub-exception)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "a.py", line 2, in g
    | KeyError: 1
    +------------------------------------
INFO: nothing
"""


@pytest.mark.parametrize(("log", "lines"), [(PLAIN, 4), (GROUP, 8), ("INFO: nothing\n", 0)])
def test_the_lines_of_a_traceback_are_counted_and_no_others(log: str, lines: int) -> None:
    assert len(list(traceback_lines(log))) == lines


@pytest.mark.parametrize("framework", find_frameworks(), ids=lambda f: f.name)
def test_the_exit_and_the_codes_of_the_websockets_are_observed(framework: Framework) -> None:
    outcome = stopped(Subject(framework.name, "matched", "uvicorn"), Case("two", websockets=2))
    assert not outcome.faults
    assert outcome.exit_code is not None
    assert 0 < outcome.seconds < stopping.PATIENCE
    assert outcome.close_codes == {"1012": 2}


def test_answers_that_a_killed_server_owes_are_lost_and_those_of_a_stopped_one_are_not() -> None:
    subject = Subject(FIRST, "matched", "uvicorn")
    case = Case("three requests", requests=3)
    with open_slow_store() as store:
        store.fill(2)
        store.set_delay(stopping.DELAY)
        kept = stopped(subject, case, store=store)
        lost = stopped(subject, case, store=store, number=signal.SIGKILL)
    assert (kept.answered, kept.lost) == (3, 0)
    assert (lost.answered, lost.lost) == (0, 3)
    assert not kept.faults + lost.faults
    values = {figure.name: figure.value for figure in figures_of(case, lost)}
    assert values["lost answers, three requests"] == 3


def test_a_server_that_refuses_the_websocket_voids_the_figures() -> None:
    outcome = stopped(Subject(FIRST, "stock", "uvicorn"), Case("one", websockets=1))
    assert "could not be opened" in outcome.faults[0]
    assert not any(figure.valid for figure in figures_of(Case("one", websockets=1), outcome))


def test_a_server_that_is_gone_before_the_signal_voids_the_figures() -> None:
    with Subject(None, "control", "uvicorn").start() as running:
        os.kill(running.pid, signal.SIGKILL)
        while running.exit_code() is None:
            pass
        outcome = asyncio.run(stopping.stop(running, NOTHING))
    assert outcome.faults == ["The process had exited before it was told to."]


def test_a_process_that_had_to_be_killed_is_reported_as_such() -> None:
    figure, _ = figures_of(NOTHING, Outcome(seconds=5.01))
    assert figure.extra["killed"]
    assert "was killed" in figure.note


@dataclass
class Signalled:
    """A process that receives another signal than SIGTERM."""

    running: Running
    number: signal.Signals

    def terminate(self) -> None:
        os.kill(self.running.pid, self.number)

    def __getattr__(self, name: str) -> object:
        return getattr(self.running, name)


def stopped(
    subject: Subject,
    case: Case,
    store: SlowStore | None = None,
    number: signal.Signals = signal.SIGTERM,
) -> Outcome:
    ready = "/health" if store else "/greetings/en"
    variables = stopping.environment(store)
    with subject.start(environment=variables, ready_target=ready) as running:
        signalled = Signalled(running, number)
        return asyncio.run(stopping.stop(signalled, case, store))  # type: ignore[arg-type]
