"""Compares the answers of all apps, and tells named differences from others."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.differential.compared import Compared, differing
from tests.differential.known import KNOWN, Known, Subject


@dataclass
class Verdict:
    """The differences between the answers to one request.

    - `unknown`: part of the answer, to its value in each app.
    - `known`: the IDs of the named differences that occurred.
    """

    unknown: dict[str, dict[str, Any]] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)


def judge(subject: Subject, answers: Mapping[str, Compared]) -> Verdict:
    """Compares the answers, which are given by the name of the framework.

    The frameworks for which no named difference applies have to agree. An answer that differs from
    theirs has to be the one that the named difference describes.
    """
    applying = [known for known in KNOWN if known.applies(subject)]
    verdict = Verdict()
    for part in sorted({part for answer in answers.values() for part in answer}):
        excuses = {name: excuses_of(name, part, applying) for name in answers}
        # If all are excused, they are compared with the one that has the fewest excuses.
        expected = min(answers, key=lambda name: len(excuses[name]))
        for name, answer in answers.items():
            if part not in differing(answer, answers[expected]):
                continue
            found = [known for known in excuses[name] if known.answers(answer)]
            verdict.known |= {known.id for known in found}
            if not found:
                verdict.unknown[part] = {name: a.get(part) for name, a in answers.items()}
    for name, answer in answers.items():
        if answer["status"] >= 500:
            verdict.unknown[f"error in {name}"] = answer
    return verdict


def excuses_of(name: str, part: str, applying: list[Known]) -> list[Known]:
    return [
        known
        for known in applying
        if name in known.frameworks and (known.parts is None or part in known.parts)
    ]
