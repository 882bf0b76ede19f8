"""The cases of the contract, as `must`, `should` and `part` register them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from tests.contract.client import Client
from tests.contract.vocabulary import Capability

VERSION = 3
"""The version of the contract: `x-contract-version` in `shared/openapi.yaml`."""

Check = Callable[[Client], None]

MAIN = "main"
"""The name of the part that every case has."""


class Level(StrEnum):
    """The keywords of RFC 2119. A SHOULD case records what a framework does by default."""

    MUST = "MUST"
    SHOULD = "SHOULD"


@dataclass(frozen=True, slots=True)
class Part:
    """One check of a case, with the capabilities that it needs."""

    case_id: str
    name: str
    needs: frozenset[Capability]
    check: Check

    @property
    def id(self) -> str:
        """`LIVE-1` for the main part, `LIVE-1: at shutdown` for another."""
        return self.case_id if self.name == MAIN else f"{self.case_id}: {self.name}"


@dataclass(frozen=True, slots=True)
class Case:
    """One statement about every app, under an ID that never changes its meaning.

    `version` is the version of the contract in which the case appeared. The case holds if each of
    its parts passes; the report names the parts that did not run.
    """

    id: str
    version: int
    level: Level
    sentence: str
    parts: list[Part] = field(default_factory=list)

    @property
    def main(self) -> Part:
        return self.parts[0]

    def check(self, client: Client) -> None:
        """Runs every part for which the client has the capabilities."""
        for part in self.parts:
            if part.needs <= client.capabilities:
                part.check(client)


CASES: dict[str, Case] = {}
"""The cases by ID, in the order of the contract."""

PARTS: dict[str, Part] = {}
"""The parts of all cases by ID."""


def must(id: str, sentence: str, *needs: Capability, version: int = 1) -> Callable[[Check], Check]:
    """Registers a function as the main part of a case that every app has to pass."""
    return _register(Case(id, version, Level.MUST, sentence), MAIN, needs)


def should(
    id: str, sentence: str, *needs: Capability, version: int = 1
) -> Callable[[Check], Check]:
    """Registers a function as a case that records where frameworks differ by default."""
    return _register(Case(id, version, Level.SHOULD, sentence), MAIN, needs)


def part(case_id: str, name: str, *needs: Capability) -> Callable[[Check], Check]:
    """Registers a function as a further part of a MUST case.

    A SHOULD case has one part: a waiver names the case, and all of it must fail.
    """
    case = CASES[case_id]
    assert case.level is Level.MUST, f"{case_id} is a {case.level} case"
    return _register(case, name, needs)


def _register(case: Case, name: str, needs: tuple[Capability, ...]) -> Callable[[Check], Check]:
    def register(check: Check) -> Check:
        added = Part(case.id, name, frozenset(needs), check)
        assert added.id not in PARTS, f"{added.id} is registered twice"
        case.parts.append(added)
        CASES[case.id] = case
        PARTS[added.id] = added
        return check

    return register


def sort_cases() -> None:
    """Sorts the cases by group and number. The groups stay in the order of their first cases.

    A case may stand in the module of the resource that it asks for: HTTP-3 in that of GREETINGS.
    """
    groups = [group for group, _, number in (id.rpartition("-") for id in CASES) if number == "1"]

    def place(id: str) -> tuple[int, int]:
        group, _, number = id.rpartition("-")
        return groups.index(group), int(number)

    for id in sorted(CASES, key=place):
        CASES[id] = CASES.pop(id)
