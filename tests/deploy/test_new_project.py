"""`make new-<name>` makes a project of one's own, or says in one line why not."""

import ast
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.deploy.new_projects import CONNECTS_WORDS, IDENTITY, NAME, forbidden, new_project
from tooling.frameworks import ROOT, Framework, find_frameworks

FRAMEWORKS = find_frameworks()
FIRST = FRAMEWORKS[0].name


@pytest.fixture(scope="module", params=FRAMEWORKS, ids=lambda framework: framework.name)
def made(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Framework, Path]:
    """A project for each framework, in a path with a space."""
    framework: Framework = request.param
    project = tmp_path_factory.mktemp("with a space") / "my project"
    done = new_project(framework.name, project, NAME)
    assert done.returncode == 0, done.stderr
    return framework, project


@pytest.fixture(scope="module", params=FRAMEWORKS, ids=lambda framework: framework.name)
def rehearsing(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Framework, Path]:
    """The same with the stand-in for Connect."""
    framework: Framework = request.param
    project = tmp_path_factory.mktemp("with a space") / "my project"
    done = new_project(framework.name, project, NAME, rehearsal="1")
    assert done.returncode == 0, done.stderr
    return framework, project


def tracked(project: Path) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=project, check=True, capture_output=True, text=True
    )
    return [project / path for path in listed.stdout.split("\0") if path]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "NAME is missing"),
        ("our-service", "is not an identifier"),
        ("9lives", "is not an identifier"),
        ("größe", "is not an identifier"),
        ("a.b", "is not an identifier"),
        ("../../etc", "is not an identifier"),
        ("a b", "is not an identifier"),
        ("a\nb", "is not an identifier"),
        ("$(touch x)", "is not an identifier"),
        ("-rf", "is not an identifier"),
        ("\x1b[31m", "is not an identifier"),
        ("x" * 41, "the limit is 40"),
        ("x" * 100_000, "the limit is 40"),
        ("_private", "must not begin or end with an underscore"),
        ("class", "is a keyword"),
        ("match", "is a keyword"),
        ("json", "standard library"),
        ("JSON", "standard library"),
        ("tests", "another folder of the project"),
        ("uvicorn", "a module that is installed"),
        ("yaml", "a module that is installed"),
        ("shared", "a module that is installed"),
        *((framework.name, "a module that is installed") for framework in FRAMEWORKS),
    ],
)
def test_a_bad_name_is_refused_in_one_line_and_nothing_is_written(
    name: str, sentence: str, tmp_path: Path
) -> None:
    done = new_project(FIRST, tmp_path / "project", name)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("make: NAME")
    assert line.isprintable()
    assert sentence in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", ["0", "yes", "true", " 1", "1\n", "-1", "\x1b[31m", "1" * 9999])
def test_another_value_of_rehearsal_is_refused_in_one_line_and_nothing_is_written(
    value: str, tmp_path: Path
) -> None:
    done = new_project(FIRST, tmp_path / "project", NAME, rehearsal=value)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("make: REHEARSAL=")
    assert line.isprintable()
    assert "REHEARSAL=1 keeps the stand-in" in line
    assert list(tmp_path.iterdir()) == []


def test_a_bad_destination_is_refused_in_one_line_and_nothing_is_written(tmp_path: Path) -> None:
    full, file, link = tmp_path / "full", tmp_path / "file", tmp_path / "link"
    full.mkdir()
    (full / "kept").write_text("kept")
    file.write_text("kept")
    link.symlink_to(tmp_path / "nowhere")
    before = sorted(tmp_path.rglob("*"))
    for dest, sentence in (
        ("", "DEST is missing"),
        (full, "is not an empty folder"),
        (file, "is not an empty folder"),
        (link, "is not an empty folder"),
        (tmp_path / "absent" / "project", "create it first"),
        (file / "project", "create it first"),
        (ROOT / "build" / "project", "inside this repository"),
        (tmp_path / ("x" * 300), "File name too long"),
        (tmp_path / "a\nb", "control character"),
    ):
        done = new_project(FIRST, dest, NAME)
        assert (done.returncode, done.stdout) == (1, "")
        (line,) = done.stderr.splitlines()
        assert sentence in line
    assert sorted(tmp_path.rglob("*")) == before
    assert not (ROOT / "build" / "project").exists()


def with_git(folder: Path, init: str) -> str:
    """A PATH with a git that runs these commands instead of `git init`.

    git is the last program that runs: by then all files are written.
    """
    tools = folder / "tools"
    tools.mkdir()
    (tools / "git").write_text(
        f'#!/bin/sh\ncase "$1" in init) {init};; *) exec /usr/bin/env -i'
        f' PATH="{os.environ["PATH"]}" git "$@";; esac\n'
    )
    (tools / "git").chmod(0o755)
    return f"{tools}:{os.environ['PATH']}"


@pytest.mark.parametrize("name", ["INT", "TERM", "HUP"])
def test_an_interrupt_half_way_leaves_nothing(name: str, tmp_path: Path) -> None:
    path = with_git(tmp_path, f"kill -{name} $PPID; sleep 1")
    done = new_project(FIRST, tmp_path / "absent", NAME, PATH=path)
    assert (done.returncode, done.stderr) == (130, "")
    assert [path.name for path in tmp_path.iterdir()] == ["tools"]


def test_a_failure_half_way_leaves_nothing(tmp_path: Path) -> None:
    path = with_git(tmp_path, 'echo "no init" >&2; exit 1')
    empty = tmp_path / "empty"
    empty.mkdir()
    for dest in (empty, tmp_path / "absent"):
        done = new_project(FIRST, dest, NAME, PATH=path)
        assert (done.returncode, done.stderr) == (1, "make: git init fails: no init\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "tools"]
    assert list(empty.iterdir()) == []


@pytest.mark.parametrize("name", ["x", "Abcdefghij_klmnopqrst", "x" * 40])
def test_a_short_and_a_long_name_make_a_project(name: str, tmp_path: Path) -> None:
    for rehearsal in ("", "1"):
        done = new_project(FIRST, tmp_path / f"project{rehearsal}", name, rehearsal)
        assert done.returncode == 0, done.stderr
        every_module_is_sound(tmp_path / f"project{rehearsal}", name)


def test_without_an_identity_the_files_are_ready_to_be_committed(tmp_path: Path) -> None:
    nobody = {
        **dict.fromkeys(IDENTITY, ""),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "user.useConfigOnly",
        "GIT_CONFIG_VALUE_0": "true",
    }
    done = new_project(FIRST, tmp_path / "project", NAME, **nobody)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("Not committed, because git does not know who")
    assert tmp_path / "project" / "Makefile" in tracked(tmp_path / "project")


def test_the_first_commit_contains_everything(made: tuple[Framework, Path]) -> None:
    _, project = made
    status = subprocess.run(["git", "status", "--porcelain"], cwd=project, capture_output=True)
    assert status.stdout == b""
    assert sorted(path.name for path in project.parent.iterdir()) == [project.name]


def test_no_file_names_another_framework_or_this_repository(made: tuple[Framework, Path]) -> None:
    no_file_names_others(*made, rehearsal=False)


def no_file_names_others(framework: Framework, project: Path, *, rehearsal: bool) -> None:
    others = [other for other in FRAMEWORKS if other != framework]
    pattern = forbidden(framework, others, rehearsal)
    for file in tracked(project):
        if "swagger-ui" not in file.parts:  # Minified code of others.
            text = CONNECTS_WORDS.sub("", file.read_text(encoding="utf-8"))
            found = pattern.search(f"{file.relative_to(project)}\n{text}")
            assert found is None, f"{file}: {found}"


def test_the_stand_in_is_kept_if_it_is_wanted(rehearsing: tuple[Framework, Path]) -> None:
    framework, project = rehearsing
    no_file_names_others(framework, project, rehearsal=True)
    every_module_is_sound(project)
    files = {path.relative_to(project).as_posix() for path in tracked(project)}
    kept = ("proxy/gateway.py", "hosting/runtime.py", "dashboard/pages/index.html", "__main__.py")
    assert {f"rehearsal/{path}" for path in kept} <= files
    # These deploy the apps of this repository.
    assert not {"rehearsal/first_deploy.py", "tools/staging.py"} & files
    readme, makefile = (project / name for name in ("README.md", "Makefile"))
    assert "make rehearse " in readme.read_text(encoding="utf-8")
    assert "\nrehearse: " in makefile.read_text(encoding="utf-8")


def test_the_project_has_the_shape_of_rsconnect_quickstart(made: tuple[Framework, Path]) -> None:
    _, project = made
    names = {path.relative_to(project).as_posix() for path in tracked(project)}
    shape = ("__init__", "__main__", "__connect__", "app")
    assert {f"{NAME}/{name}.py" for name in shape} <= names
    assert {"README.md", ".gitignore", "pyproject.toml", "requirements.txt"} <= names
    document = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    assert document["project"]["name"] == "zoo-of-9-words"
    assert document["tool"]["rsconnect"] == {
        "app_mode": "python-fastapi",
        "entrypoint": f"{NAME}.__connect__:app",
        "requirements_file": "requirements.txt",
        "title": "Zoo of 9 wOrds",
    }


def test_the_project_records_its_commit(made: tuple[Framework, Path]) -> None:
    _, project = made
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    document = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    assert document["tool"]["contract"]["origin"]["commit"] == head.stdout.strip()


def test_every_module_is_formatted_and_imports_only_what_the_project_has(
    made: tuple[Framework, Path],
) -> None:
    every_module_is_sound(made[1])


def every_module_is_sound(project: Path, name: str = NAME) -> None:
    ruff = [sys.executable, "-m", "ruff"]
    for command in (["check", "--no-cache", "."], ["format", "--check", "--no-cache", "."]):
        done = subprocess.run([*ruff, *command], cwd=project, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout
    for file in project.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_bytes())):
            if isinstance(node, ast.ImportFrom) and node.module:
                top, *rest = node.module.split(".")
                if top in (name, "tests", "tools", "rehearsal", "tooling", "deploy", "shared"):
                    place = project.joinpath(top, *rest)
                    assert place.is_dir() or place.with_suffix(".py").is_file(), node.module


def test_the_locks_pin_what_is_required_and_no_other_framework(
    made: tuple[Framework, Path],
) -> None:
    framework, project = made
    whole = versions(ROOT / "tests" / "requirements.txt")
    for lock in ("requirements.txt", "tests/requirements.txt"):
        pins = versions(project / lock)
        assert pins <= whole
        assert any(pin.startswith(f"{framework.contract['distribution']}==") for pin in pins)


def versions(lock: Path) -> set[str]:
    """The pins without their markers: `uvicorn==0.54.0`."""
    lines = lock.read_text(encoding="utf-8").splitlines()
    return {line.partition(" ;")[0] for line in lines if line[:1].isalnum()}
