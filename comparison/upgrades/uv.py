"""Calls uv with the configured package index, and finds the Pythons of this machine with it."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

from tooling.frameworks import ROOT
from tooling.uv import uv_command, uv_variables


@dataclass(frozen=True)
class Uv:
    """uv with an empty folder as its home."""

    home: Path

    def run(
        self, *arguments: str | Path, input: str | None = None, cwd: Path = ROOT
    ) -> subprocess.CompletedProcess[str]:
        """Runs uv to its end and returns what it printed."""
        variables = uv_variables(self.home, ROOT / "build" / "uv-cache")
        return subprocess.run(
            uv_command(*arguments),
            input=input or "",
            cwd=cwd,
            env={**variables, "PATH": _path()},
            capture_output=True,
            text=True,
            check=False,
        )

    def pythons(self, oldest: str = "3.11") -> dict[str, Path]:
        """The newest installed interpreter of every minor version, the oldest version first."""
        listed = self.run("python", "list", "--only-installed", "--output-format", "json")
        found: dict[str, tuple[Version, Path]] = {}
        for item in json.loads(listed.stdout):
            version, path = Version(item["version"]), Path(item["path"])
            suits = item["implementation"] == "cpython" and item["variant"] == "default"
            if not suits or version.is_prerelease or version < Version(oldest):
                continue
            minor = f"{version.major}.{version.minor}"
            found[minor] = max(found.get(minor, (version, path)), (version, path))
        return {
            minor: path for minor, (_, path) in sorted(found.items(), key=lambda i: Version(i[0]))
        }


def _path() -> str:
    """PATH, and the interpreters that pyenv has installed."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    return os.pathsep.join([os.environ["PATH"], *map(str, sorted(pyenv.glob("*/bin")))])
