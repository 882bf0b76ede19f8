"""The report of a run for a terminal: tables, and in words what may be concluded and what not."""

import statistics
import textwrap
from collections.abc import Iterator, Sequence

from comparison.bench.analysis import AGAIN, CONTROL, Row, Summary, Table, summarize
from comparison.bench.figures import EFFORTS
from comparison.bench.machine import differences
from comparison.bench.measures import find_measures
from comparison.bench.plan import Settings, make_plan
from comparison.bench.results import Document
from comparison.bench.statistics import BAND, FEWEST_ROUNDS

_WIDTH = 100


def settings_of(document: Document) -> Settings:
    found = document["settings"]
    return Settings(found["effort"], tuple(found["apps"]), tuple(found["only"]))


def summary_of(document: Document) -> Summary:
    """Computes the summary from the blocks, whatever the document's own summary says."""
    settings = settings_of(document)
    plan = make_plan(settings, EFFORTS[settings.effort], document["seed"])
    return summarize(document, plan)


def report(document: Document) -> str:
    """Returns the whole report. Where a gate failed, it has the reason instead of a number."""
    summary = summary_of(document)
    parts = [*_head(document, summary)]
    titles = {measure.module: measure for measure in find_measures()}
    previous = ""
    for table in summary.tables:
        heading = f"{table.measure} {titles[table.module].title}, {table.server}"
        if heading != previous:
            parts += ["", heading, "-" * len(heading)]
            previous = heading
        parts += ["", *_table(table, void=_is_void(table, summary))]
    parts += ["", "What may be concluded", "---------------------", *_wrapped(conclusions(summary))]
    parts += ["", "What may not be concluded", "-------------------------"]
    parts += _wrapped(limits(document, summary))
    parts += ["", "Method, from the commands as run", "--------------------------------"]
    parts += _wrapped(method(document))
    return "\n".join(parts)


def _head(document: Document, summary: Summary) -> Iterator[str]:
    settings, identity = document["settings"], document["identity"]
    state = "complete" if document["finished"] else "not finished"
    yield f"A {settings['effort']} run, {state}, begun {document['started']}"
    yield f"on {_machine(document)}; commit {(identity['commit'] or 'unknown')[:12]}."
    yield "Versions: " + ", ".join(f"{k} {v}" for k, v in identity["versions"].items()) + "."
    yield ""
    if summary.faults:
        yield "THIS RUN DOES NOT HOLD:"
        yield from _wrapped(summary.faults[:20])
        if len(summary.faults) > 20:
            yield f"- and {len(summary.faults) - 20} more."
    else:
        yield "The gates of the run hold: it is complete, the prober read every known value, and"
        yield "the control, measured twice, does not differ from itself."
    yield ""
    yield "The control against itself, mean of all figures of a round:"
    for found in summary.again:
        interval = found["interval"]
        yield (
            f"  {found['module'] + ' on ' + found['server']:<36} {interval['low']:.3f} to"
            f" {interval['high']:.3f} ({interval['kind']}, {interval['rounds']} rounds)"
        )
    right = sum(reading["holds"] for reading in document["calibration"] or ())
    yield f"Calibration: {right} of {len(document['calibration'] or ())} known values were read."
    loads = [block["load"] for block in document["blocks"]] or [0.0]
    yield (
        f"Load average before a measurement: median {statistics.median(loads):.2g}, highest"
        f" {max(loads):.2g}; the benchmark itself causes up to 2."
    )
    for sentence in differences(document["fairness"]):
        yield from textwrap.wrap(f"Unequal: {sentence}", _WIDTH)


def _machine(document: Document) -> str:
    machine = document["identity"]["machine"]
    return (
        f"{machine['processor']}, cores {machine['cores']}, {machine['memory_gb']} GB,"
        f" {machine['system']}"
    )


def _is_void(table: Table, summary: Summary) -> bool:
    return any(
        not found["holds"] and (found["module"], found["server"]) == (table.module, table.server)
        for found in summary.again
    )


def _table(table: Table, *, void: bool) -> Iterator[str]:
    yield f"{table.name}  [{table.unit}]" if table.unit else table.name
    if void:
        yield "  void: the control differs from itself"
        return
    order = {CONTROL: 0, AGAIN: 1}
    for row in sorted(table.rows, key=lambda row: (order.get(row.subject, 2), _sort_key(row))):
        yield f"  {row.subject:<20} {cell(row):<34} {_ratio(row):<30} {_rank(row)}".rstrip()
        if row.void and not row.faults:
            yield f"  {'':<20} {len(row.void)} rounds void: {row.void[0]}"
        for note in row.notes[:1]:
            yield f"  {'':<20} {note}"


def _sort_key(row: Row) -> tuple[str, float]:
    form = row.subject.rpartition(" ")[2]
    return form, statistics.median(row.values.values()) if row.values else 0.0


