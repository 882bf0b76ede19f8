"""A run that was broken on purpose is void, and is never recorded."""

from collections.abc import Callable
from pathlib import Path

import pytest

from comparison.bench import results
from comparison.bench.record import record, refusals
from comparison.bench.report import report, summary_of
from comparison.bench.results import Document
from tests.comparison.bench.documents import figures_of, full_run
from tooling.errors import UsageError


def hot_control(document: Document) -> None:
    for figure in figures_of(document, "capacity", "control again"):
        figure["value"] *= 1.05


def missing_round(document: Document) -> None:
    del document["blocks"][7]


def missing_subject(document: Document) -> None:
    del document["blocks"][7]["figures"]["control"]


def no_calibration(document: Document) -> None:
    document["calibration"] = None


def lying_prober(document: Document) -> None:
    document["calibration"][0] |= {"read": 1.7, "holds": False}


def quick_run(document: Document) -> None:
    document["settings"]["effort"] = "quick"


def unfinished(document: Document) -> None:
    document["finished"] = None


def uncommitted(document: Document) -> None:
    document["identity"]["commit"] += "+"


def left_out(document: Document) -> None:
    document["settings"]["only"] = ["B1"]


@pytest.mark.parametrize(
    ("breakage", "words"),
    [
        (hot_control, "finds the control different from itself"),
        (missing_round, "is missing"),
        (missing_subject, "lacks control"),
        (no_calibration, "was not calibrated"),
        (lying_prober, "The prober read p99"),
        (quick_run, "only a full one is recorded"),
        (unfinished, "has not finished"),
        (uncommitted, "not committed"),
        (left_out, "leaves out"),
    ],
)
def test_a_broken_run_is_not_recorded_and_the_reason_is_said(
    breakage: Callable[[Document], None], words: str, tmp_path: Path
) -> None:
    document = full_run()
    breakage(document)
    assert any(words in reason for reason in refusals(document))
    results.write(document, tmp_path / "results.json")
    with pytest.raises(UsageError, match="is not recorded"):
        record(tmp_path / "results.json", tmp_path / "bench.json")
    assert not (tmp_path / "bench.json").exists()


def test_a_run_that_holds_is_recorded_as_it_is(tmp_path: Path) -> None:
    document = full_run()
    results.write(document, tmp_path / "results.json")
    assert refusals(document) == []
    record(tmp_path / "results.json", tmp_path / "bench.json")
    assert results.read(tmp_path / "bench.json") == document


@pytest.mark.parametrize("breakage", [hot_control, missing_round, lying_prober])
def test_nothing_is_concluded_from_a_run_that_does_not_hold(
    breakage: Callable[[Document], None],
) -> None:
    document = full_run()
    breakage(document)
    text = report(document)
    assert "THIS RUN DOES NOT HOLD" in text
    assert "Nothing: the run does not hold." in text


def test_differences_are_concluded_from_a_run_that_holds() -> None:
    text = report(full_run())
    assert "THIS RUN DOES NOT HOLD" not in text
    assert "/greetings [requests/s] on uvicorn: falcon matched is 1.9" in text


def test_a_measure_with_a_hot_control_prints_no_number() -> None:
    document = full_run()
    hot_control(document)
    capacity = report(document).partition("B1 Capacity, uvicorn")[2].partition("\nB")[0]
    assert "void: the control differs from itself" in capacity
    assert "matched" not in capacity


def test_a_figure_with_faults_in_three_of_ten_rounds_has_no_value() -> None:
    document = full_run()
    for figure in figures_of(document, "capacity", "quart matched")[:3]:
        figure["faults"] = ["3 of 5000 requests failed."]
    (row,) = (
        row
        for table in summary_of(document).tables
        if (table.module, table.server) == ("capacity", "uvicorn")
        for row in table.rows
        if row.subject == "quart matched"
    )
    assert (row.value, row.ratio, row.rank) == (None, None, None)
    assert "void: Round 1: 3 of 5000 requests failed." in report(document)


def test_a_void_round_is_reported_and_not_used() -> None:
    document = full_run()
    broken = figures_of(document, "capacity", "quart matched")[0]
    broken |= {"value": 1e9, "faults": ["1 answers had a wrong body."]}
    assert "1 rounds void: Round 1: 1 answers had a wrong body." in report(document)
    assert "1000000000" not in report(document)


def test_places_differences_and_ratios_are_those_of_the_figures() -> None:
    summary = summary_of(full_run())
    (table,) = (t for t in summary.tables if (t.module, t.server) == ("capacity", "uvicorn"))
    ranks = {row.subject: row.rank for row in table.rows if row.subject.endswith("matched")}
    assert ranks["falcon matched"] == (1, 1)
    assert ranks["quart matched"] == ranks["sanic matched"] == (2, 3)
    assert ranks["fastapi matched"] == (4, 4)
    (row,) = (row for row in table.rows if row.subject == "fastapi matched")
    assert row.ratio is not None
    assert row.ratio.low <= 0.4 <= row.ratio.high
    assert len([pair for pair in table.pairs if "matched" in pair["first"]]) == 6


@pytest.mark.parametrize("content", ['{"schema": 1, "blo', "[]", '{"schema": 0}', "", "\0"])
def test_half_written_results_are_one_clear_line(content: str, tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(UsageError, match=r"make bench") as raised:
        results.read(file)
    assert "\n" not in str(raised.value)


def test_a_failed_write_keeps_the_old_results(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    results.write({"schema": 1}, file)
    with pytest.raises(TypeError):
        results.write({"schema": 1, "not JSON": object()}, file)
    assert results.read(file) == {"schema": 1}
    assert list(tmp_path.iterdir()) == [file]
