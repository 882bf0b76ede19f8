"""`make soak-record`: copies the figures of `make soak` to `comparison/results/soak.json`.

A run of a part of the tests, one with a failure, and one of code that is not committed are refused.
"""

import json
import sys
from pathlib import Path
from typing import Any

from tests.contract.report import replace_file
from tests.figures import ROWS
from tooling.commands import exit_code
from tooling.errors import UsageError
from tooling.frameworks import ROOT

SOURCE = ROOT / "build" / "soak.json"
TARGET = ROOT / "comparison" / "results" / "soak.json"


def refusals(document: dict[str, Any]) -> list[str]:
    """Returns why the run may not be recorded; empty if it may."""
    failed = [each["id"] for each in document["tests"] if each["outcome"] == "failed"]
    absent = [row for row in ROWS if not document["tried"].get(row)]
    reasons = [f"{id} failed." for id in failed]
    reasons += [f"It did not run: {row}." for row in absent]
    if document["commit"].endswith("-dirty"):
        reasons.append("Its sources were not committed.")
    return reasons


def record(source: Path = SOURCE, target: Path = TARGET) -> None:
    """Writes the record, without the single tests. Raises `UsageError`."""
    try:
        document = json.loads(source.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError("There are no figures yet: make soak") from None
    if reasons := refusals(document):
        more = f" (and {len(reasons) - 1} more reasons)" if reasons[1:] else ""
        raise UsageError(f"This run is not recorded. {reasons[0]}{more}")
    del document["tests"]
    replace_file(target, json.dumps(document, ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(exit_code("soak-record", record))
