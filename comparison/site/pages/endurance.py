"""Endurance: what attacks cost, what was repeated how often, and which mutants survive."""

from collections.abc import Iterable

from comparison.site.endurance import costs_of, mutants_of
from comparison.site.model import Page, Site


def pages(site: Site) -> Iterable[Page]:
    soak, mutation = site.result("soak.json"), site.result("mutation.json")
    context = {
        "soak": soak,
        "costs": costs_of(soak, site.applications) if soak else None,
        "mutation": mutation,
        "mutants": mutants_of(mutation, site.applications) if mutation else None,
    }
    yield Page("endurance.html", "Endurance", "endurance.html", context, "Endurance", position=55)
