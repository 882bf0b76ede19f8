"""Which one? The front page: one table, each cell of which leads to its evidence."""

from collections.abc import Iterable

from comparison.site.model import Page, Site


def pages(site: Site) -> Iterable[Page]:
    yield Page("index.html", "Which one?", "choose.html", {}, label="Which one?", position=10)
