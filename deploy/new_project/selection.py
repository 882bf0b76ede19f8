"""Which files of this repository a project needs, found by their imports."""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from deploy.contents import listed

# Python files that nothing imports: the tests, the command behind `make db`, and a program.
_ROOTS = (
    "tests/contract/conftest.py",
    "tests/contract/plugin.py",
    "tests/contract/serve.py",
    "tests/contract/test_contract.py",
    "tests/contract/test_documents.py",
    "deploy/prepare_database.py",
    "tooling/parent_death.py",
)

# The same for the stand-in: its commands, and the program that serves what is deployed.
_ROOTS_OF_REHEARSAL = ("rehearsal/command_line.py", "rehearsal/hosting/runtime.py")


def modules(root: Path, app: str, *, rehearsal: bool) -> set[str]:
    """Returns the Python files that the app and its contract import, as paths from `root`.

    With `rehearsal`, these are also the stand-in for Connect and what it imports.
    """
    needed: set[str] = set()
    pending = [f"{app}/__init__.py", f"{app}/app.py", *_ROOTS]
    if rehearsal:
        pending += _ROOTS_OF_REHEARSAL
    while pending:
        path = pending.pop()
        if path not in needed:
            needed.add(path)
            pending += _imports(root, path)
    return needed


def _imports(root: Path, path: str) -> Iterator[str]:
    """Yields the files of the modules that a file imports, and of the packages around them."""
    for node in ast.walk(ast.parse((root / path).read_bytes())):
        names: Iterable[str] = ()
        if isinstance(node, ast.Import):
            names = (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names = (node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names))
        for name in names:
            parts = name.split(".")
            for end in range(1, len(parts) + 1):
                place = PurePosixPath(*parts[:end])
                for file in (f"{place}.py", f"{place}/__init__.py"):
                    if (root / file).is_file():
                        yield file


def data_files(root: Path, *, rehearsal: bool) -> list[str]:
    """Returns the tracked files of `shared/`, and of `rehearsal/`, that are not Python."""
    folders = ("shared", "rehearsal") if rehearsal else ("shared",)
    return [path for path in listed(root, folders) if not path.endswith(".py")]
