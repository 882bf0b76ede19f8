"""Every pair of frameworks: what differs, then the two sources line against line."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import combinations
from typing import Any

from comparison.site.alignment import align
from comparison.site.applications import HEADINGS, Application
from comparison.site.contract_cases import Contract
from comparison.site.decision import decision
from comparison.site.model import Page, Site
from comparison.site.table import Group, Row


def pages(site: Site) -> Iterable[Page]:
    pairs = list(combinations(range(len(site.applications)), 2))
    groups, contract = decision(site), Contract.of(site)
    made = [_pair(site, pair, groups, contract) for pair in pairs]
    if made:
        yield Page("pairs.html", "Pairs", "pairs.html", {"pages": made}, "Pairs", position=30)
    yield from made


def _pair(site: Site, pair: tuple[int, int], groups: list[Group], contract: Contract) -> Page:
    left, right = two = [site.applications[number] for number in pair]
    differing = [_restricted(row, pair) for group in groups for row in group.rows]
    context = {
        "two": two,
        "rows": [(row, row.verdicts.get(pair)) for row in differing if row.differs],
        "cases": [
            {
                "id": case_id,
                "sentence": contract.sentence(case_id),
                "cells": [contract.holds(case_id, each) for each in two],
            }
            for case_id in contract.differences(two)
        ],
        "missing": [group.missing for group in groups if group.missing],
        "sections": _sections(left, right),
    }
    title = f"{left.title} and {right.title}"
    return Page(f"{left.name}-vs-{right.name}.html", title, "pair.html", context)


def _restricted(row: Row, pair: tuple[int, int]) -> Row:
    # A place and a lead are among all frameworks.
    cells = [replace(row.cells[number], place=None, lead=None) for number in pair]
    return Row(row.title, cells, row.hint, verdicts=row.verdicts)


def _sections(left: Application, right: Application) -> list[dict[str, Any]]:
    return [
        {
            "title": title,
            "slug": one.slug,
            "rows": align(one.tokens, other.tokens, (one.first, other.first)),
        }
        for title, one, other in zip(HEADINGS, left.sections, right.sections, strict=True)
    ]
