"""Which figures of `make soak` may be recorded, and what is recorded of them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.figures import ROWS, Measure
from tests.record_soak import record
from tooling.errors import UsageError


def run() -> dict[str, Any]:
    return {
        "date": "2026-11-27",
        "commit": "c0ffee",
        "counts": {"everything": True},
        "tried": dict.fromkeys(ROWS, 10),
        "held": dict.fromkeys(ROWS, 10),
        "measures": [vars(Measure("pings", "quart", "uvicorn", 2.0, "MiB", 16.0))],
        "tests": [{"id": "a", "outcome": "passed", "seconds": 1.0}],
    }


def saved(document: dict[str, Any], folder: Path) -> Path:
    file = folder / "soak.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    return file


def test_a_whole_run_is_recorded_without_its_tests(tmp_path: Path) -> None:
    target = tmp_path / "record.json"
    record(saved(run(), tmp_path), target)
    recorded = json.loads(target.read_text(encoding="utf-8"))
    assert recorded == {name: value for name, value in run().items() if name != "tests"}


def without_restarts(document: dict[str, Any]) -> None:
    del document["tried"]["restarts"]


def with_a_failure(document: dict[str, Any]) -> None:
    document["tests"][0]["outcome"] = "failed"


def not_committed(document: dict[str, Any]) -> None:
    document["commit"] += "-dirty"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (without_restarts, "did not run: restarts"),
        (with_a_failure, "a failed"),
        (not_committed, "not committed"),
    ],
)
def test_a_run_that_lacks_something_is_refused_with_the_reason(
    change: Callable[[dict[str, Any]], None], reason: str, tmp_path: Path
) -> None:
    document, target = run(), tmp_path / "record.json"
    change(document)
    with pytest.raises(UsageError, match=reason):
        record(saved(document, tmp_path), target)
    assert not target.exists()


def test_without_a_run_the_command_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="make soak"):
        record(tmp_path / "none.json", tmp_path / "record.json")
