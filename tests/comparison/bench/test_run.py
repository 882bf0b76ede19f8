"""A run is written block by block, can be stopped and continued, and refuses bad settings."""

import json
import os
from collections import Counter
from pathlib import Path
from typing import get_args

import pytest

from comparison.bench import machine, plan, results
from comparison.bench import run as run_module
from comparison.bench.calibration import Reading
from comparison.bench.client import fetch
from comparison.bench.figures import EFFORTS, WHOLE, Effort, Figure
from comparison.bench.measures import Measure, find_measures
from comparison.bench.plan import Settings, make_plan, parse_settings
from comparison.bench.results import Document
from comparison.bench.subjects import Server, Subject
from tooling.errors import UsageError
from tooling.frameworks import find_frameworks


class Fake:
    """A measure without a server, which is interrupted before a given call."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.interrupt_at: int | None = None
        self.error: Exception | None = None

    def __call__(self, subject: Subject, effort: Effort) -> list[Figure]:
        if len(self.calls) == self.interrupt_at:
            self.interrupt_at = None
            raise KeyboardInterrupt
        self.calls.append(subject.name)
        if self.error is not None and subject.form == "matched":
            raise self.error
        return [Figure("B1", "/greetings", "requests/s", 100.0, 1)]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    measure = Fake()
    found = Measure("B1", "Fake", ("uvicorn",), ("control", "control again", "matched"),
                    {"full": 10, "quick": 3}, {"full": 1, "quick": 1}, measure, "fake")  # fmt: skip
    monkeypatch.setattr(plan, "find_measures", lambda: [found])
    monkeypatch.setattr(os, "sched_setaffinity", lambda pid, cores: None)
    reading = Reading("stall", "p99", "ms", 1, 1, 0)
    monkeypatch.setattr(run_module, "calibrate", lambda cases: [reading])
    monkeypatch.setattr(machine, "fairness", lambda subjects: [])
    identity = {"commit": "0" * 40, "machine": {}, "versions": {}, "client": "prober"}
    monkeypatch.setattr(machine, "identity", lambda: dict(identity))
    return measure


SETTINGS = Settings("quick", ("quart",), ())


def start(file: Path, settings: Settings = SETTINGS) -> tuple[Document, str]:
    said: list[str] = []
    return run_module.run(settings, file, said.append), "\n".join(said)


def test_ctrl_c_keeps_what_is_complete_and_the_next_run_continues(
    fake: Fake, tmp_path: Path
) -> None:
    file = tmp_path / "results.json"
    fake.interrupt_at = 4
    with pytest.raises(KeyboardInterrupt):
        start(file)
    kept = json.loads(file.read_text(encoding="utf-8"))
    assert [block["round"] for block in kept["blocks"]] == [0]
    fake.calls.clear()
    document, said = start(file)
    assert "Continuing" in said
    assert document["seed"] == kept["seed"]
    assert document["blocks"][0] == kept["blocks"][0]
    assert [block["round"] for block in document["blocks"]] == [0, 1, 2]
    assert len(fake.calls) == 6
    assert document["finished"]
    assert results.read(file)["summary"]["faults"] == []


def test_a_finished_run_is_not_continued(fake: Fake, tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    start(file)
    fake.calls.clear()
    start(file)
    assert len(fake.calls) == 9


def test_another_choice_of_applications_begins_anew(fake: Fake, tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    fake.interrupt_at = 4
    with pytest.raises(KeyboardInterrupt):
        start(file)
    fake.calls.clear()
    _, said = start(file, Settings("quick", ("sanic",), ()))
    assert "is replaced" in said
    assert len(fake.calls) == 9


def test_half_written_results_are_kept_aside_and_a_new_run_begins(
    fake: Fake, tmp_path: Path
) -> None:
    file = tmp_path / "results.json"
    file.write_text('{"schema": 1, "blo', encoding="utf-8")
    document, said = start(file)
    assert document["finished"]
    assert "cannot be read" in said
    assert file.with_suffix(".unreadable.json").read_text(encoding="utf-8").startswith("{")


def test_an_error_of_a_measure_voids_its_figure_and_not_the_others(
    fake: Fake, tmp_path: Path
) -> None:
    fake.error = ValueError("unexpected\nsecond line")
    document, _ = start(tmp_path / "results.json")
    figures = document["blocks"][0]["figures"]
    assert figures["quart matched"][0]["faults"] == ["ValueError: unexpected"]
    assert figures["quart matched"][0]["name"] == WHOLE
    assert figures["control"][0]["faults"] == []


@pytest.mark.parametrize(
    ("effort", "apps", "only", "words"),
    [
        ("slow", "", "", "BENCH must be quick or full"),
        ("full", "flask", "", "APPS: there is no 'flask'; there are: falcon, "),
        ("full", "quart;sanic", "", "APPS: there is no 'quart;sanic'"),
        ("full", "", "B99", "ONLY: there is no 'B99'; there are: B1, "),
        ("full", ",", "", "APPS names nothing"),
    ],
)
def test_a_bad_setting_is_one_clear_line(effort: str, apps: str, only: str, words: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_settings(effort, apps, only)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_settings_are_taken_in_any_order_and_case() -> None:
    assert parse_settings("quick", "sanic, quart", "b6,B1") == Settings(
        "quick", ("quart", "sanic"), ("B1", "B6")
    )


def test_every_round_has_every_subject_once_in_an_order_that_the_seed_fixes() -> None:
    settings = parse_settings("full", "", "B1")
    blocks = make_plan(settings, EFFORTS["full"], 1)
    uvicorn = [b for b in blocks if (b.measure.module, b.server) == ("capacity", "uvicorn")]
    assert len(uvicorn) == 10
    orders = [tuple(subject.name for subject in block.subjects) for block in uvicorn]
    assert len({frozenset(order) for order in orders}) == 1
    assert len(set(orders)) > 1
    for framework in find_frameworks():
        assert f"{framework.name} matched" in orders[0]
    assert {"control", "control again"} <= {*orders[0]}
    assert [b.key for b in make_plan(settings, EFFORTS["full"], 1)] == [b.key for b in blocks]


@pytest.mark.parametrize(("effort", "preparation", "minutes"), [("full", 75, 57), ("quick", 30, 3)])
def test_the_plan_fits_the_time_that_is_promised(
    effort: str, preparation: float, minutes: int
) -> None:
    blocks = make_plan(parse_settings(effort, "", ""), EFFORTS[effort], 1)
    assert plan.expected_seconds(blocks, EFFORTS[effort]) + preparation <= minutes * 60


def test_a_measure_that_says_so_has_fewer_rounds_on_hypercorn() -> None:
    settings = parse_settings("full", "", "B2,B8")
    planned = Counter(
        (block.measure.module, block.server) for block in make_plan(settings, EFFORTS["full"], 1)
    )
    assert planned == {
        ("latency", "uvicorn"): 10,
        ("latency", "hypercorn"): 6,
        ("stopping", "uvicorn"): 6,
        ("stopping", "hypercorn"): 1,
    }


def test_every_measure_has_a_number_and_a_title() -> None:
    measures = find_measures()
    assert {"B1", "B2", "B6", "B9"} <= {measure.id for measure in measures}
    for measure in measures:
        assert measure.title
        assert measure.servers


def test_a_difference_in_what_the_subjects_run_on_is_flagged() -> None:
    facts = [
        {"subject": "quart matched", "server": "uvicorn", "event loop": "uvloop"},
        {"subject": "sanic matched", "server": "uvicorn", "event loop": "asyncio"},
        {"subject": "sanic matched", "server": "hypercorn", "event loop": "asyncio"},
    ]
    assert machine.differences(facts) == [
        "On uvicorn, event loop differs: uvloop: quart matched; asyncio: sanic matched."
    ]
    assert machine.differences(facts[1:]) == []


def test_the_facts_are_those_of_the_running_process() -> None:
    (facts,) = machine.fairness([Subject(None, "control", "uvicorn")])
    assert facts["event loop"] == "uvloop"
    assert "--no-access-log" in facts["arguments"]
    assert str(facts["cores"]).isdecimal()


class NamesItsLoop(Subject):
    @property
    def application(self) -> str:
        return "tests.comparison.bench.names_its_loop:app"


@pytest.mark.parametrize("server", get_args(Server))
def test_the_event_loop_is_the_one_that_the_application_runs_on(server: Server) -> None:
    subject = NamesItsLoop(None, "control", server)
    with subject.start() as running:
        answer = fetch(running.port, "/")
    (facts,) = machine.fairness([subject])
    assert facts["event loop"].encode() == answer.body
    assert facts["HTTP parser"] == ("h11" if server == "hypercorn" else "httptools")
