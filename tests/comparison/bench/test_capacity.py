"""B1 and B2: what goes wrong under load voids their figures."""

import time
from dataclasses import replace
from typing import Any

import pytest

from comparison.bench.cores import choose_cores
from comparison.bench.figures import QUICK, Figure
from comparison.bench.load import Load
from comparison.bench.measures import capacity, latency
from comparison.bench.prober import Prober, Request
from comparison.bench.subjects import Subject
from comparison.bench.workloads import GREETINGS
from tests.comparison.bench.broken import WrongBody

CONTROL = Subject(None, "control", "uvicorn")
WRONG = WrongBody(None, "control", "uvicorn")
RATES = {"uvicorn": {"50 %": 100.0}}


def measured(subject: Subject, core: int | None = None) -> list[Figure]:
    with subject.start(core=core) as running:
        return capacity.measure(GREETINGS, subject, running, QUICK)


def faults(figures: list[Figure]) -> list[str]:
    """The faults of each figure, as one text."""
    return [" ".join(figure.faults) for figure in figures]


def test_a_wrong_body_voids_capacity() -> None:
    found = faults(measured(WRONG))
    assert len(found) == 2
    assert all("wrong body" in each for each in found)


def test_a_server_on_the_clients_core_voids_capacity() -> None:
    found = faults(measured(CONTROL, core=choose_cores().client))
    assert len(found) == 2
    assert all("share core" in each for each in found)


def test_a_client_that_stalls_voids_capacity(monkeypatch: pytest.MonkeyPatch) -> None:
    def stalling(port: int, request: Request, connections: int, seconds: float) -> Load:
        load = Prober(port, request, connections).closed_loop(seconds / 2)
        time.sleep(seconds / 2)
        return replace(load, seconds=seconds)

    monkeypatch.setattr(capacity, "closed_loop", stalling)
    found = faults(measured(CONTROL))
    assert len(found) == 2
    assert all("it was not asked for more" in each for each in found)


@pytest.mark.parametrize(
    ("subject", "shared", "words"), [(WRONG, False, "wrong body"), (CONTROL, True, "share core")]
)
def test_the_same_voids_every_figure_of_latency(
    subject: Subject, shared: bool, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, core = Subject.start, choose_cores().client if shared else None

    def start_there(self: Subject, *arguments: Any, **options: Any) -> Any:
        return start(self, *arguments, **{**options, "core": core})

    monkeypatch.setattr(Subject, "start", start_there)
    figures = latency.run(subject, replace(QUICK, rates=RATES))
    assert [figure.unit for figure in figures] == [*latency.UNITS]
    assert all(words in each for each in faults(figures))
