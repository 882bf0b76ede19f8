"""From the blocks of a run to what may be said: values, ratios, differences, ranks, and gates."""

import math
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from comparison.bench.figures import WHOLE
from comparison.bench.plan import Block
from comparison.bench.results import Document
from comparison.bench.statistics import (
    CONFIDENCE,
    Interval,
    compare_all,
    exactly,
    geometric_interval,
    ranks,
    ratios,
)

CONTROL, AGAIN = "control", "control again"
MOST_VOID = 0.2
"""The share of rounds that may be void. With more, the subject's figure is void."""


@dataclass
class Row:
    """One figure of one subject over all rounds."""

    subject: str
    values: dict[int, float]
    """By round, without the void ones."""
    void: list[str]
    """The faults of every void round."""
    notes: list[str]
    samples: int
    value: Interval | None = None
    ratio: Interval | None = None
    """To the control within the round."""
    rank: tuple[int, int] | None = None
    """The first and the last place among the subjects of the same form."""

    @property
    def faults(self) -> list[str]:
        """Returns why no number may be given: empty, or the faults of the rounds."""
        rounds = len(self.values) + len(self.void)
        return self.void if len(self.void) > MOST_VOID * rounds else []


@dataclass
class Table:
    """One figure of all subjects on one server."""

    measure: str
    module: str
    server: str
    name: str
    unit: str
    rows: list[Row]
    pairs: list[dict[str, Any]] = field(default_factory=list)

    @property
    def exact(self) -> bool:
        """Whether the figure is counted, and is the same in every round: sizes on disk."""
        return self.module == "weight" and self.unit in ("MB", "KB")

    @property
    def more_is_better(self) -> bool | None:
        """None: the unit has no better side."""
        if self.unit.endswith("/s"):
            return True
        return False if self.unit.split(" ")[0] in ("ms", "s", "us", "CPU", "MB", "KB") else None


