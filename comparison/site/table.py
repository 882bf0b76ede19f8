"""The parts of a table with a column for each framework."""

from dataclasses import dataclass
from typing import Literal


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
    missing: str | None = None
    """Why rows are absent, and the command that makes them."""
