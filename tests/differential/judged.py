"""Compares the answers of all apps, and tells named differences from others."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.differential.compared import Compared
from tests.differential.known import KNOWN, OVER_SOCKETS, Known, Subject


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

    All are compared in their status, and those of one status in everything else. The frameworks for
    which no named difference applies have to agree. An answer that differs from theirs has to be
    the one that the named difference describes. An error of a server is never one.
    """
    applying = [known for known in (*KNOWN, *OVER_SOCKETS) if known.applies(subject)]
    verdict = Verdict()
    compare("status", answers, applying, verdict)
    for status in {answer["status"] for answer in answers.values()}:
        alike = {name: answer for name, answer in answers.items() if answer["status"] == status}
        for part in sorted({part for answer in alike.values() for part in answer}):
            compare(part, alike, applying, verdict)
    for name, answer in answers.items():
        # RFC 9112 section 6.1: 501 answers an unknown transfer coding.
        if answer["status"] >= 500 and answer["status"] != 501:
            verdict.unknown[f"error in {name}"] = answer
    return verdict


def compare(
    part: str, answers: Mapping[str, Compared], applying: list[Known], verdict: Verdict
) -> None:
    """Adds to the verdict how the answers differ in that part."""
    # One of the answers is the expected one: the one from which all others may differ.
    for expected in answers:
        excuses = excuses_of(part, answers, answers[expected].get(part), applying)
        if all(excuses.values()):
            verdict.known |= {known.id for found in excuses.values() for known in found}
            return
    verdict.unknown[part] = {name: answer.get(part) for name, answer in answers.items()}


def excuses_of(
    part: str, answers: Mapping[str, Compared], expected: Any, applying: list[Known]
) -> dict[str, list[Known]]:
    """Returns the named differences that describe each answer with another value of that part."""
    return {
        name: [
            known
            for known in applying
            if name in known.frameworks and part in known.parts and known.answers(answer)
        ]
        for name, answer in answers.items()
        if answer.get(part) != expected
    }
