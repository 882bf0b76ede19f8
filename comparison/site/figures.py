"""The figures of `comparison/results/bench.json`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from comparison.site.model import Site
from comparison.site.table import Row


@dataclass(frozen=True)
class Figures:
    """The recorded figures; without a record, no rows, and the command that makes it."""

    recorded: Mapping[str, Any] | None

    @classmethod
    def of(cls, site: Site) -> "Figures":
        return cls(site.result("bench.json"))

    @property
    def missing(self) -> str | None:
        return None if self.recorded else "not measured yet: `make bench`"

    def rows(self, group: str) -> list[Row]:
        return []
