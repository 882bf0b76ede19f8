"""Copies a run to `comparison/results/bench.json`, if it may be published."""

from pathlib import Path

from comparison.bench import results
from comparison.bench.report import settings_of, summary_of
from comparison.bench.results import Document
from tooling.errors import UsageError


def refusals(document: Document) -> list[str]:
    """Returns why the run may not be recorded; empty if it may."""
    settings = settings_of(document)
    reasons = []
    if settings.effort != "full":
        reasons.append(f"It is a {settings.effort} run; only a full one is recorded.")
    elif not settings.complete:
        reasons.append("It leaves out applications or measures (APPS, ONLY).")
    if document["finished"] is None:
        reasons.append("It has not finished.")
    if (document["identity"]["commit"] or "+").endswith("+"):
        reasons.append("Its sources were not committed.")
    return reasons + summary_of(document).faults


def record(source: Path = results.FILE, target: Path = results.RECORD) -> None:
    """Writes the record. Raises `UsageError` with the reason if a gate fails."""
    document = results.read(source)
    if reasons := refusals(document):
        more = f" (and {len(reasons) - 1} more reasons: make bench-report)" if reasons[1:] else ""
        raise UsageError(f"This run is not recorded. {reasons[0]}{more}")
    results.write(document, target)
