"""The files for Posit Publisher: they are valid, and what they select is enough to run an app.

The rules of validity and of selection are written anew after posit-dev/publisher@7450da5, under
`extensions/vscode/src`: `toml/schemas/posit-publishing-schema-v3.json`, `bundler/collect.ts` and
`publish/connectPublish.ts`.
"""

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

import msgspec
import pytest
from msgspec import Meta

from deploy.publisher import SCHEMA, configuration
from tests.endurance import COUNTS
from tooling.errors import UsageError
from tooling.frameworks import ROOT, Framework, find_frameworks

each_framework = pytest.mark.parametrize("framework", find_frameworks(), ids=lambda f: f.name)

Line = Annotated[str, Meta(pattern=r"^[^\t\n\f\r]{3,1000}$")]


class Python(msgspec.Struct, forbid_unknown_fields=True):
    """The table `[python]`, with every setting that the schema has for Connect."""

    version: str
    package_file: str = "requirements.txt"
    package_manager: str = "pip"
    requires_python: str = ""


class Configuration(msgspec.Struct, forbid_unknown_fields=True):
    """The settings of the schema that may concern us; it has more, for other kinds of content."""

    schema: Literal[SCHEMA] = msgspec.field(name="$schema")  # type: ignore[valid-type]
    type: Literal["python-fastapi"]
    entrypoint: str
    python: Python
    title: Line
    files: list[str]
    description: str = ""
    validate: bool = True


def configuration_of(framework: Framework) -> Configuration:
    file = ROOT / ".posit" / "publish" / f"{framework.name}.toml"
    return msgspec.convert(tomllib.loads(file.read_text(encoding="utf-8")), Configuration)


# Of Publisher's standard exclusions, those that can occur here; they come after the patterns.
EXCLUSIONS = [
    *("!.git/", "!__pycache__/", "!rsconnect-python/", "!rsconnect/", "!*_cache/"),
    *("!manifest.json", "!node_modules/", "!packrat/"),
]


def fits(pattern: str, path: PurePosixPath) -> bool:
    """Whether a pattern means the path itself: with a slash from the root, else by its name."""
    rooted = pattern.removeprefix("/")
    if "/" in rooted or pattern.startswith("/"):
        parts = PurePosixPath(rooted).parts
        return len(parts) == len(path.parts) and all(map(fnmatchcase, path.parts, parts))
    return fnmatchcase(path.name, pattern)


def is_selected(path: PurePosixPath, patterns: list[str]) -> bool:
    """The last pattern that fits the file, or a folder above it, decides."""
    selected = False
    for pattern in [*patterns, *EXCLUSIONS]:
        bare = pattern.removeprefix("!")
        of_folders = bare.endswith("/")
        above = [parent for parent in path.parents if parent.parts]
        candidates = above if of_folders else [path, *above]
        if any(fits(bare.rstrip("/"), candidate) for candidate in candidates):
            selected = not pattern.startswith("!")
    return selected


def selected(root: Path, patterns: list[str]) -> Iterator[PurePosixPath]:
    """Every file of the folder that Publisher uploads; it skips Python environments."""
    for folder, folders, files in os.walk(root):
        here = Path(folder)
        folders[:] = [f for f in folders if not (here / f / "bin" / "python").exists()]
        for file in files:
            path = PurePosixPath((here / file).relative_to(root).as_posix())
            if is_selected(path, patterns):
                yield path


@each_framework
def test_the_file_is_that_of_the_project(framework: Framework) -> None:
    file = ROOT / ".posit" / "publish" / f"{framework.name}.toml"
    assert file.read_text(encoding="utf-8") == configuration(framework), "make lock"


def test_there_is_a_file_for_each_framework_and_no_other() -> None:
    names = {file.stem for file in (ROOT / ".posit" / "publish").glob("*.toml")}
    assert names == {framework.name for framework in find_frameworks()}


@each_framework
def test_the_file_keeps_the_schema_and_publishers_checks(framework: Framework) -> None:
    settings = configuration_of(framework)
    assert settings.entrypoint == framework.entrypoint
    # Publisher compares the end of each pattern with the path of the requirements.
    package_file = settings.python.package_file
    assert any(pattern.endswith(package_file) for pattern in settings.files)
    assert (ROOT / package_file).is_file()


@pytest.mark.parametrize(
    "change",
    [
        ("type =", "kind ="),
        ("python-fastapi", "python-flask"),
        ("[python]", "[python]\nlibrary = 1"),
        ("files = [", "files = [1, "),
    ],
)
def test_a_file_that_breaks_the_schema_is_noticed(change: tuple[str, str]) -> None:
    text = configuration(find_frameworks()[0])
    assert change[0] in text
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(tomllib.loads(text.replace(*change)), Configuration)


def test_a_project_without_a_least_python_is_refused(tiny: Framework) -> None:
    file = tiny.folder / "pyproject.toml"
    file.write_text(file.read_text().replace(">=3.11", "==3.11.*"))
    with pytest.raises(UsageError, match="must begin with >=3"):
        configuration(tiny)


def test_what_is_private_is_not_selected(tiny: Framework, tree: Path) -> None:
    patterns = tomllib.loads(configuration(tiny))["files"]
    for name in (".env", "tests/test_app.py", "__pycache__/app.pyc", ".venv/bin/python"):
        file = tiny.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("")
    paths = {path.as_posix() for path in selected(tree, patterns)}
    assert {"tiny_app/app.py", "tiny_app/requirements.txt", "shared/static/styles.css"} <= paths
    assert {path for path in paths if path.startswith("tiny_app/")} == {
        *("tiny_app/__init__.py", "tiny_app/README.md", "tiny_app/app.py"),
        *("tiny_app/pyproject.toml", "tiny_app/requirements.txt"),
    }
    assert {path.partition("/")[0] for path in paths} == {"tiny_app", "shared"}


@each_framework
def test_the_selected_files_alone_keep_the_contract(framework: Framework, tmp_path: Path) -> None:
    """The suite and what it imports are added; the apps and `shared/` are only what is selected."""
    for path in selected(ROOT, configuration_of(framework).files):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)
    for name in ("tests", "tooling", "deploy", "rehearsal"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "build").mkdir()
    # The mount that Connect seems to have; all mounts in `make soak`.
    mounts = [] if COUNTS.everything else ["-k", "content and both"]
    command = [sys.executable, "-m", "pytest", "-q", "tests/contract/test_contract.py", *mounts]
    done = subprocess.run(
        [*command, "--app", framework.name, "--server", "in process"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
