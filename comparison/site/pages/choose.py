"""Which one? The front page: one table, each cell of which leads to its evidence."""

from collections.abc import Iterable

from comparison.site.advice import advise
from comparison.site.contract_cases import Contract
from comparison.site.decision import decision
from comparison.site.model import File, Page, Site
from comparison.site.questions import questions


def pages(site: Site) -> Iterable[Page | File]:
    groups = decision(site)
    contract = Contract.of(site)
    cases = contract.deviating(site.applications)
    context = {
        "groups": groups,
        "questions": list(questions(site, groups)),
        "advice": advise(groups, contract, site.applications),
        "cases": [
            {
                "id": case_id,
                "sentence": contract.sentence(case_id),
                "cells": [contract.holds(case_id, each) for each in site.applications],
            }
            for case_id in cases
        ],
    }
    yield Page("index.html", "Which one?", "choose.html", context, "Which one?", position=10)
    releases = site.results / "releases.json"
    if releases.is_file():
        yield File("results/releases.json", releases.read_bytes())
