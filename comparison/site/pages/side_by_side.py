"""Side by side: a row for each section of `app.py`, a column for each framework."""

from collections.abc import Iterable

from comparison.site.applications import ABOUT, slug
from comparison.site.contract_cases import by_section
from comparison.site.model import Page, Site
from comparison.site.notes import notes_by_section


def pages(site: Site) -> Iterable[Page]:
    contract = site.result("contract.json")
    cases = by_section(contract["cases"]) if contract else None
    notes = {application.name: notes_by_section(application) for application in site.applications}
    rows = [
        {
            "title": title,
            "about": about,
            "slug": slug(title),
            "cases": cases[title] if cases else None,
            "cells": [
                {
                    "application": application,
                    "section": application.sections[number],
                    "notes": notes[application.name][title],
                }
                for application in site.applications
            ],
        }
        for number, (title, about) in enumerate(ABOUT.items())
    ]
    yield Page(
        "side-by-side.html",
        "Side by side",
        "side_by_side.html",
        {"rows": rows},
        label="Side by side",
        position=20,
    )
