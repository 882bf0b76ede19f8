"""The upgrade matrix: which releases are tested, in which order, and what is kept of each."""

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from comparison.site.upgrades import differences, read_upgrades
from comparison.upgrades import matrix
from comparison.upgrades.matrix import Plan, empty, fill, inputs_of, kept_rows, ordered
from comparison.upgrades.measuring import Subject, summary
from comparison.upgrades.releases import Choice, Release, choose, requirement_of
from comparison.upgrades.uv import Uv
from tooling.errors import UsageError
from tooling.frameworks import find_frameworks

TODAY = date(2026, 11, 26)
FRAMEWORK = find_frameworks()[0]
UPLOADS = {
    "1.0.0": date(2024, 1, 1),
    "1.1.0": date(2025, 2, 1),
    "1.2.0": date(2025, 12, 1),
    "1.2.1": date(2026, 1, 1),
    "1.10.0": date(2026, 5, 1),
    "2.0.0": date(2026, 11, 1),
}


def index(
    uploads: dict[str, date | None],
) -> Callable[[str, str], Release | None]:
    """Resolves as uv does."""

    def resolve(text: str, resolution: str) -> Release | None:
        requirement = Requirement(text)
        fitting = sorted(
            requirement.specifier.filter(uploads), key=lambda v: [int(n) for n in v.split(".")]
        )
        if not fitting:
            return None
        version = fitting[0 if resolution == "lowest" else -1]
        return Release(version, uploads[version])

    return resolve


def chosen(specifier: str, uploads: dict[str, date | None] | None = None) -> dict[str, list[str]]:
    found = choose(Requirement(f"x{SpecifierSet(specifier)}"), index(uploads or {**UPLOADS}), TODAY)
    return {choice.release.version: list(choice.why) for choice in found}


def test_the_newest_patch_of_every_minor_of_the_year_and_the_oldest_allowed_are_chosen() -> None:
    assert chosen(">=1") == {
        "2.0.0": ["newest", "minor"],
        "1.10.0": ["minor"],
        "1.2.1": ["minor"],
        "1.0.0": ["oldest allowed"],
    }


def test_a_release_that_is_both_is_tested_once() -> None:
    assert chosen(">=1.10") == {
        "2.0.0": ["newest", "minor"],
        "1.10.0": ["minor", "oldest allowed"],
    }


def test_the_newest_is_chosen_whatever_its_age() -> None:
    assert chosen("<1.2") == {"1.1.0": ["newest", "minor"], "1.0.0": ["oldest allowed"]}


def test_without_upload_times_every_minor_is_chosen() -> None:
    undated: dict[str, date | None] = dict.fromkeys(UPLOADS)
    assert list(chosen(">=1", undated)) == ["2.0.0", "1.10.0", "1.2.1", "1.1.0", "1.0.0"]


def test_a_requirement_that_nothing_fulfils_is_told() -> None:
    with pytest.raises(UsageError, match="No release of x is >=9"):
        chosen(">=9")


@pytest.mark.parametrize("framework", find_frameworks(), ids=lambda framework: framework.name)
def test_every_app_requires_its_framework(framework: Any) -> None:
    assert requirement_of(framework).specifier


def plan() -> Plan:
    choices = [
        Choice(Release("2.0.0", UPLOADS["2.0.0"]), ("newest", "minor")),
        Choice(Release("1.10.0", None), ("minor",)),
        Choice(Release("1.0.0", UPLOADS["1.0.0"]), ("oldest allowed",)),
    ]
    return Plan(FRAMEWORK, choices)


def test_the_newest_and_the_oldest_come_first_on_every_python() -> None:
    order = [(subject.version, subject.python) for subject in ordered([plan()], ["3.11", "3.13"])]
    assert order == [
        ("2.0.0", "3.11"),
        ("1.0.0", "3.11"),
        ("2.0.0", "3.13"),
        ("1.0.0", "3.13"),
        ("1.10.0", "3.11"),
        ("1.10.0", "3.13"),
    ]


class Measuring:
    """Replaces `measure`. `until` is how many releases are tested before Ctrl-C."""

    def __init__(self, until: int) -> None:
        self.until = until
        self.measured: list[str] = []

    def __call__(self, _: Uv, subject: Subject, interpreter: Path) -> dict[str, Any]:
        if len(self.measured) == self.until:
            raise KeyboardInterrupt
        self.measured.append(subject.version)
        return {"reason": "no"}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], list[str]]:
    """Runs the matrix with one Python until Ctrl-C. Returns the releases that were tested."""
    pythons = {"3.11": Path("python")}
    subjects = list(ordered([plan()], list(pythons)))

    def run(until: int) -> list[str]:
        measuring = Measuring(until)
        monkeypatch.setattr(matrix, "measure", measuring)
        document, file = empty([plan()], list(pythons), TODAY), tmp_path / "r" / "upgrades.json"
        with suppress(KeyboardInterrupt):
            fill(document, subjects, Uv(tmp_path), pythons, kept_rows(file), print, 1, file)
        return measuring.measured

    return run


