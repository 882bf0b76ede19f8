"""The branch `connect`: what it holds, and that nothing else of the repository changes."""

import json
from pathlib import Path

import pytest

from deploy.branch import BRANCH, git, update_branch
from deploy.staging import stage
from tests.deploy.test_contents import track
from tests.deploy.tiny import BUNDLED, replace, snapshot, write
from tooling.errors import UsageError
from tooling.frameworks import Framework


@pytest.fixture
def committed(tiny: Framework, tree: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tree as a repository with one commit."""
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Ada")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "ada@example.org")
    write(tree / ".gitignore", "/build/\n")
    track(tree)
    git(tree, "add", ".gitignore")
    git(tree, "commit", "--message", "All")
    return tree


def files(tree: Path) -> list[str]:
    return git(tree, "ls-tree", "-r", "--name-only", BRANCH).splitlines()


def test_the_branch_holds_each_bundle_with_its_manifest(committed: Path, tiny: Framework) -> None:
    assert "tiny" in update_branch(committed)
    bundled = sorted([*BUNDLED, "manifest.json"])
    assert files(committed) == [f"tiny/{path}" for path in bundled]
    manifest = json.loads(git(committed, "show", f"{BRANCH}:tiny/manifest.json"))
    assert manifest["metadata"]["entrypoint"] == "tiny_app.app:app"
    assert sorted(manifest["files"]) == BUNDLED
    staged = stage(tiny) / "tiny_app" / "app.py"
    assert git(committed, "show", f"{BRANCH}:tiny/tiny_app/app.py") == staged.read_text().strip()


def test_neither_working_tree_nor_index_changes(committed: Path) -> None:
    replace(committed / "tests/test_tiny.py", "", "# changed\n")
    git(committed, "add", "tests")
    write(committed / "notes.txt", "mine")
    before = snapshot(committed), git(committed, "status", "--porcelain"), git(committed, "branch")
    update_branch(committed)
    after = snapshot(committed), git(committed, "status", "--porcelain")
    generated = (".git", "build", "", ".")
    changed = {
        path
        for path in {*before[0], *after[0]}
        if before[0].get(path) != after[0].get(path) and path.partition("/")[0] not in generated
    }
    assert changed == set()
    assert after[1] == before[1]
    assert before[0][".git/index"][2] == after[0][".git/index"][2]
    assert git(committed, "symbolic-ref", "HEAD") != f"refs/heads/{BRANCH}"


def test_the_same_input_gives_the_same_commit_and_no_second_one(committed: Path) -> None:
    update_branch(committed)
    first = git(committed, "rev-parse", BRANCH)
    assert "up to date" in update_branch(committed)
    assert git(committed, "rev-parse", BRANCH) == first
    git(committed, "branch", "-D", BRANCH)
    update_branch(committed)
    assert git(committed, "rev-parse", BRANCH) == first


def test_a_later_commit_follows_the_earlier_one(committed: Path) -> None:
    update_branch(committed)
    first = git(committed, "rev-parse", BRANCH)
    replace(committed / "shared/static/styles.css", "red", "blue")
    with pytest.raises(UsageError, match=r"styles.css is not committed"):
        update_branch(committed)
    git(committed, "commit", "--all", "--message", "Blue")
    update_branch(committed)
    assert git(committed, "rev-parse", f"{BRANCH}^") == first
    assert "blue" in git(committed, "show", f"{BRANCH}:tiny/shared/static/styles.css")


def test_the_site_is_included_once_it_is_built(committed: Path) -> None:
    write(committed / "build/site/index.html", "<h1>Which one?</h1>")
    write(committed / "build/site/more/index.html", "more")
    assert "site" in update_branch(committed)
    assert [path for path in files(committed) if path.startswith("site/")] == [
        *("site/index.html", "site/manifest.json", "site/more/index.html"),
    ]
    manifest = json.loads(git(committed, "show", f"{BRANCH}:site/manifest.json"))
    assert manifest["metadata"]["appmode"] == "static"
    assert manifest["metadata"]["primary_html"] == "index.html"


def test_a_branch_that_is_checked_out_is_left_alone(committed: Path) -> None:
    git(committed, "checkout", "-b", BRANCH)
    before = git(committed, "rev-parse", BRANCH)
    with pytest.raises(UsageError, match="is checked out"):
        update_branch(committed)
    assert git(committed, "rev-parse", BRANCH) == before


def test_without_a_repository_there_is_one_line(tree: Path, tiny: Framework) -> None:
    with pytest.raises(UsageError, match="git rev-parse failed"):
        update_branch(tree)
