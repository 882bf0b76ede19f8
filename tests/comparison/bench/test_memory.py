"""B5: what an open connection costs, and what voids the figure."""

import asyncio
from dataclasses import dataclass

import pytest

from comparison.bench.measures import memory
from comparison.bench.subjects import Subject
from tests.comparison.bench.broken import WrongBody
from tooling.frameworks import find_frameworks

CONTROL = Subject(None, "control", "uvicorn")
FIRST = Subject(find_frameworks()[0].name, "matched", "uvicorn")


@dataclass
class StoreWithoutDelay:
    def set_delay(self, seconds: float) -> None:
        pass


def test_an_idle_websocket_costs_memory() -> None:
    with CONTROL.start(core=None) as running:
        figure = memory.held_websockets(running, 100)
    assert figure.valid
    assert figure.value is not None
    assert 1 < figure.value < 1000
    assert figure.samples == 100


def test_a_server_that_refuses_websockets_voids_the_figure() -> None:
    stock = Subject(FIRST.framework, "stock", "uvicorn")
    with stock.start(core=None) as running:
        figure = memory.held_websockets(running, 2)
    assert "the handshake was answered" in figure.faults[0]


def test_a_stream_that_has_ended_voids_the_figure() -> None:
    """With the greetings in a file a stream ends at once."""
    with FIRST.start(core=None) as running:
        figure = asyncio.run(memory.held_streams(running, 3, StoreWithoutDelay()))  # type: ignore[arg-type]
    assert "one has ended" in figure.faults[0]


def test_streams_that_wait_for_the_store_are_counted() -> None:
    figure = memory.streams(FIRST, 10)
    assert figure.valid, figure
    assert figure.samples == 10


def test_without_postgresql_the_streams_have_no_value_and_a_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "shared_slow_store", lambda: "There is no PostgreSQL here.")
    figure = memory.streams(FIRST, 10)
    assert (figure.value, figure.note) == (None, "There is no PostgreSQL here.")


def test_a_wrong_body_under_load_voids_the_growth() -> None:
    started, growth = memory.requests(WrongBody(None, "control", "uvicorn"), 1.0)
    assert started.valid
    assert "had a wrong body" in growth.faults[0]


def test_the_growth_is_measured_over_the_fewest_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    _, one = memory.requests(CONTROL, 1.0)
    _, growth = memory.requests(CONTROL, 1.0, least=one.samples + 1)
    assert growth.valid
    assert growth.samples > one.samples
    monkeypatch.setattr(memory, "LONGEST", 1.0)
    _, growth = memory.requests(CONTROL, 1.0, least=10**9)
    assert "of at least 1000000000 were answered" in growth.faults[0]


@dataclass
class Busy:
    seconds: float = 0.0

    def cpu_seconds(self) -> float:
        self.seconds += 0.1
        return self.seconds


def test_the_memory_of_a_busy_process_is_not_read() -> None:
    with pytest.raises(memory.NotSettledError):
        memory.settled(Busy(), 0.4)  # type: ignore[arg-type]


def test_two_workers_take_more_memory_than_one() -> None:
    one, *_ = memory.requests(CONTROL, 1.0)
    two = memory.workers(CONTROL, 2)
    assert one.value is not None
    assert two.value is not None
    assert two.value > 1.5 * one.value
