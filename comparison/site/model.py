"""What the pages are made from: the site with its applications and results, and a page of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from comparison.site.applications import Application, read_applications
from tooling.errors import UsageError
from tooling.frameworks import ROOT

RESULTS = ROOT / "comparison" / "results"


@dataclass(frozen=True)
class Page:
    """One file of the site."""

    address: str
    """Relative to the top of the site, with `/`: `side-by-side.html`."""
    title: str
    template: str
    """The name of a file in `comparison/site/templates/`."""
    context: Mapping[str, object] = field(default_factory=dict)
    """Values for the template, beside `site`, `page`, `root` and `navigation`."""
    label: str | None = None
    """The text in the navigation. Without it the page is not listed there."""
    position: int = 0
    """The place in the navigation, ascending."""

    @property
    def root(self) -> str:
        """The top of the site, relative to this page; empty at the top."""
        return "../" * self.address.count("/")


@dataclass(frozen=True)
class File:
    """A file of the site that is no page: a result to download, a generated stylesheet."""

    address: str
    content: bytes


@dataclass(frozen=True)
class Site:
    """The input of the build."""

    results: Path = RESULTS
    """The folder with the committed results."""
    apps: str | None = None
    """Where the apps run, relative to the top of the site, with a final slash: `./`."""
    dashboard: str | None = None
    """The address of the rehearsal's dashboard, relative to the top of the site."""
    repository: str | None = None
    """The address of one commit's files on the web: `https://git.example/x/blob/<commit>/`."""

    @cached_property
    def applications(self) -> list[Application]:
        """The applications of all frameworks, sorted by name. Raises `UsageError`."""
        return read_applications()

    def result(self, name: str) -> Any:
        """Returns a committed result, such as `bench.json`; None if it does not exist.

        Raises `UsageError` if the file is not JSON.
        """
        file = self.results / name
        try:
            return json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise UsageError(f"{file} is not a result: {error}.") from None