def test_a_run_continues_where_it_was_interrupted(
    run: Callable[[int], list[str]], tmp_path: Path
) -> None:
    assert run(2) == ["2.0.0", "1.0.0"]
    assert run(9) == ["1.10.0"]
    assert run(9) == []
    written = json.loads((tmp_path / "r" / "upgrades.json").read_text(encoding="utf-8"))
    assert [row["version"] for row in written["environments"]] == ["2.0.0", "1.10.0", "1.0.0"]
    assert {row["inputs"] for row in written["environments"]} == {inputs_of(FRAMEWORK)}
    assert "did not tell" in written["chosen"]


def test_an_interrupted_run_keeps_what_an_earlier_one_has_tested(
    run: Callable[[int], list[str]], tmp_path: Path
) -> None:
    run(9)
    file = tmp_path / "r" / "upgrades.json"
    document = json.loads(file.read_text(encoding="utf-8"))
    document["environments"] = document["environments"][1:]
    file.write_text(json.dumps(document), encoding="utf-8")
    assert run(0) == []
    assert len(kept_rows(file)) == 2
    assert run(9) == ["2.0.0"]


def test_what_was_tested_with_another_app_or_contract_is_tested_again(
    run: Callable[[int], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(run(9)) == 3
    monkeypatch.setattr(matrix, "inputs_of", lambda framework: "changed")
    assert len(run(9)) == 3


def test_several_environments_are_tested_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = threading.Barrier(2, timeout=10)

    def measure(uv: Uv, subject: Subject, interpreter: Path) -> dict[str, Any]:
        both.wait()
        return {"reason": "no"}

    monkeypatch.setattr(matrix, "measure", measure)
    pythons = {"3.11": Path("python"), "3.12": Path("python")}
    subjects = [Subject(FRAMEWORK, "2.0.0", python) for python in pythons]
    document = empty([plan()], list(pythons), TODAY)
    fill(document, subjects, Uv(tmp_path), pythons, [], print, 2, tmp_path / "upgrades.json")
    assert len(document["environments"]) == 2


def result(case: str, outcome: str, **more: Any) -> dict[str, Any]:
    return {"case": case, "mount": "bare", "outcome": outcome, **more}


def test_a_case_deviates_if_it_is_waived_or_fails_and_holds_although_it_is_listed() -> None:
    found = summary(
        {
            "results": [
                result("A-1", "pass", observed=["404"]),
                result("A-2", "waived", observed=["405"]),
                result("A-3", "fail", failure={"error": "assert 1 == 2\nmore"}),
                result("A-4", "fail", failure={"error": "The case passes, but x has a waiver"}),
            ]
        }
    )
    assert found == {
        "cases": 4,
        "mounts": 1,
        "deviates": {"A-2": None, "A-3": "assert 1 == 2"},
        "observed": {"A-1": ["404"], "A-2": ["405"]},
    }


def row(**deviates: str | None) -> dict[str, Any]:
    return {"cases": 3, "deviates": deviates, "observed": {"C": ["405"]}, "moved": {}}


def test_a_change_is_an_outcome_or_an_observation_that_is_different() -> None:
    assert differences(row(), row()) == []
    assert differences(row(A=None), row(B="assert")) == [
        ("A", "deviates", "holds"),
        ("B", "holds", "deviates: assert"),
    ]
    seen = {**row(), "observed": {"C": ["404"]}}
    assert differences(row(), seen) == [("C", "holds: 405", "holds: 404")]


def test_a_release_is_compared_with_the_next_older_one_that_ran() -> None:
    releases: list[dict[str, Any]] = [
        {"version": v, "uploaded": None, "why": []} for v in ("3", "2", "1")
    ]
    app = {"title": "X", "requirement": "x", "locked": "3", "releases": releases}
    rows = [
        {"app": "x", "version": "3", "python": "3.11", **row(A=None)},
        {"app": "x", "version": "2", "python": "3.11", "reason": "It cannot be installed."},
        {"app": "x", "version": "1", "python": "3.11", **row()},
    ]
    (upgrades,) = read_upgrades(
        {"apps": {"x": app}, "pythons": ["3.11", "3.12"], "environments": rows}
    )
    (changed,) = upgrades.changed
    assert (changed.version, changed.older) == ("3", "1")
    assert [(change.case, change.pythons) for change in changed.changes] == [("A", ["3.11"])]
    assert [release.version for release in upgrades.tested] == ["3", "1"]
    assert [(each.version, each.refused) for each in upgrades.refused] == [("2", ["3.11"])]


def test_releases_on_which_nothing_was_tried_are_one_row() -> None:
    releases: list[dict[str, Any]] = [
        {"version": v, "uploaded": None, "why": []} for v in ("5", "4", "3", "2", "1")
    ]
    app = {"title": "X", "requirement": "x", "locked": "5", "releases": releases}
    rows: list[dict[str, Any]] = [
        {"app": "x", "version": "5", "python": "3.12", **row(), "moved": {"y": "2", "z": "1"}},
        {"app": "x", "version": "2", "python": "3.12", "reason": "It cannot be installed."},
        {"app": "x", "version": "1", "python": "3.12", **row(), "moved": {"y": "2"}},
    ]
    pythons = ["3.11", "3.12"]
    (upgrades,) = read_upgrades({"apps": {"x": app}, "pythons": pythons, "environments": rows})
    versions = [[release.version for release in run] for run in upgrades.runs]
    assert versions == [["5"], ["4", "3"], ["2"], ["1"]]
    assert upgrades.moved("3.12") == {"y": "2"}
    assert upgrades.moved("3.11") == {}
