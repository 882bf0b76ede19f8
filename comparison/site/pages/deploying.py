"""Deploy: the commands, the mount shapes, and what is known of Connect."""

from collections.abc import Iterable

from comparison.site.applications import Application
from comparison.site.model import Page, Site
from comparison.site.profiles import read_profiles
from comparison.site.table import Cell, Row


def pages(site: Site) -> Iterable[Page]:
    context = {"shapes": _shapes(site), "profiles": read_profiles()}
    yield Page("deploy.html", "Deploy", "deploy.html", context, "Deploy", position=60)


def _shapes(site: Site) -> list[Row]:
    """Returns what a framework answers under a prefix without the layer of this project."""
    return [
        Row(
            "with the prefix: `/content/6f1c2b9e/greetings`",
            [_answers(application, "included") for application in site.applications],
            "`uvicorn --root-path`, and probably Connect",
        ),
        Row(
            "without it: `/greetings`",
            [_answers(application, "stripped") for application in site.applications],
            "`hypercorn --root-path` behind a proxy that strips",
        ),
    ]


def _answers(application: Application, form: str) -> Cell:
    last = application.link(len(application.lines))
    if f'path="{form}"' in application.lines[-1]:
        return Cell("works", last, mark="yes")
    words = application.framework.contract.get("words", {}).get("other_form")
    return Cell(words or "not described yet", last, mark="no" if words else None)
