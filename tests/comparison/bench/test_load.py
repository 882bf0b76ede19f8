"""The client reads known faults right, and every gate voids what it should."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from comparison.bench import wrk
from comparison.bench.calibration import BODY, CASES, calibrate, faulty_server
from comparison.bench.cores import choose_cores, on_cores
from comparison.bench.load import Load, busy_gate, core_gate, gates
from comparison.bench.prober import BrokenAnswer, Prober, Request, parse_answer
from tooling.errors import UsageError

HELLO = Request("/", expected=BODY)
GOOD = Load(
    tool="prober",
    command=[],
    seconds=2.0,
    completed=1000,
    errors=0,
    wrong=0,
    mean_latency=0.01,
    mean_in_system=5.0,
    client_share=0.4,
    offered=500.0,
)


def test_a_load_without_a_fault_passes_every_gate() -> None:
    assert gates(GOOD) == []


@pytest.mark.parametrize(
    ("load", "words"),
    [
        (replace(GOOD, completed=999, errors=1), "1 of 1000 requests failed"),
        (replace(GOOD, completed=999, wrong=1), "1 answers had a wrong body"),
        (replace(GOOD, completed=960, mean_in_system=4.8), "below the offered"),
        (replace(GOOD, mean_in_system=5.3), "Little's law"),
        (replace(GOOD, mean_in_system=4.7), "Little's law"),
        (replace(GOOD, client_share=0.81), "used 81% of its core"),
        (replace(GOOD, completed=0, mean_latency=0.0), "No request was answered"),
        (replace(GOOD, p99_late=0.0021), "The client was late by 2.1 ms"),
    ],
)
def test_each_gate_voids_the_load(load: Load, words: str) -> None:
    assert any(words in fault for fault in gates(load))


def test_a_server_that_is_not_kept_busy_has_no_capacity() -> None:
    assert busy_gate(GOOD, 0.91 * GOOD.seconds) == []
    assert "The server used 89% of its core" in busy_gate(GOOD, 0.89 * GOOD.seconds)[0]


def test_the_requests_in_flight_at_the_end_of_a_closed_loop_are_allowed_for() -> None:
    """Ten connections, 0.2 s each, for a second: each has 4.5 answers when the loop ends."""
    closed = replace(
        GOOD, seconds=1.0, completed=45, mean_latency=0.2, mean_in_system=10, offered=None
    )
    assert gates(closed) == []
    assert gates(replace(closed, completed=38))


@contextmanager
def process_on(core: int) -> Iterator[int]:
    """The ID of a process that runs on this core."""
    with on_cores(core):
        process = subprocess.Popen(["sleep", "60"])
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


def test_a_server_on_the_clients_core_voids_the_figure() -> None:
    cores = choose_cores()
    with process_on(cores.client) as server:
        assert "share core" in core_gate(server, [cores.client])[0]
    with process_on(cores.server) as server:
        assert core_gate(server, [cores.client]) == []


def test_the_prober_counts_every_wrong_body() -> None:
    with faulty_server("wrong", "50") as port:
        load = Prober(port, HELLO, 4).open_loop(200, 1)
    assert load.wrong == 4
    assert any("wrong body" in fault for fault in gates(load))


def test_an_error_rate_of_a_thousandth_voids_the_load() -> None:
    (case,) = (case for case in CASES if case.fault == ("errors", "1000"))
    readings = calibrate((replace(case, rate=1000, seconds=1.2),))
    assert [reading.holds for reading in readings] == [True, True], readings


def test_a_stall_of_half_a_second_is_seen_by_all_requests_that_come_meanwhile() -> None:
    with faulty_server("stall", "0.5", "2") as port:
        load = Prober(port, HELLO, 4).open_loop(100, 2)
    assert load.max_latency >= 0.45
    # A quarter of the requests comes during the stall, and waits for its end.
    assert load.percentile(90) >= 0.2


def test_a_rate_above_the_capacity_is_not_achieved_and_voids_the_load() -> None:
    with faulty_server("slow", "0.02") as port:
        load = Prober(port, HELLO, 4).open_loop(100, 1)
    assert load.rate < 60
    assert any("below the offered" in fault for fault in gates(load))


def test_a_server_that_does_not_answer_is_an_error_for_every_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("comparison.bench.prober._GRACE_SECONDS", 0.2)
    with faulty_server("slow", "30") as port:
        load = Prober(port, HELLO, 2).open_loop(50, 0.2)
    assert (load.completed, load.errors) == (0, 10)


def test_a_busy_client_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def parse_slowly(data: bytearray) -> tuple[int, bytes, bool] | None:
        end = time.thread_time() + 0.02
        while time.thread_time() < end:
            pass
        return parse_answer(data)

    monkeypatch.setattr("comparison.bench.prober.parse_answer", parse_slowly)
    with faulty_server("none") as port:
        load = Prober(port, HELLO, 8).closed_loop(0.5)
    assert load.client_share * load.seconds >= 0.02 * load.completed > 0


def test_a_client_that_stalls_voids_the_load(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would count its own stalls as the latency of the server."""
    asked = 0

    def parse_with_stalls(data: bytearray) -> tuple[int, bytes, bool] | None:
        nonlocal asked
        asked += 1
        if asked % 50 == 0:
            time.sleep(0.05)
        return parse_answer(data)

    monkeypatch.setattr("comparison.bench.prober.parse_answer", parse_with_stalls)
    with faulty_server("none") as port:
        load = Prober(port, HELLO, 8).open_loop(200, 1)
    assert any("The client was late" in fault for fault in gates(load))


