"""The parts of a table with a column for each framework."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from comparison.site.applications import slug


@dataclass(frozen=True)
class Cell:
    """What a table says of one framework."""

    text: str
    """Markdown, without links."""
    evidence: str | None = None
    """The address of the evidence, relative to the top of the site."""
    note: str | None = None
    """A second line, such as an interval or a reason."""
    mark: Literal["yes", "no"] | None = None
    """Whether the text is good or bad; it is readable without colours."""
    number: float | None = None
    """The value, for rows that can be compared."""
    place: str | None = None
    """The place among the frameworks, as far as measurements decide it."""
    lead: str | None = None
    """By how much the first is ahead of the next."""


@dataclass(frozen=True)
class Row:
    """`cells` are in the order of the frameworks."""

    title: str
    cells: list[Cell]
    hint: str | None = None
    """What the title does not say: how it was counted or measured."""
    best: int | None = None
    """The number of the cell that measurements set apart from every other one as the best."""
    advice: str | None = None
    """The reason to choose that framework; `{value}` is the text of its cell."""
    verdicts: Mapping[tuple[int, int], str] = field(default_factory=dict)
    """For two cells, by their numbers: how measurements separate them, or `undecided`."""

    @property
    def slug(self) -> str:
        """The anchor of the row on the front page."""
        return slug(self.title)

    @property
    def differs(self) -> bool:
        """Whether the frameworks differ in it."""
        return len({(cell.text, cell.note) for cell in self.cells}) > 1


@dataclass(frozen=True)
class Group:
    """Rows under one heading."""

    title: str
    slug: str
    rows: list[Row]
    about: str | None = None
    """How the rows are to be read; Markdown."""
    missing: str | None = None
    """Why rows are absent, and the command that makes them."""
