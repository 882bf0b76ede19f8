"""What is known of Connect: the profiles of the rehearsal, each with its evidence.

They are read from the source, because `comparison` does not import `rehearsal`.
"""

import ast
from dataclasses import dataclass

from tooling.frameworks import ROOT

FILE = ROOT / "rehearsal" / "profiles.py"


@dataclass(frozen=True)
class Profile:
    """One possible behaviour of a Connect server."""

    name: str
    stands_for: str
    evidence: str
    line: int
    """The number of its first line in the source."""


def read_profiles() -> list[Profile]:
    """Returns the profiles in the order of the source."""
    profiles = []
    for call in ast.walk(ast.parse(FILE.read_text(encoding="utf-8"))):
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "Profile":
            name, stands_for, evidence = map(ast.literal_eval, call.args)
            profiles.append(Profile(name, stands_for, evidence, call.lineno))
    return profiles
