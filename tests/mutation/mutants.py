"""The mutants of a file: mutations with an id that unrelated edits do not change."""

import ast
from collections import Counter
from dataclasses import dataclass
from functools import cache
from types import CodeType

from tests.mutation.operators import Mutation, mutations
from tooling.frameworks import ROOT, find_frameworks

# The in-process half has no database.
UNREACHED = ("shared/postgresql.py", "shared/postgresql_greetings.py")
"""The files that are not changed."""

UNREACHED_BY_APPS = ("shared/postgresql_url.py",)
"""Files that an app reaches only with a database, and that have tests without one."""


@dataclass(frozen=True)
class Mutant:
    """One mutation of one file.

    `id` is `quart_app/app.py:negate:talk:1`: the file, the operator, the qualified name of the
    place, and a number that counts such mutations there.
    """

    id: str
    file: str
    mutation: Mutation

    @property
    def module(self) -> str:
        return self.file.removesuffix(".py").replace("/", ".")

    @property
    def app(self) -> str | None:
        """The framework whose app is changed; None for a file of `shared/`."""
        return app_of(self.file)

    @property
    def change(self) -> str:
        """The changed source and what takes its place."""
        return self.mutation.describe(_tree(self.file))

    def code(self) -> CodeType:
        """The changed module. Raises `SyntaxError` if Python does not accept it."""
        changed = self.mutation.apply(_tree(self.file))
        return compile(changed, str(ROOT / self.file), "exec", dont_inherit=True)


def app_of(file: str) -> str | None:
    """Returns the framework whose app the file is; None for a file of `shared/`."""
    folder = file.partition("/")[0]
    return folder.removesuffix("_app") if folder.endswith("_app") else None


def mutants_of(file: str) -> list[Mutant]:
    """Every mutant of a file, which is named from the root of the repository."""
    counted: Counter[tuple[str, str]] = Counter()
    found = []
    for mutation in mutations(_tree(file)):
        place = mutation.operator, mutation.scope
        counted[place] += 1
        id = f"{file}:{mutation.operator}:{mutation.scope}:{counted[place]}"
        found.append(Mutant(id, file, mutation))
    return found


def files() -> list[str]:
    """The files that are changed: each app, and what the in-process half reaches of `shared/`."""
    apps = [f"{framework.folder.name}/app.py" for framework in find_frameworks()]
    shared = sorted((ROOT / "shared").glob("*.py"))
    return apps + [
        f"shared/{path.name}" for path in shared if f"shared/{path.name}" not in UNREACHED
    ]


@cache
def _tree(file: str) -> ast.Module:
    return ast.parse((ROOT / file).read_text(encoding="utf-8"))
