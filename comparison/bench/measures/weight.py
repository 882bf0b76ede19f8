"""B9: what an application weighs: its packages, its bundle, its installation and its lines."""

import re
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

from comparison.bench.figures import Effort, Figure
from comparison.bench.subjects import Subject
from deploy.contents import contents
from tooling.frameworks import ROOT, Framework, find_framework
from tooling.uv import uv_command, uv_variables

ID = "B9"
TITLE = "Weight"
SERVERS = ("uvicorn",)
FORMS = ("matched",)
ROUNDS = 1
QUICK_ROUNDS = 1
SECONDS = {"quick": 4.0, "full": 3.0}

_INSTALLATIONS = 5


def run(subject: Subject, effort: Effort) -> list[Figure]:
    """Installs the application's lock with uv, from a cache that already has every package."""
    assert subject.framework is not None
    framework = find_framework(subject.framework)
    return [
        *_installed(framework, effort.choose(quick=1, full=_INSTALLATIONS)),
        *_bundle(framework),
        *_lines(framework),
    ]


def _installed(framework: Framework, times: int) -> list[Figure]:
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        cache = ROOT / "build" / "uv-cache"
        variables = uv_variables(Path(folder), cache)
        lock = framework.folder / "requirements.txt"
        # The first installation fills the cache, and is not counted.
        for number in range(times + 1):
            environment = Path(folder) / f"environment-{number}"
            python = str(environment / "bin" / "python")
            begun = time.perf_counter()
            for arguments in (
                ("venv", "--quiet", "--python", sys.executable, str(environment)),
                ("pip", "install", "--quiet", "--no-deps", "--python", python, "-r", str(lock)),
            ):
                done = subprocess.run(
                    uv_command(*arguments), env=variables, capture_output=True, text=True
                )
                if done.returncode:
                    fault = f"The installation failed: {done.stderr.strip()[-200:]}"
                    return [Figure(ID, "installation", "s", None, 0, [fault])]
            if number:
                seconds.append(time.perf_counter() - begun)
        (site,) = environment.glob("lib/python*/site-packages")
        # An environment of uv has no pip, so that every distribution is one of the lock.
        distributions = len(list(site.glob("*.dist-info")))
        size = sum(file.stat().st_size for file in site.rglob("*") if file.is_file())
    middle = sorted(seconds)[len(seconds) // 2]
    return [
        Figure(ID, "distributions", "", distributions, 1),
        Figure(ID, "installed", "MB", size / 1e6, 1),
        Figure(ID, "installation", "s", middle, times, extra={"seconds": seconds}),
    ]


def _bundle(framework: Framework) -> list[Figure]:
    size = sum(source.stat().st_size for source in contents(framework).values())
    return [Figure(ID, "bundle", "KB", size / 1000, 1)]


def _lines(framework: Framework) -> list[Figure]:
    return [
        Figure(ID, f"app.py, {title}", "lines", count, 1)
        for title, count in sections(framework).items()
    ]


@cache
def sections(framework: Framework) -> dict[str, int]:
    """Returns the lines of each section of `app.py`, without empty lines, and of the whole."""
    lines: dict[str, int] = {}
    title = "Imports"
    for line in (framework.folder / "app.py").read_text(encoding="utf-8").splitlines():
        if heading := re.match(r"# --- (.+)", line):
            title = heading[1]
        if line.strip():
            lines[title] = lines.get(title, 0) + 1
    return {**lines, "all": sum(lines.values())}
