"""The table that `make soak` prints."""

import json

from tests.figures import MUTANTS, RESTARTS, Figures, Measure, table, with_mutants
from tooling.frameworks import ROOT

RECORD = ROOT / "comparison" / "results" / "mutation.json"


def row(lines: list[str], name: str) -> list[str]:
    return next(line for line in lines if line.startswith(f"{name} ")).removeprefix(name).split()


def test_the_row_of_the_mutants_counts_as_the_recorded_result_does() -> None:
    figures = Figures()
    with_mutants(figures, RECORD)
    listed = json.loads(RECORD.read_text(encoding="utf-8"))["survivors"]
    survivors = [each for each in listed if each["kind"] != "equivalent"]
    assert row(table(figures), MUTANTS)[2:4] == ["survivors", str(len(survivors))]


def test_what_did_not_run_is_told() -> None:
    assert row(table(Figures()), RESTARTS) == ["-", "-", "not", "run"]


def test_an_attack_that_costs_too_much_is_marked_and_the_reason_stands_below() -> None:
    reason = "It keeps pings."
    measures = [
        Measure("pings", "quart", "uvicorn", 30.0, "MiB", 16.0, reason),
        Measure("pings", "quart", "hypercorn", 2.0, "MiB", 16.0),
    ]
    lines = table(Figures(measures=measures))
    assert row(lines, "pings,") == ["MiB", "16", "2", "30!"]
    assert lines[-1] == f"! uvicorn: {reason}"
