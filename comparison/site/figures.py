"""The figures of `comparison/results/bench.json`: tables, charts, and rows for the front page."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from comparison.site.applications import Application
from comparison.site.model import Site
from comparison.site.questions import THROUGHPUT, WAIT
from comparison.site.table import Cell
from comparison.site.table import Row as TableRow

# The benchmark's modules are imported where they are used: without a record, none is needed.
if TYPE_CHECKING:
    from comparison.bench.analysis import Row, Summary, Table

NOT_MEASURED = "not measured yet: `make bench`"


def summary_of(document: Mapping[str, Any]) -> "Summary":
    """Returns the recorded summary as the benchmark's own classes."""
    from comparison.bench.analysis import Summary, Table

    recorded = document["summary"]
    tables = [
        Table(**{**table, "rows": [_row(row) for row in table["rows"]]})
        for table in recorded["tables"]
    ]
    return Summary(tables, recorded["again"], recorded["faults"])


def _row(recorded: Mapping[str, Any]) -> "Row":
    from comparison.bench.analysis import Row
    from comparison.bench.statistics import Interval

    intervals = {
        name: Interval(**recorded[name]) if recorded[name] else None for name in ("value", "ratio")
    }
    values = {int(number): value for number, value in recorded["values"].items()}
    rank = tuple(recorded["rank"]) if recorded["rank"] else None
    return Row(**{**recorded, **intervals, "values": values, "rank": rank})


@dataclass(frozen=True)
class Wanted:
    """A row of the front page."""

    title: str
    module: str
    figure: str
    unit: str
    hint: str
    advice: str | None = None
    """Continues "Choose X if "; without it, the row gives no advice."""
    group: str = "speed"
    form: str = "matched"


