"""Imports run one way: rehearsal, comparison -> deploy -> tooling, apps -> shared.

There is no circle.
"""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tooling.frameworks import ROOT, find_frameworks

APPS = {framework.folder.name: {"shared"} for framework in find_frameworks()}
ALLOWED = {
    "shared": set[str](),
    "tooling": set[str](),
    "deploy": {"tooling", "shared"},
    # The control of the benchmark makes its answers from shared/.
    "comparison": {"deploy", "tooling", "shared"},
    "rehearsal": {"deploy", "tooling"},
    **APPS,
}
OURS = {*ALLOWED, "tests"}


def imported(file: Path) -> Iterator[str]:
    """The full names of the modules, or of members of modules, that a file imports."""
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def module_of(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {
    module_of(file): file for folder in ALLOWED for file in sorted((ROOT / folder).rglob("*.py"))
}


@pytest.mark.parametrize("folder", ALLOWED)
def test_no_import_runs_upwards(folder: str) -> None:
    for module, file in FILES.items():
        if module.partition(".")[0] == folder:
            tops = {name.partition(".")[0] for name in imported(file)} & OURS
            assert tops <= ALLOWED[folder] | {folder}, module


def test_there_is_no_circle() -> None:
    graph = {
        module: {
            other
            for name in imported(file)
            for other in (name, name.rpartition(".")[0])
            if other in FILES and other != module
        }
        for module, file in FILES.items()
    }
    assert graph["rehearsal.server"]
    assert graph["comparison.bench.run"]
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))
