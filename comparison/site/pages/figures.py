"""Figures: what was measured, how, and what may be concluded; one page for each measure."""

import gzip
import json
from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any

from comparison.site.figures import Figures, anchor_of, chart_of, is_void, page_of
from comparison.site.model import File, Page, Site


def pages(site: Site) -> Iterable[Page | File]:
    figures = Figures.of(site)
    if figures.document is None or figures.summary is None:
        context: dict[str, object] = {"document": None}
        yield Page("figures.html", "Figures", "figures.html", context, "Figures", position=50)
        return
    measures = _measures(site, figures)
    yield Page(
        "figures.html",
        "Figures",
        "figures.html",
        _overview(figures, figures.document) | {"measures": measures},
        "Figures",
        position=50,
    )
    for measure in measures:
        yield Page(
            measure["address"], f"{measure['id']} {measure['title']}", "measure.html", measure
        )
    # Compressed, because a full run has every observation of every round. `mtime`: the same bytes.
    document = json.dumps(figures.document, ensure_ascii=False, separators=(",", ":"))
    yield File("results/bench.json.gz", gzip.compress(document.encode(), mtime=0))


def _overview(figures: Figures, document: dict[str, Any]) -> dict[str, Any]:
    from comparison.bench.report import conclusions, limits, method

    assert figures.summary is not None
    return {
        "document": document,
        "summary": figures.summary,
        "conclusions": conclusions(figures.summary),
        "limits": list(limits(document, figures.summary)),
        "method": method(document),
    }


def _measures(site: Site, figures: Figures) -> list[dict[str, Any]]:
    """Returns the measures in their order, with the tables of each."""
    from comparison.bench.measures import find_measures

    assert figures.summary is not None
    known = {measure.module: measure for measure in find_measures()}
    names = _names(site)
    measures: dict[str, dict[str, Any]] = {}
    for table in figures.summary.tables:
        measure = measures.setdefault(
            table.module,
            {
                "id": table.measure,
                "title": known[table.module].title if table.module in known else table.module,
                "about": _about(table.module) if table.module in known else "",
                "address": f"figures-{page_of(table.module)}.html",
                "tables": [],
            },
        )
        void = is_void(table, figures.summary)
        rows = [] if void else _rows(table, names)
        differences = [] if void else _differences(table, names)
        measure["tables"].append(
            {
                "name": _heading(table.name),
                "unit": table.unit.replace("us/", "µs/"),
                "server": table.server,
                "anchor": anchor_of(table),
                "void": void,
                "chart": None if void else chart_of(table, names),
                "rows": rows,
                "with_ratio": any(row["ratio"] for row in rows),
                "with_place": any(row["place"] for row in rows),
                "differences": differences,
                "decided": len(differences),
            }
        )
    return list(measures.values())


def _about(module: str) -> str:
    """Returns what a measure says of itself, in Markdown."""
    text = import_module(f"comparison.bench.measures.{module}").__doc__ or ""
    about = " ".join(text.split()).partition(": ")[2]
    return about[:1].upper() + about[1:]


def _heading(name: str) -> str:
    """Returns the name of a figure with a capital letter, unless it begins with a path."""
    return name[:1].upper() + name[1:] if name.split()[0].strip(",").isalpha() else name


def _differences(table: Any, names: Mapping[str, str]) -> list[str]:
    from comparison.bench.report import differences_of

    sentences = []
    for sentence in differences_of(table):
        for subject, name in names.items():
            sentence = sentence.replace(subject, name)
        sentences.append(sentence)
    return sentences


def _names(site: Site) -> dict[str, str]:
    """Returns the title of each subject: `FastAPI, matched`."""
    return {
        f"{application.name} {form}": f"{application.title}, {form}"
        for application in site.applications
        for form in ("matched", "stock")
    }


def _rows(table: Any, names: Mapping[str, str]) -> list[dict[str, Any]]:
    from comparison.bench.report import cell, place

    rows = []
    for row in sorted(table.rows, key=lambda row: (row.subject not in ("control",), row.subject)):
        ratio = None
        if row.ratio is not None and not row.faults:
            found = row.ratio
            ratio = f"{found.middle:.2f} ({found.low:.2f} to {found.high:.2f})"
        ranked = row.rank is not None and row.value is not None and row.value.kind == "interval"
        rows.append(
            {
                "subject": names.get(row.subject, row.subject),
                "value": cell(row),
                "ratio": ratio,
                "decided": row.ratio.decided if row.ratio is not None else None,
                "place": place(row.rank) if ranked else None,
                "void": row.void if not row.faults else [],
                "notes": row.notes,
            }
        )
    return rows
