"""The list of a bundle: what git tracks of an app and of shared/, and nothing else."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.contents import contents
from tests.deploy.tiny import BUNDLED, write
from tooling.errors import UsageError
from tooling.frameworks import Framework, find_frameworks


def refusal(framework: Framework) -> str:
    with pytest.raises(UsageError) as raised:
        contents(framework)
    return str(raised.value)


def git(tree: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=tree, check=True, capture_output=True)


def track(tree: Path) -> None:
    """Makes the tree a repository that tracks all of its files."""
    git(tree, "init")
    git(tree, "add", "--force", "tiny_app", "shared", "other_app", "tests")


def leave_alone(tree: Path) -> None:
    """A copy without git, such as a downloaded archive."""


@pytest.mark.parametrize("prepare", [track, leave_alone])
def test_a_bundle_holds_the_app_and_shared(
    tiny: Framework, tree: Path, prepare: Callable[[Path], None]
) -> None:
    prepare(tree)
    for path in (
        ".env",
        "tiny_app/.env",
        "tiny_app/.DS_Store",
        "tiny_app/.ruff_cache/x",
        "tiny_app/__pycache__/app.cpython-311.pyc",
        "shared/static/.env",
        "shared/static/__pycache__/x.pyc",
        "shared/.env",
    ):
        write(tree / path, "SECRET=1\n")
    assert sorted(contents(tiny)) == BUNDLED


def test_an_apps_own_tests_stay_out(tiny: Framework, tree: Path) -> None:
    write(tree / "tiny_app/tests/test_app.py", "")
    assert sorted(contents(tiny)) == BUNDLED


@pytest.mark.parametrize("path", ["tiny_app/secrets.json", "shared/static/photo.jpg"])
def test_a_file_that_git_does_not_track_is_named(tiny: Framework, tree: Path, path: str) -> None:
    track(tree)
    write(tree / path, "{}")
    assert refusal(tiny).startswith(f"{path} is not tracked by git, so no bundle contains it: ")
    write(tree / ".gitignore", f"/{path}\n")
    assert sorted(contents(tiny)) == BUNDLED
    git(tree, "add", "--force", path)
    assert path in contents(tiny)


def test_without_the_git_program_the_files_are_found_by_their_names(
    tiny: Framework, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    track(tree)
    monkeypatch.setenv("PATH", str(tree))
    assert sorted(contents(tiny)) == BUNDLED


@pytest.mark.parametrize(
    "path", ["tiny_app/pyproject.toml", "tiny_app/requirements.txt", "shared/pages.py"]
)
def test_a_file_that_is_missing_is_named(tiny: Framework, tree: Path, path: str) -> None:
    track(tree)
    (tree / path).unlink()
    assert refusal(tiny) == f"{path} does not exist."


@pytest.mark.parametrize("prepare", [track, leave_alone])
@pytest.mark.parametrize("path", ["tiny_app/app.py", "shared/pages.py", "shared/templates"])
def test_a_symlink_is_named(
    tiny: Framework, tree: Path, path: str, prepare: Callable[[Path], None]
) -> None:
    (tree / path).rename(tree / "moved")
    (tree / path).symlink_to(tree / "moved")
    prepare(tree)
    assert refusal(tiny).startswith(f"{path} is a symlink, which does not survive the upload")


def test_what_is_on_the_list_keeps_the_path_that_it_has_in_the_repository(
    tiny: Framework, tree: Path
) -> None:
    moved = {"pyproject.toml", "requirements.txt"}
    for path, source in contents(tiny).items():
        assert source == tree / (f"tiny_app/{path}" if path in moved else path)


@pytest.mark.parametrize("framework", find_frameworks(), ids=lambda framework: framework.name)
def test_every_app_here_ships_its_own_folder_and_shared_and_nothing_else(
    framework: Framework,
) -> None:
    paths = set(contents(framework))
    tops = {path.partition("/")[0] for path in paths}
    assert tops == {f"{framework.name}_app", "shared", "pyproject.toml", "requirements.txt"}
    assert {"shared/greetings.json", "shared/templates/index.html"} < paths
