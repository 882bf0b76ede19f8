"""Makes projects with `make new-<name>`, and does in them what their README says."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tooling.frameworks import ROOT, Framework
from tooling.package_index import index_variables

NAME = "Zoo_of_9_wOrds"
"""An awkward name: capitals, digits, and a place in the alphabet behind everything else."""

IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "A tester"), ("EMAIL", "tester@example.org"))
}


def new_project(
    framework: str, dest: Path | str, name: str, rehearsal: str = "", **changes: str
) -> subprocess.CompletedProcess[str]:
    """Runs what `make new-<name>` runs, with a home of its own."""
    command = [sys.executable, "-m", "deploy.new_project", framework]
    return subprocess.run(
        [*command, f"--dest={dest}", f"--name={name}", f"--rehearsal={rehearsal}"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **IDENTITY, **changes},
        capture_output=True,
        text=True,
    )


def make(project: Path, *arguments: str, **variables: str) -> str:
    """Runs make in a clean environment; gives its output. The exit code must be 0.

    `UV_CACHE_DIR` is handed on: the packages are installed from the cache of this repository.
    """
    uv = Path(sys.executable).parent / "uv"
    tools = project.parent / "bin"
    tools.mkdir(exist_ok=True)
    for tool in (uv, Path(sys.executable)):
        link = tools / ("python3" if tool.name.startswith("python") else tool.name)
        if not link.exists():
            link.symlink_to(os.path.realpath(tool))
    kept = {key: value for key, value in os.environ.items() if key.startswith(("UV_", "PIP_"))}
    cache = {"UV_CACHE_DIR": str(ROOT / "build" / "uv-cache"), **index_variables(os.environ)}
    done = subprocess.run(
        ["make", *arguments],
        cwd=project,
        env={
            **cache,
            **kept,
            "PATH": f"{tools}:{os.environ['PATH']}",
            "HOME": str(project.parent),
            **variables,
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


def follow_readme(project: Path) -> None:
    """Does the numbered steps of README "Replace the greetings", as they are written there."""
    steps = (project / "README.md").read_text(encoding="utf-8").partition("make without-greetings")
    for step in _STEP.finditer(steps[2]):
        file = project / step["file"]
        text = file.read_text(encoding="utf-8") if file.exists() else ""
        found = step["old"] or step["line"] or step["place"]
        if found is None:
            text = step["block"]
        else:
            assert text.count(found) == 1, f"{step['file']} has {found!r} {text.count(found)} times"
            added = step["new"] or f"{step['added'] or step['block']}\n{found}"
            text = text.replace(found, added)
        file.write_text(text, encoding="utf-8")


_STEP = re.compile(
    r"(?:[Ii]n|Create) `(?P<file>[^`]+)`(?:"
    r", replace `(?P<old>[^`]+)` with\s+`(?P<new>[^`]+)`"
    r"|, above `(?P<line>[^`]+)`, add `(?P<added>[^`]+)`"
    r"|(?:, above `(?P<place>[^`]+)`, add)?:\n\n```\w+\n(?P<block>.*?)```)",
    re.DOTALL,
)


def forbidden(framework: Framework, others: list[Framework], rehearsal: bool) -> re.Pattern[str]:
    """The names of the other frameworks, and the working names of this repository."""
    names = [re.escape(word) for other in others for word in (other.name, other.folder.name)]
    ours = ["one-contract", "tooling", "GREETINGS_URL", re.escape(framework.folder.name)]
    without = [] if rehearsal else ["rehears"]
    return re.compile("|".join([*names, *ours, *without]), re.IGNORECASE)


# What Connect, its guide and rsconnect call every ASGI application, and what was probed there.
CONNECTS_WORDS = re.compile(
    r"python-fastapi|user/fastapi/|deploy fastapi|connect_fastapi_runtime|section FastAPI"
    r"| FastAPI was probed|quarto_version"
)
