"""B7: websockets and streams are measured, and what voids the figures."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import pytest

from comparison.bench.measures import live
from comparison.bench.slow_store import SlowStore
from comparison.bench.subjects import Subject
from comparison.bench.websocket import client_frame, server_frame
from tests.comparison.bench.broken import answering
from tests.serving import serving
from tooling.frameworks import Framework, find_frameworks

FIRST = Subject(find_frameworks()[0].name, "matched", "uvicorn")
ANSWER = server_frame(b'{"lang":"en","text":"Hello"}')


@contextmanager
def answered(answers: list[bytes]) -> Iterator[socket.socket]:
    """A websocket whose server sends these answers, one for each question, and then closes."""
    client, server = socket.socketpair()

    def serve() -> None:
        with server:
            for answer in answers:
                if not server.recv(len(client_frame(live.QUESTION))):
                    return
                server.sendall(answer)

    thread = Thread(target=serve)
    thread.start()
    with client:
        yield client
    thread.join()


def test_the_right_answers_are_counted_and_their_rate_is_measured() -> None:
    with answered([ANSWER] * 100_000) as websocket:
        asked = live.ask([websocket], ANSWER, 0.1)
    assert asked.answered > 10
    assert (asked.wrong, asked.closed) == (0, 0)
    assert 0.1 <= asked.seconds < 0.2 + live.PATIENCE


def test_one_wrong_answer_voids_the_figure() -> None:
    wrong = server_frame(b'{"lang":"en","text":"Hallo"}')
    with answered([ANSWER, wrong, *[ANSWER] * 100_000]) as websocket:
        asked = live.ask([websocket], ANSWER, 0.05)
    assert "1 answers were wrong." in asked.faults()


def test_a_websocket_that_the_server_closes_voids_the_figure() -> None:
    with answered([ANSWER] * 3) as websocket:
        asked = live.ask([websocket], ANSWER, 0.05)
    assert asked.answered == 3
    assert "1 websockets were closed." in asked.faults()


def test_a_client_that_is_busy_voids_the_figure() -> None:
    assert live.Asked(1.0, 10, 0, 0, 0.81).faults() == ["The client used 81% of its core."]


def test_a_stream_without_its_last_event_voids_the_figure() -> None:
    async def respond(path: str) -> tuple[int, bytes]:
        return 200, b"data: {}\n\n"

    with serving(answering(respond)) as url:
        figure = live.first_event(int(url.rpartition(":")[2]), 3)
    assert figure.faults
    assert not figure.valid


def test_a_server_without_websockets_voids_the_figures() -> None:
    with Subject(FIRST.framework, "stock", "uvicorn").start(core=None) as running:
        figures = live.questions(running, 1, 0.1, [])
    assert all("the handshake was answered" in figure.faults[0] for figure in figures)


def test_a_shared_core_voids_the_figures() -> None:
    with Subject(None, "control", "uvicorn").start(core=None) as running:
        figures = live.questions(running, 2, 0.1, ["Server and client share core 0."])
    assert all(not figure.valid and figure.value for figure in figures)


@pytest.mark.parametrize("framework", find_frameworks(), ids=lambda f: f.name)
def test_the_query_of_a_stream_ends_after_the_hang_up(framework: Framework) -> None:
    figure = live.hang_up(Subject(framework.name, "matched", "uvicorn"), 1)
    assert figure.valid, figure
    assert figure.value is not None
    assert 0 < figure.value < live.PATIENCE * 1000


def test_a_query_that_goes_on_has_no_value_and_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_hang_up_once", lambda port, store: None)
    figure = live.hang_up(FIRST, 1)
    assert (figure.value, figure.faults) == (None, [])
    assert "still ran" in figure.note


def test_without_postgresql_the_hang_up_has_no_value_and_a_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing() -> SlowStore | str:
        return "There is no PostgreSQL here."

    monkeypatch.setattr(live, "shared_slow_store", missing)
    assert live.hang_up(FIRST, 1).note == "There is no PostgreSQL here."
