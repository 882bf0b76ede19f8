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


def modules(root: Path, app: str) -> set[str]:
    """Returns the Python files that the app and its contract import, as paths from `root`."""
    needed: set[str] = set()
    pending = [f"{app}/__init__.py", f"{app}/app.py", *_ROOTS]
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


def data_files(root: Path) -> list[str]:
    """Returns the tracked files of `shared/` that are not Python."""
    return [path for path in listed(root, ("shared",)) if not path.endswith(".py")]