def cell(row: Row) -> str:
    """Returns the value with its interval, or why there is none."""
    if row.faults:
        return f"void: {row.faults[0]}"
    if not row.values:
        return "not offered" if row.notes else "not measured"
    if row.value is None:
        values = row.values.values()
        return (
            f"{number(statistics.median(values))} ({number(min(values))} to {number(max(values))})"
        )
    if row.value.rounds == 1:
        return number(row.value.middle)
    dash = "..." if row.value.kind == "range" else "to"
    return f"{number(row.value.middle)} ({number(row.value.low)} {dash} {number(row.value.high)})"


def number(value: float) -> str:
    """Returns three significant digits, or all digits before the point, in groups."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _ratio(row: Row) -> str:
    if row.ratio is None or row.faults:
        return ""
    if row.ratio.rounds == 1:
        return f"x{row.ratio.middle:.2f}, one round"
    word = "" if row.ratio.kind == "interval" else " undecided"
    return f"x{row.ratio.middle:.2f} ({row.ratio.low:.2f} to {row.ratio.high:.2f}){word}"


def _rank(row: Row) -> str:
    if row.rank is None or row.value is None or row.value.kind == "range":
        return ""
    return f"place {place(row.rank)}"


def place(rank: tuple[int, int]) -> str:
    """Returns `3`, or `1-2` where the places are not decided."""
    return f"{rank[0]}" if rank[0] == rank[1] else f"{rank[0]}-{rank[1]}"


def conclusions(summary: Summary) -> list[str]:
    """Returns a sentence for every difference that is one."""
    if summary.faults:
        return ["Nothing: the run does not hold."]
    sentences = [
        f"{table.name} [{table.unit}] on {table.server}: {sentence}"
        for table in summary.tables
        for sentence in differences_of(table)
    ]
    return sentences or ["No difference between two frameworks is larger than the noise."]


def differences_of(table: Table) -> Iterator[str]:
    """Yields a sentence for every pair of a figure whose difference is decided."""
    for pair in table.pairs:
        if pair["decided"] and table.more_is_better is not None:
            interval = pair["interval"]
            yield (
                f"{pair['first']} is {interval['low']:.2f} to {interval['high']:.2f} times"
                f" {pair['second']}."
            )


def limits(document: Document, summary: Summary) -> Iterator[str]:
    """Yields what the run does not show, a sentence each."""
    if document["settings"]["effort"] == "quick":
        yield (
            "This is a quick run: fewer rounds and workloads, no stock forms, wider intervals. It"
            " shows that the benchmark works here; it is not for decisions."
        )
    yield (
        f"A pair that is not listed above is undecided: its interval includes 1 or reaches into"
        f" the band of {BAND:.0%} around it. Undecided does not mean equal."
    )
    yield (
        f"Figures of fewer than {FEWEST_ROUNDS} rounds have a range (written with ...) instead of"
        " an interval, and decide nothing."
    )
    yield (
        "One process on one core, over loopback, without TLS and without a proxy: the ratios do"
        " not carry over to a deployment that waits for a database or a network."
    )
    void = [
        f"{table.name} [{table.unit}] of {row.subject} on {table.server}"
        for table in summary.tables
        for row in table.rows
        if row.faults
    ]
    if void:
        yield f"Void, for the reasons above: {'; '.join(void[:12])}{' ...' if void[12:] else '.'}"


def method(document: Document) -> list[str]:
    """Returns the method, generated from what the run recorded."""
    blocks = document["blocks"]
    rounds = 1 + max((block["round"] for block in blocks), default=-1)
    sentences = [
        f"{rounds} rounds in random order (seed {document['seed']}); every measurement starts a"
        " fresh process. The statistic is the log ratio to the control within the round; intervals"
        " are 95 %, by an expanded percentile bootstrap over rounds, and never narrower than"
        " Student's t interval.",
        f"Client of B1: {document['client']}.",
    ]
    seen: dict[str, str] = {}
    for block in blocks:
        for figures in block["figures"].values():
            for figure in figures:
                command = figure["extra"].get("command")
                if command:
                    words = " ".join(map(_portable, command))
                    seen.setdefault(f"{block['module']} {figure['name']}", words)
    sentences += [f"{name}: {command}" for name, command in seen.items()]
    sentences += [
        f"Rates of B2 on {server}: " + ", ".join(f"{k} = {v:g}/s" for k, v in rates.items()) + "."
        for server, rates in document["rates"].items()
    ]
    for name, command in list(document["commands"].items()):
        sentences.append(f"{name}: {' '.join(map(_portable, command))}")
    return sentences


def _portable(argument: str) -> str:
    """Returns the argument without folders and ports of this machine."""
    return argument.rpartition("/")[2] if argument.startswith("/") else argument


def _wrapped(sentences: Sequence[str] | Iterator[str]) -> list[str]:
    lines: list[str] = []
    for sentence in sentences:
        lines += textwrap.wrap(f"- {sentence}", _WIDTH, subsequent_indent="  ")
    return lines
