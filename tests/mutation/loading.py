"""Imports a changed module in place of the file, which is not touched."""

import ast
import gc
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from types import CodeType, ModuleType

from tests.mutation.mutants import Mutant
from tooling.frameworks import ROOT, find_frameworks


class _ChangedLoader(SourceFileLoader):
    """Loads a module as from its file, so that `__file__` and tracebacks name that file."""

    def __init__(self, mutant: Mutant) -> None:
        super().__init__(mutant.module, str(ROOT / mutant.file))
        self._mutant = mutant

    def get_code(self, fullname: str) -> CodeType:
        return self._mutant.code()


class _ChangedFinder(MetaPathFinder):
    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._mutant.module:
            return None
        location = ROOT / self._mutant.file
        return spec_from_file_location(fullname, location, loader=_ChangedLoader(self._mutant))


def install(mutant: Mutant) -> None:
    """From now on this process imports the changed module. What is imported already is dropped."""
    if mutant.module in sys.modules:
        forget()
    sys.meta_path.insert(0, _ChangedFinder(mutant))


def forget() -> None:
    """Drops the modules that may have used a changed one, so that the next import runs them."""
    for name in list(sys.modules):
        changeable = name.partition(".")[0] in ("shared", "tests")
        if changeable and name != "tests" and not name.startswith("tests.mutation"):
            del sys.modules[name]


def preload() -> None:
    """Imports what the apps and the suite import, so that forked processes need not.

    The apps themselves are not imported: Sanic registers its instances by name.
    """
    for framework in find_frameworks():
        tree = ast.parse((framework.folder / "app.py").read_text(encoding="utf-8"))
        for node in tree.body:
            match node:
                case ast.Import(names=names):
                    for alias in names:
                        import_module(alias.name)
                case ast.ImportFrom(module=str(module)):
                    import_module(module)
    for module in ("tests.conftest", "tests.contract.plugin", "tests.contract.faults"):
        import_module(module)
    gc.freeze()  # A forked process then collects only what it has made itself.
