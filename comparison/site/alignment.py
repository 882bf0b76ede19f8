"""Aligns two pieces of source line against line, and finds the tokens that differ."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from comparison.site.highlighting import Token, html_of

Line = Sequence[Token]

LIKENESS = 0.4
"""The share of common words from which on two lines are shown beside each other."""
SAME_NAME = 4.0
"""The likeness of two lines that define a function or class of the same name."""
BLANK = 0.05
"""The likeness of two blank lines."""

_DEFINITION = re.compile(r"\s*(?:async def|def|class) (\w+)")
_COMMON = {"async", "await", "def", "return", "self", "None", "str", "if", "is", "not", "raise"}


@dataclass(frozen=True)
class Side:
    """One line of one file."""

    number: int
    html: str


@dataclass(frozen=True)
class Pair:
    """A row: two lines that belong together, or one that has no counterpart."""

    kind: Literal["same", "changed", "left", "right"]
    left: Side | None
    right: Side | None


def align(left: Sequence[Line], right: Sequence[Line], first: tuple[int, int]) -> list[Pair]:
    """Returns the rows in order. `first` has the numbers of the first lines."""
    rows: list[Pair] = []
    for i, j in _match(left, right):
        one = None if i is None else (first[0] + i, left[i])
        other = None if j is None else (first[1] + j, right[j])
        rows.append(_pair(one, other))
    return rows


def _pair(left: tuple[int, Line] | None, right: tuple[int, Line] | None) -> Pair:
    if left is None or right is None:
        kept = left or right
        assert kept is not None
        side = Side(kept[0], html_of(kept[1]))
        return Pair("right", None, side) if left is None else Pair("left", side, None)
    if _values(left[1]) == _values(right[1]):
        return Pair("same", Side(left[0], html_of(left[1])), Side(right[0], html_of(right[1])))
    one, other = _marked(left[1], right[1])
    return Pair("changed", Side(left[0], one), Side(right[0], other))


def _values(line: Line) -> list[str]:
    return [value for _, value in line]


def _marked(left: Line, right: Line) -> tuple[str, str]:
    """Returns both lines with the tokens marked that the other does not have."""
    one, other = "", ""
    matcher = SequenceMatcher(None, _values(left), _values(right), autojunk=False)
    for kind, a, b, c, d in matcher.get_opcodes():
        one += html_of(left[a:b]) if kind == "equal" else _mark(left[a:b])
        other += html_of(right[c:d]) if kind == "equal" else _mark(right[c:d])
    return one, other


def _mark(tokens: Line) -> str:
    """Marks tokens, but no white space before them."""
    shown = [number for number, (_, value) in enumerate(tokens) if value.strip()]
    first = shown[0] if shown else len(tokens)
    html = html_of(tokens[first:])
    return html_of(tokens[:first]) + (f"<mark>{html}</mark>" if html else "")


def _match(left: Sequence[Line], right: Sequence[Line]) -> Iterator[tuple[int | None, int | None]]:
    """Yields the indexes of lines that belong together, in order.

    The sum of their likeness is the greatest possible one (Needleman and Wunsch).
    """
    known = list(map(_Known.of, right))
    likeness = [[_likeness(one, other) for other in known] for one in map(_Known.of, left)]
    best = [[0.0] * (len(right) + 1) for _ in range(len(left) + 1)]
    for i in reversed(range(len(left))):
        for j in reversed(range(len(right))):
            paired = likeness[i][j] + best[i + 1][j + 1] if likeness[i][j] else 0.0
            best[i][j] = max(paired, best[i + 1][j], best[i][j + 1])
    i = j = 0
    while i < len(left) or j < len(right):
        pairs = i < len(left) and j < len(right) and likeness[i][j]
        if pairs and best[i][j] == likeness[i][j] + best[i + 1][j + 1]:
            yield i, j
            i, j = i + 1, j + 1
        elif i < len(left) and best[i][j] == best[i + 1][j]:
            yield i, None
            i += 1
        else:
            yield None, j
            j += 1


def _words(line: Line) -> list[str]:
    """Returns what a line is recognized by: not punctuation, nor words that stand in most lines."""
    return [value for _, value in line if re.search(r"\w", value) and value not in _COMMON]


def _name(line: Line) -> str | None:
    """Returns the name of the function or class that a line defines."""
    found = _DEFINITION.match("".join(_values(line)))
    return found[1] if found else None


def _likeness(one: "_Known", other: "_Known") -> float:
    """Returns the share of common words; 0 below `LIKENESS`; more for the same definition."""
    if one.name or other.name:
        return SAME_NAME if one.name == other.name else 0.0
    if not one.text or not other.text:
        return BLANK if one.text == other.text else 0.0
    if one.text == other.text:
        return 1.0
    total = one.words.total() + other.words.total()
    share = 2 * (one.words & other.words).total() / total if total else 0.0
    return share if share >= LIKENESS else 0.0


@dataclass(frozen=True)
class _Known:
    """What decides which line of the other file a line belongs to."""

    text: str
    name: str | None
    words: Counter[str]

    @classmethod
    def of(cls, line: Line) -> "_Known":
        return cls("".join(_values(line)).strip(), _name(line), Counter(_words(line)))
