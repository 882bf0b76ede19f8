"""A run that was broken on purpose is void, and is never recorded."""

from collections.abc import Callable
from pathlib import Path

import pytest

from comparison.bench import results
from comparison.bench.figures import WHOLE
from comparison.bench.record import record, refusals
from comparison.bench.report import report, summary_of
from comparison.bench.results import Document
from tests.comparison.bench.documents import figures_of, full_run
from tooling.errors import UsageError


def hot_control(document: Document) -> None:
    for figure in figures_of(document, "capacity", "control again"):
        figure["value"] *= 1.05


def hot_control_in_both_units(document: Document) -> None:
    """Slower by a twentieth: fewer requests a second, and more time for each."""
    for block in document["blocks"]:
        if (block["module"], block["server"]) == ("capacity", "uvicorn"):
            for subject, figures in block["figures"].items():
                time = figures[0] | {"unit": "CPU us/request", "value": 1e6 / figures[0]["value"]}
                figures.append(time)
                if subject == "control again":
                    figures[0]["value"] /= 1.05
                    time["value"] *= 1.05


def void_control(document: Document) -> None:
    for figure in figures_of(document, "capacity", "control again")[:3]:
        figure["faults"] = ["3 of 5000 requests failed."]


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
        (hot_control_in_both_units, "finds the control different from itself"),
        (void_control, "The control was not measured against itself: capacity on uvicorn."),
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


def test_a_measure_that_failed_in_three_of_ten_rounds_has_no_value() -> None:
    document = full_run()
    for figure in figures_of(document, "capacity", "quart matched")[:3]:
        figure |= {"name": WHOLE, "unit": "", "value": None, "faults": ["OSError: lost"]}
    summary = summary_of(document)
    (row,) = (
        row
        for table in summary.tables
        if (table.module, table.server) == ("capacity", "uvicorn")
        for row in table.rows
        if row.subject == "quart matched"
    )
    assert row.faults == [f"Round {number}: OSError: lost" for number in (1, 2, 3)]
    assert row.value is None


def test_sizes_on_disk_have_places_after_one_round() -> None:
    document = full_run()
    sizes = {"falcon": 27.0, "fastapi": 32.6, "quart": 26.1, "sanic": 26.5}
    for block in document["blocks"]:
        if block["module"] == "weight":
            for subject, (figure,) in block["figures"].items():
                value = sizes.get(subject.partition(" ")[0], 1.0)
                figure |= {"name": "installed", "unit": "MB", "value": value}
    (table,) = (t for t in summary_of(document).tables if t.module == "weight")
    ranks = {row.subject: row.rank for row in table.rows if row.subject.endswith("matched")}
    assert ranks["fastapi matched"] == (4, 4)
    assert ranks["quart matched"] == (1, 2)  # Sanic is within 3 %, Falcon is not.
    assert ranks["sanic matched"] == (1, 3)
    assert ranks["falcon matched"] == (2, 3)


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
