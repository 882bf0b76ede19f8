"""Whether the site has to be built again: a digest of everything that it is made from."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from comparison.site.model import Site
from tooling.frameworks import ROOT

_FOLDERS = ("comparison", "shared", "tooling", "tests/contract/cases", "*_app")
_LEFT_OUT = {"__pycache__", "swagger-ui"}


def digest(site: Site) -> str:
    """Returns a digest of the sources, the results and the settings."""
    hashed = hashlib.sha256(repr(site).encode())
    for file in _files(site):
        hashed.update(f"{file}\0".encode())
        hashed.update(hashlib.sha256(file.read_bytes()).digest())
    return hashed.hexdigest()


def _files(site: Site) -> Iterator[Path]:
    folders = [folder for pattern in _FOLDERS for folder in sorted(ROOT.glob(pattern))]
    for folder in [*folders, site.results]:
        for file in sorted(folder.rglob("*")):
            if file.is_file() and not _LEFT_OUT & set(file.parts):
                yield file


def record_of(folder: Path) -> Path:
    """Returns the file with the digest of the site in `folder`."""
    return folder.with_name(f"{folder.name}.inputs")


def is_current(folder: Path, wanted: str) -> bool:
    """Returns whether `folder` contains the site that was made from these inputs."""
    record = record_of(folder)
    built = folder.is_dir() and record.is_file()
    return built and record.read_text(encoding="ascii") == wanted
