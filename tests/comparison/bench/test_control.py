"""The control and the matched applications answer the same bytes."""

import pytest

from comparison.bench.client import fetch
from comparison.bench.prober import Request
from comparison.bench.subjects import Running, Subject, find_subjects
from comparison.bench.workloads import ABOUT, STATIC, WORKLOADS, Workload, prepare
from tooling.frameworks import Framework, find_frameworks

# The server adds Date and Server. The length depends on the framework's name on the page, and Sanic
# sends none. Validators depend on the file's time.
_OWN = {"date", "server", "content-length", "transfer-encoding", "etag", "last-modified"}


def answers(running: Running) -> dict[str, tuple[int, set[tuple[str, str]], bytes]]:
    found = {}
    for workload in WORKLOADS:
        answer = fetch(running.port, workload.target, workload.headers)
        kept = {header for header in answer.headers if header[0].lower() not in _OWN}
        body = b"" if workload is ABOUT else answer.body
        found[workload.target] = (answer.status, kept, body)
    return found


@pytest.mark.parametrize("framework", find_frameworks(), ids=lambda found: found.name)
def test_the_control_answers_as_the_application_does(framework: Framework) -> None:
    control = Subject(None, "control", "uvicorn")
    matched = Subject(framework.name, "matched", "uvicorn")
    with control.start() as first, matched.start() as second:
        assert answers(first) == answers(second)
        streams = [fetch(running.port, "/greetings/stream").body for running in (first, second)]
        pages = [fetch(running.port, "/about").body for running in (first, second)]
        assert all(isinstance(prepare(w, matched, second.port).request, Request) for w in WORKLOADS)
    assert streams[0] == streams[1]
    assert pages[0].replace(b"Control", framework.title.encode()) == pages[1]


def test_a_wrong_or_missing_answer_is_a_fault_before_anything_is_measured() -> None:
    control = Subject(None, "control", "uvicorn")
    stock = Subject("quart", "stock", "uvicorn")
    missing, wrong = Workload("/nothing", bool), Workload(STATIC.target, lambda body: False)
    with control.start() as running:
        assert prepare(missing, control, running.port).faults
        assert prepare(wrong, control, running.port).faults
        lacking = prepare(missing, stock, running.port)
    assert lacking.request is None
    assert lacking.faults == ()
    assert "has no /nothing" in lacking.note


def test_the_control_is_measured_twice_and_every_framework_once() -> None:
    names = [subject.name for subject in find_subjects("uvicorn")]
    assert names[:2] == ["control", "control again"]
    assert len(names) == len(set(names))
    assert {f"{framework.name} matched" for framework in find_frameworks()} <= {*names}


def test_processor_time_and_memory_are_those_of_all_workers() -> None:
    control = Subject(None, "control", "uvicorn")
    with control.start() as one, control.start(workers=2) as two:
        assert two.pss_bytes() > 1.5 * one.pss_bytes()
        before = two.cpu_seconds()
        for _ in range(50):
            fetch(two.port, "/greetings")
        assert two.cpu_seconds() > before
        assert one.stop() < 30
        assert one.exit_code() is not None