@dataclass
class Summary:
    """What a run says."""

    tables: list[Table]
    again: list[dict[str, Any]]
    """The A/A intervals: module, server, and the interval of the control again to the control."""
    faults: list[str]
    """Why the run as a whole is void, or may not be recorded; empty if it holds."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def summarize(document: Document, plan: Sequence[Block]) -> Summary:
    """Computes everything from the raw figures of the blocks."""
    tables = _tables(document)
    for table in tables:
        _fill(table)
    again = _again(tables)
    planned = {
        (block.measure.module, block.server)
        for block in plan
        if any(subject.form == AGAIN for subject in block.subjects)
    }
    faults = [*_run_faults(document, plan), *_again_faults(again, planned)]
    return Summary(tables, again, faults)


def _tables(document: Document) -> list[Table]:
    tables: dict[tuple[str, str, str, str], Table] = {}
    for block in document["blocks"]:
        for subject in sorted(block["figures"]):
            for figure in block["figures"][subject]:
                key = (block["module"], block["server"], figure["name"], figure["unit"])
                table = tables.setdefault(
                    key, Table(figure["measure"], key[0], key[1], key[2], key[3], [])
                )
                _add(table, subject, block["round"], figure)
    for key in [key for key in tables if key[2] == WHOLE]:
        others = [t for t in tables.values() if (t.module, t.server) == key[:2] and t.name != WHOLE]
        for table in others:
            for failed in tables[key].rows:
                _row(table, failed.subject).void += failed.void
        if others:
            del tables[key]
    return sorted(
        tables.values(), key=lambda t: (int(t.measure[1:]), t.module, t.server != "uvicorn")
    )


def _add(table: Table, subject: str, number: int, figure: dict[str, Any]) -> None:
    row = _row(table, subject)
    if figure["faults"]:
        row.void += [f"Round {number + 1}: {' '.join(figure['faults'])}"]
    elif figure["value"] is not None:
        row.values[number] = figure["value"]
        row.samples += figure["samples"]
    if figure["note"] and figure["note"] not in row.notes:
        row.notes.append(figure["note"])


def _row(table: Table, subject: str) -> Row:
    """Returns the row of the subject, which is added if there is none."""
    row = next((row for row in table.rows if row.subject == subject), None)
    if row is None:
        row = Row(subject, {}, [], [], 0)
        table.rows.append(row)
    return row


def _fill(table: Table) -> None:
    positive = {
        row.subject: row
        for row in table.rows
        if row.values and not row.faults and min(row.values.values()) > 0
    }
    control = positive.get(CONTROL)
    interval_of = exactly if table.exact else geometric_interval
    for row in positive.values():
        row.value = interval_of(list(row.values.values()))
        if control is not None and row is not control:
            found = ratios(row.values, control.values)
            row.ratio = interval_of(found) if found else None
    for form in ("matched", "stock"):
        rows = [row for row in positive.values() if row.subject.endswith(f" {form}")]
        pairs = compare_all({row.subject: row.values for row in rows}, interval_of)
        table.pairs += [asdict(pair) | {"decided": pair.interval.decided} for pair in pairs]
        if table.more_is_better is not None:
            places = ranks(
                [row.subject for row in rows], pairs, more_is_better=table.more_is_better
            )
            for row in rows:
                row.rank = places[row.subject]


def _again(tables: Sequence[Table]) -> list[dict[str, Any]]:
    """Compares the control with itself, for each module and server.

    The statistic of a round is the mean log ratio of all figures. The ratio of a figure of which
    more is better is turned over: otherwise requests a second and the time of a request would
    cancel each other out. The intervals are simultaneous: each has the confidence 1 - 0.05/number,
    so that a run without any fault is void in 5 % of cases at most. A module whose control has no
    value is not compared.
    """
    groups: dict[tuple[str, str], dict[int, list[float]]] = {}
    lost: set[tuple[str, str]] = set()
    for table in tables:
        rows = {row.subject: row for row in table.rows}
        if CONTROL not in rows or AGAIN not in rows:
            continue
        if rows[CONTROL].faults or rows[AGAIN].faults:
            lost.add((table.module, table.server))
            continue
        first, second = rows[AGAIN].values, rows[CONTROL].values
        if table.more_is_better:
            first, second = second, first
        for number in first.keys() & second.keys():
            if first[number] > 0 and second[number] > 0:
                group = groups.setdefault((table.module, table.server), {})
                group.setdefault(number, []).append(math.log(first[number] / second[number]))
    groups = {key: rounds for key, rounds in groups.items() if key not in lost}
    confidence = 1 - (1 - CONFIDENCE) / max(len(groups), 1)
    return [
        {
            "module": module,
            "server": server,
            "interval": asdict(interval),
            "holds": not interval.excludes_one,
        }
        for (module, server), rounds in groups.items()
        for interval in [
            geometric_interval(
                [math.exp(sum(logs) / len(logs)) for logs in rounds.values()], confidence
            )
        ]
    ]


def _again_faults(
    again: Sequence[dict[str, Any]], planned: Collection[tuple[str, str]]
) -> list[str]:
    """Returns where the control differs from itself, and where it was not compared with itself."""
    compared = {(found["module"], found["server"]) for found in again}
    faults = [
        f"The control was not measured against itself: {module} on {server}."
        for module, server in sorted(set(planned) - compared)
    ]
    return faults + [
        f"The run is void: {found['module']} on {found['server']} finds the control different from"
        f" itself, ratio {found['interval']['low']:.3f} to {found['interval']['high']:.3f}."
        for found in again
        if not found["holds"]
    ]


def _run_faults(document: Document, plan: Sequence[Block]) -> list[str]:
    """Returns what is missing, and what the calibration read wrongly."""
    faults = []
    done = {block["key"]: block for block in document["blocks"]}
    for block in plan:
        found = done.get(block.key)
        if found is None:
            faults.append(f"Round {block.round + 1} of {block.measure.module} is missing.")
        elif missing := {subject.name for subject in block.subjects} - found["figures"].keys():
            names = ", ".join(sorted(missing))
            faults.append(f"Round {block.round + 1} of {block.measure.module} lacks {names}.")
    if not document["calibration"]:
        faults.append("The prober was not calibrated.")
    for reading in document["calibration"] or ():
        if not reading["holds"]:
            faults.append(
                f"The prober read {reading['what']} of {reading['case']} as {reading['read']:.4g}"
                f" {reading['unit']}, which is {reading['known']:.4g}."
            )
    return faults
