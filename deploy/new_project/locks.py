"""Narrows a lock that uv has compiled to the distributions that a project needs."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from packaging.utils import canonicalize_name

_ENTRY = re.compile(
    r"^(?P<pin>[A-Za-z0-9][^\s#]*==[^\n]*)\n(?P<via>(?: +#[^\n]*\n)*)", re.MULTILINE
)


@dataclass(frozen=True)
class Pin:
    """One line of a lock, and what requires it: distributions, projects or options of uv."""

    line: str
    via: tuple[str, ...]

    @property
    def name(self) -> str:
        """The normalized name of the distribution."""
        found = re.match(r"[A-Za-z0-9._-]+", self.line)
        assert found is not None
        return canonicalize_name(found[0])


def parse(lock: str) -> list[Pin]:
    """Returns the pins of a lock, with the comments that `uv pip compile` writes below them."""
    return [
        Pin(found["pin"], tuple(re.findall(r"^ +#(?: via)? +(\S.*)$", found["via"], re.MULTILINE)))
        for found in _ENTRY.finditer(lock)
    ]


def narrowed(lock: str, roots: Iterable[str], projects: Mapping[str, str]) -> str:
    """Returns the lock with the roots and all that they require.

    `projects` are the requirers that stay and are no distributions, with their new names.
    """
    pins = parse(lock)
    needed: set[str] = {canonicalize_name(root) for root in roots}
    if missing := needed - {pin.name for pin in pins}:
        raise LookupError(f"The lock has no {min(missing)}.")
    while more := {pin.name for pin in pins if needed & set(pin.via)} - needed:
        needed |= more
    return "".join(_written(pin, needed, projects) for pin in pins if pin.name in needed)


def _written(pin: Pin, needed: set[str], projects: Mapping[str, str]) -> str:
    via = [projects.get(one, one) for one in pin.via if one in needed or one in projects]
    if len(via) == 1:
        return f"{pin.line}\n    # via {via[0]}\n"
    return "".join([f"{pin.line}\n", "    # via\n" * bool(via), *(f"    #   {v}\n" for v in via)])