def test_a_server_that_stalls_does_not_make_the_client_late() -> None:
    with faulty_server("stall", "0.2", "0.4") as port:
        load = Prober(port, HELLO, 2).open_loop(100, 0.8)
    assert load.percentile(90) > 0.05
    assert load.p99_late < 0.05


def test_connections_can_be_opened_one_after_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that workers with one socket share them."""
    opened: list[float] = []

    def create(*args: object, **kwargs: object) -> socket.socket:
        opened.append(time.perf_counter())
        return real(*args, **kwargs)  # type: ignore[arg-type]

    real = socket.create_connection
    monkeypatch.setattr("comparison.bench.prober.socket.create_connection", create)
    with faulty_server("none") as port:
        Prober(port, HELLO, 3, gap=0.02).closed_loop(0.05)
    assert len(opened) == 3
    assert all(later - earlier >= 0.02 for earlier, later in pairwise(opened))


def test_a_dropped_latency_contradicts_littles_law(monkeypatch: pytest.MonkeyPatch) -> None:
    """A histogram that loses slow requests is what coordinated omission looks like."""
    with faulty_server("tail", "5", "0.2") as port:
        prober = Prober(port, HELLO, 20)
        honest = prober.open_loop(100, 1)
        monkeypatch.setattr("comparison.bench.prober.new_histogram", _forgetful)
        forgetful = prober.open_loop(100, 1)
    assert not any("Little" in fault for fault in gates(honest))
    assert any("Little" in fault for fault in gates(forgetful))


def _forgetful() -> object:
    from hdrh.histogram import HdrHistogram

    class Forgetful(HdrHistogram):  # type: ignore[misc]
        def record_value(self, value: int, count: int = 1) -> object:
            return value > 100_000 or super().record_value(value, count)

    return Forgetful(1, 60_000_000, 3)


def test_chunks_and_lengths_are_both_read() -> None:
    chunked = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nHel\r\n2\r\nlo\r\n0\r\n\r\n"
    )
    assert parse_answer(chunked) == (200, BODY, False)
    assert parse_answer(chunked[:-1]) is None or parse_answer(chunked[:-7]) is None
    sized = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nConnection: close\r\n\r\nHello"
    assert parse_answer(sized) == (200, BODY, True)
    assert parse_answer(sized[:-1]) is None
    with pytest.raises(BrokenAnswer):
        parse_answer(sized + b"x")
    with pytest.raises(BrokenAnswer):
        parse_answer(b"SSH-2.0-OpenSSH\r\n\r\n")


needs_wrk = pytest.mark.skipif(wrk.find_wrk() is None, reason="wrk is not installed")


@needs_wrk
def test_wrk_counts_wrong_bodies_and_statuses() -> None:
    with faulty_server("wrong", "50") as port:
        wrong = wrk.closed_loop(port, HELLO, 2, 1)
    assert wrong.tool == "wrk"
    assert wrong.wrong == pytest.approx(wrong.completed / 49, rel=0.05)
    with faulty_server("errors", "50") as port:
        failed = wrk.closed_loop(port, HELLO, 2, 1)
    assert failed.errors == pytest.approx(failed.completed / 49, rel=0.05)
    assert gates(wrong)
    assert gates(failed)


def test_without_wrk_the_prober_measures_capacity_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wrk, "find_wrk", lambda: None)
    with faulty_server("none") as port:
        load = wrk.closed_loop(port, HELLO, 2, 0.3)
    assert load.tool == load.command[0] == "prober"
    assert load.completed


@pytest.mark.parametrize(
    ("siblings", "client"), [("0", 1), ("0-1", 2), ("0,2", 1), ("0-3", 1), ("no number", 1)]
)
def test_the_client_gets_no_thread_of_the_servers_core(
    siblings: str, client: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "cpu0" / "topology" / "thread_siblings_list"
    file.parent.mkdir(parents=True)
    file.write_text(f"{siblings}\n", encoding="ascii")
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1, 2, 3})
    assert choose_cores.__wrapped__(tmp_path / "none", tmp_path) == (0, client)


def test_one_core_is_refused_in_one_sentence(tmp_path: Path) -> None:
    quota = tmp_path / "cpu.max"
    quota.write_text("150000 100000\n", encoding="ascii")
    with pytest.raises(UsageError, match=r"^The benchmark needs two free cores.*use 1\.5\.$"):
        choose_cores.__wrapped__(quota)
    with on_cores(choose_cores().client), pytest.raises(UsageError, match="may use 1"):
        choose_cores.__wrapped__(tmp_path / "none")
