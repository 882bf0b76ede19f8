"""The cases of the contract, as `must` and `should` register them."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from tests.contract.client import Client
from tests.contract.vocabulary import Capability

VERSION = 2
"""Of the contract, as in `shared/openapi.yaml`, `x-contract-version`."""


class Level(StrEnum):
    """RFC 2119: SHOULD cases record what a framework does of its own accord."""

    MUST = "MUST"
    SHOULD = "SHOULD"


@dataclass(frozen=True, slots=True)
class Case:
    """One statement about every app, under an ID that never changes its meaning.

    `version`: of the contract in which it appeared.
    """

    id: str
    version: int
    level: Level
    sentence: str
    needs: frozenset[Capability]
    check: Callable[[Client], None]


CASES: dict[str, Case] = {}
"""By ID, in the order of the contract."""

Check = Callable[[Client], None]


def _register(
    level: Level, id: str, sentence: str, needs: frozenset[Capability], version: int
) -> Callable[[Check], Check]:
    def register(check: Check) -> Check:
        assert id not in CASES, f"{id} is there twice"
        CASES[id] = Case(id, version, level, sentence, needs, check)
        return check

    return register


def must(id: str, sentence: str, *needs: Capability, version: int = 1) -> Callable[[Check], Check]:
    """Registers a function as a case that every app has to pass."""
    return _register(Level.MUST, id, sentence, frozenset(needs), version)


def should(
    id: str, sentence: str, *needs: Capability, version: int = 1
) -> Callable[[Check], Check]:
    """Registers a function as a case that records where frameworks differ of their own accord."""
    return _register(Level.SHOULD, id, sentence, frozenset(needs), version)
