"""B3: what is measured of an application whose store is slow, and what voids the figures."""

import asyncio

import pytest

from comparison.bench.connection import open_connections
from comparison.bench.figures import QUICK
from comparison.bench.measures import waiting
from comparison.bench.measures.waiting import EXPECTED, Observed, offer, overload_gates
from comparison.bench.subjects import Subject
from tests.comparison.bench.broken import Respond, answering
from tests.serving import serving
from tooling.frameworks import find_frameworks

FIRST = Subject(find_frameworks()[0].name, "matched", "uvicorn")


def test_of_a_matched_application_some_requests_succeed_and_some_are_refused() -> None:
    figures = {figure.name: figure for figure in waiting.run(FIRST, QUICK)}
    assert list(figures) == [name for name, _ in waiting.NAMES]
    values = {name: figure.value or 0 for name, figure in figures.items()}
    # Wide: the machine of the tests is busy.
    assert 0 < values["goodput"] <= 1.05
    assert 0 < values["503 at twice the rate"] <= 1
    assert values["recovery"] < 5


def test_without_postgresql_there_is_no_value_and_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "shared_slow_store", lambda: "There is no PostgreSQL here.")
    for figure in waiting.run(FIRST, QUICK):
        assert (figure.value, figure.note) == (None, "There is no PostgreSQL here.")


@pytest.mark.parametrize(
    ("number", "status", "body", "fault"),
    [
        (7, 500, b"", "answered 500"),
        (7, 200, b"{}", "1 answers had a wrong body"),
    ],
)
def test_one_wrong_answer_of_many_voids_the_overload(
    number: int, status: int, body: bytes, fault: str
) -> None:
    seen = 0

    async def respond(path: str) -> tuple[int, bytes]:
        nonlocal seen
        seen += 1
        return (status, body) if seen == number else (200, EXPECTED)

    (found,) = overload_gates(offered(respond))
    assert fault in found


def test_answers_of_200_and_503_pass() -> None:
    seen = 0

    async def respond(path: str) -> tuple[int, bytes]:
        nonlocal seen
        seen += 1
        return (503, b"") if seen % 2 else (200, EXPECTED)

    observed = offered(respond)
    assert {one.status for one in observed} == {200, 503}
    assert overload_gates(observed) == []


def test_a_lost_answer_and_a_late_client_void_the_overload() -> None:
    lost = Observed(0.0, 0.0, 0.1, None, False)
    late = Observed(0.0, 0.2, 0.3, 200, True)
    assert "1 of 1 requests had no answer." in overload_gates([lost])
    assert "The client sent late" in overload_gates([late])[0]


def offered(respond: Respond) -> list[Observed]:
    async def run(port: int) -> list[Observed]:
        async with open_connections(port, 10) as connections:
            return await offer(connections, rate=100, seconds=0.2)

    with serving(answering(respond)) as url:
        return asyncio.run(run(int(url.rpartition(":")[2])))
