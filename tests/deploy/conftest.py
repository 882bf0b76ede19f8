"""A repository in miniature for each test, and nobody's settings."""

import os
from pathlib import Path

import pytest

from tests.deploy.tiny import make_tree
from tooling.frameworks import ROOT, Framework


@pytest.fixture(autouse=True)
def nobodys_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """rsconnect keeps its servers in the home folder; servers and keys may stand in the
    environment.
    """
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in os.environ:
        if name.startswith(("CONNECT_", "RSCONNECT_", "XDG_")) or name in ("SERVER", "API_KEY"):
            monkeypatch.delenv(name)
    if "UV_CACHE_DIR" not in os.environ:
        monkeypatch.setenv("UV_CACHE_DIR", str(ROOT / "build" / "uv-cache"))


@pytest.fixture(scope="session")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where every test finds the environments that others made."""
    return tmp_path_factory.mktemp("environments")


@pytest.fixture
def tiny(tmp_path: Path, environments: Path, monkeypatch: pytest.MonkeyPatch) -> Framework:
    """The framework of a repository in miniature, which the commands find as if it was the real
    one.
    """
    root = tmp_path / "tree"
    monkeypatch.setattr("tooling.frameworks.ROOT", root)
    (root / "build").mkdir(parents=True)
    (root / "build/environments").symlink_to(environments)
    return make_tree(root)


@pytest.fixture
def tree(tiny: Framework) -> Path:
    """The root of that repository."""
    return tiny.folder.parent