WANTED = (
    Wanted(
        THROUGHPUT, "capacity", "/greetings", "requests/s",
        "`/greetings`, one process on one core", "throughput counts ({value} requests/s)",
    ),
    Wanted(
        "Processor time of a request", "capacity", "/greetings", "CPU us/request",
        "`/greetings`, in µs",
    ),
    Wanted(
        "Processor time of a page", "capacity", "/about", "CPU us/request",
        "`/about`, in µs", "the processor time of HTML pages counts ({value} µs)",
    ),
    Wanted(
        "Latency, 99th percentile", "latency", "/greetings at 50 %", "ms p99",
        "in ms, at half the capacity of the slowest", "the slowest percent of requests counts"
        " ({value} ms)",
    ),
    Wanted(
        "Rows per second of a long stream", "rows", "100,000 rows", "rows/s",
        "100,000 rows, read one by one", "you stream large results ({value} rows/s)",
    ),
    Wanted(
        "Answers over websockets", "live", "questions, 100 websockets", "1/s",
        "per second, 100 websockets", "websockets count ({value} answers/s)",
    ),
    Wanted(
        "Memory of a process", "start", "memory after 20 requests, with bytecode", "MB",
        "in MB, after 20 requests", "memory counts ({value} MB)",
    ),
    Wanted(
        "Start to first answer", "start", "process to first answer, with bytecode", "ms",
        "in ms", "the start counts ({value} ms)",
    ),
    Wanted(
        "Installed packages", "weight", "installed", "MB",
        "in MB on disk", "the size on disk counts ({value} MB)",
    ),
    Wanted(
        f"{WAIT}: by mistake", "blocking", "mistake", "ms",
        "in ms; one request blocks the event loop for a second", None, "waiting", "stock",
    ),
    Wanted(
        f"{WAIT}: as recommended", "blocking", "recommended", "ms",
        "in ms; the same second, in a thread", None, "waiting", "stock",
    ),
    Wanted(
        "SIGTERM to exit, 50 streams open", "stopping", "exit, 50 streams", "s",
        "in seconds, uvicorn; killed after 5", None, "waiting",
    ),
    Wanted(
        "SIGTERM to exit, 50 websockets open", "stopping", "exit, 50 websockets", "s",
        "in seconds, uvicorn", None, "waiting",
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Figures:
    """The recorded figures; without a record, no rows, and the command that makes it."""

    site: Site
    document: dict[str, Any] | None

    @classmethod
    def of(cls, site: Site) -> "Figures":
        document = site.result("bench.json")
        return cls(site, document if document and document.get("summary") else None)

    @property
    def missing(self) -> str | None:
        return None if self.document else NOT_MEASURED

    @cached_property
    def summary(self) -> "Summary | None":
        return summary_of(self.document) if self.document else None

    def table(self, module: str, figure: str, unit: str) -> "Table | None":
        """Returns a figure on uvicorn."""
        for table in self.summary.tables if self.summary else ():
            found = (table.module, table.name, table.unit, table.server)
            if found == (module, figure, unit, "uvicorn"):
                return table
        return None

    def rows(self, group: str) -> list[TableRow]:
        """Returns the rows of a group of the front page."""
        if self.summary is None:
            return []
        return [self._wanted(wanted) for wanted in WANTED if wanted.group == group]

    def _wanted(self, wanted: Wanted) -> TableRow:
        table = self.table(wanted.module, wanted.figure, wanted.unit)
        rows = [_find(table, each, wanted.form) for each in self.site.applications]
        cells = [self._cell(table, row) for row in rows]
        best = [number for number, row in enumerate(rows) if row is not None and _leads(row, rows)]
        if best and table is not None and (winner := rows[best[0]]) is not None:
            cells[best[0]] = replace(cells[best[0]], lead=_lead(table, winner.subject))
        verdicts = self._verdicts(table, rows)
        first = best[0] if best else None
        return TableRow(wanted.title, cells, wanted.hint, first, wanted.advice, verdicts)

    def _verdicts(
        self, table: "Table | None", rows: Sequence["Row | None"]
    ) -> dict[tuple[int, int], str]:
        if table is None or self.summary is None or is_void(table, self.summary):
            return {}
        numbers = {row.subject: number for number, row in enumerate(rows) if row is not None}
        verdicts = {}
        for pair in table.pairs:
            one, other = numbers.get(pair["first"]), numbers.get(pair["second"])
            if one is not None and other is not None and pair["interval"]["rounds"] > 1:
                verdicts[one, other] = self._verdict(pair, one, other)
        return verdicts

    def _verdict(self, pair: Mapping[str, Any], one: int, other: int) -> str:
        if not pair["decided"]:
            return "undecided"
        low, high = pair["interval"]["low"], pair["interval"]["high"]
        if high < 1:
            one, other, low, high = other, one, 1 / high, 1 / low
        greater, less = (self.site.applications[number].title for number in (one, other))
        return f"decided: {greater} is {low:.3g} to {high:.3g} times {less}"

    def _cell(self, table: "Table | None", row: "Row | None") -> Cell:
        from comparison.bench.report import number, place

        if table is None or row is None:
            return Cell("not measured", "figures.html")
        address = f"figures-{page_of(table.module)}.html#{anchor_of(table)}"
        if self.summary is not None and is_void(table, self.summary):
            return Cell("void", address, "The control differs from itself.")
        if row.faults:
            return Cell("void", address, row.faults[0])
        if row.value is None:
            text = number(sum(row.values.values()) / len(row.values)) if row.values else "none"
            return Cell(text, address, row.notes[0] if row.notes else None)
        value = row.value
        text, decided = number(value.middle), None
        note = row.notes[0] if row.notes else None
        if value.rounds > 1:
            dash = "…" if value.kind == "range" else "to"
            note = f"{number(value.low)} {dash} {number(value.high)}"
        if value.kind != "range" and row.rank is not None:
            shared = row.rank[1] - row.rank[0] == len(self.site.applications) - 1
            decided = "undecided" if shared else f"place {place(row.rank)}"
        return Cell(text, address, note, number=value.middle, place=decided)


def _find(table: "Table | None", application: Application, form: str) -> "Row | None":
    subject = f"{application.name} {form}"
    return next((row for row in table.rows if row.subject == subject), None) if table else None


def _leads(row: "Row", rows: Sequence["Row | None"]) -> bool:
    """Whether the row is decidedly the first of several."""
    ranked = [each for each in rows if each is not None and each.rank is not None]
    return row.rank == (1, 1) and not row.faults and len(ranked) > 1


def _lead(table: "Table", subject: str) -> str:
    """Returns by how much the first subject of a figure is ahead of the next."""
    factors = [
        (1 / pair["interval"]["high"], 1 / pair["interval"]["low"])
        if (pair["first"] == subject) != table.more_is_better
        else (pair["interval"]["low"], pair["interval"]["high"])
        for pair in table.pairs
        if subject in (pair["first"], pair["second"])
    ]
    low, high = min(factors)
    factor = f"{low:.3g} to {high:.3g}"
    return f"{factor} times the next" if table.more_is_better else f"the next: {factor} times that"


def is_void(table: "Table", summary: "Summary") -> bool:
    """Whether the control differs from itself in this measure, on this server."""
    return any(
        not found["holds"] and (found["module"], found["server"]) == (table.module, table.server)
        for found in summary.again
    )


def page_of(module: str) -> str:
    return module.replace("_", "-")


def anchor_of(table: "Table") -> str:
    words = f"{table.server} {table.name} {table.unit}".lower()
    return "-".join("".join(c if c.isalnum() else " " for c in words).split())


# --- The chart


@dataclass(frozen=True)
class Dot:
    """A ratio to the control, in percent of the width of the chart."""

    label: str
    middle: float
    low: float
    high: float
    decided: bool
    y: int


@dataclass(frozen=True)
class Chart:
    """Ratios to the control on a logarithmic axis."""

    dots: list[Dot]
    ticks: list[tuple[str, float]]
    one: float
    """The place of the ratio 1, in percent."""
    height: int


_LINE = 24
_MARGIN = 3.0
_TICKS = (0.1, 0.2, 0.5, 1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50, 100, 200, 500, 1000)


def chart_of(table: "Table", names: Mapping[str, str]) -> Chart | None:
    """Returns the chart of a figure; None if nothing was compared with the control."""
    rows = [row for row in table.rows if row.ratio is not None and not row.faults]
    if not rows:
        return None
    bounds = [bound for row in rows if row.ratio for bound in (row.ratio.low, row.ratio.high)]
    scale = _Scale(min(0.8, *bounds), max(1.25, *bounds))
    dots = [
        Dot(
            names.get(row.subject, row.subject),
            scale.place(row.ratio.middle),
            scale.place(row.ratio.low),
            scale.place(row.ratio.high),
            row.ratio.decided,
            number * _LINE + 16,
        )
        for number, row in enumerate(rows)
        if row.ratio is not None
    ]
    ticks = [(f"{tick:g}", scale.place(tick)) for tick in scale.ticks()]
    return Chart(dots, ticks, scale.place(1), len(rows) * _LINE + 34)


@dataclass(frozen=True)
class _Scale:
    low: float
    high: float

    def place(self, ratio: float) -> float:
        """Returns the place on the axis in percent, with one decimal."""
        share = math.log(ratio / self.low) / math.log(self.high / self.low)
        return round(_MARGIN + share * (100 - 2 * _MARGIN), 1)

    def ticks(self) -> Iterator[float]:
        """Yields those that are far enough apart to be read."""
        last = -math.inf
        for tick in _TICKS:
            if self.low <= tick <= self.high and self.place(tick) - last >= 7:
                last = self.place(tick)
                yield tick
