"""Upgrade: the contract on the releases of the last twelve months."""

from collections.abc import Iterable

from comparison.site.model import Page, Site
from comparison.site.upgrades import read_upgrades


def pages(site: Site) -> Iterable[Page]:
    document = site.result("upgrades.json")
    context = {
        "document": document,
        "upgrades": read_upgrades(document) if document else [],
    }
    yield Page("upgrade.html", "Upgrade", "upgrade.html", context, label="Upgrade", position=70)
