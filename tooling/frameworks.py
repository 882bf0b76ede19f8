"""Finds the frameworks: every `<name>_app/` folder of the repository. There is no other list."""

import tomllib
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tooling.errors import UsageError

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Framework:
    """One `<name>_app/` folder, as its `pyproject.toml` describes it."""

    name: str
    """The name in `make run-<name>`: `fastapi`, `quart`, ..."""
    folder: Path

    @cached_property
    def pyproject(self) -> dict[str, Any]:
        return tomllib.loads((self.folder / "pyproject.toml").read_text(encoding="utf-8"))

    @property
    def contract(self) -> dict[str, Any]:
        """The table `[tool.contract]`, described in README "Add a framework"."""
        table: dict[str, Any] = self.pyproject["tool"]["contract"]
        return table

    @property
    def title(self) -> str:
        """The title as the framework's community spells it: `FastAPI`."""
        title: str = self.contract["title"]
        return title

    @property
    def version(self) -> str:
        """The installed version of the framework's distribution."""
        return version(self.contract["distribution"])

    @property
    def entrypoint(self) -> str:
        """The ASGI application, `module:attribute`, importable from the repository's root."""
        return f"{self.name}_app.app:app"


def find_frameworks() -> list[Framework]:
    """Returns every framework, sorted by name."""
    return [
        Framework(name=file.parent.name.removesuffix("_app"), folder=file.parent)
        for file in sorted(ROOT.glob("*_app/pyproject.toml"))
    ]


def is_installed(framework: Framework) -> bool:
    """Whether the framework can be used here. `make upgrade-matrix` installs one at a time."""
    try:
        return bool(framework.version)
    except PackageNotFoundError:
        return False


def find_framework(name: str) -> Framework:
    """Returns the framework of that name. Raises `UsageError`, which lists the frameworks."""
    frameworks = {framework.name: framework for framework in find_frameworks()}
    if name not in frameworks:
        raise UsageError(f"There is no {name}_app/ here; there are: {', '.join(frameworks)}.")
    return frameworks[name]
