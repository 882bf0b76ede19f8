"""Content from a git repository: rsconnect links a folder of it, and the rehearsal deploys it."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.rehearsal.bundles import FILES, manifest_of
from tests.rehearsal.running import MIRROR, Running, answered
from tests.rehearsal.test_rsconnect import Cli
from tests.rehearsal.test_rsconnect import cli as cli


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    done = subprocess.run(
        ["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def commit(folder: Path, version: str) -> str:
    """Commits that version of the mirror to `one/`; returns the id of the commit."""
    files = FILES | {"main.py": MIRROR.replace(b"%s", version.encode())}
    for name, content in files.items():
        (folder / "one" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "one" / name).write_bytes(content)
    (folder / "one" / "manifest.json").write_text(json.dumps(manifest_of(files)))
    git(folder, "add", ".")
    git(folder, "commit", "--message", version)
    return git(folder, "rev-parse", "HEAD")


def repository(folder: Path) -> str:
    """The URL of a new repository with the mirror in `one/`."""
    folder.mkdir()
    git(folder, "init", "--initial-branch", "main")
    (folder / "README").write_text("Above the folder.")
    commit(folder, "one")
    return folder.as_uri()


def repository_of(cli: Cli) -> str:
    return repository(cli.home / "repository")


def linked(it: Running, url: str, name: str, directory: str = "one") -> str:
    """The GUID of new content with that repository."""
    guid = it.create(name)
    body = {"repository": url, "branch": "main", "directory": directory, "polling": False}
    path = f"/v1/content/{guid}/repository"
    told = answered(it.api().put(path, json=body))
    assert told == {**body, "last_error": "", "last_known_commit": ""}
    return guid


def test_rsconnect_deploys_a_folder_of_a_repository_and_again(cli: Cli) -> None:
    url = repository_of(cli)
    folder = ("--branch", "main", "--subdirectory", "one")
    output = cli("deploy", "git", "--repository", url, *folder, "--title", "From git")
    assert "Fetching main of" in output
    (item,) = json.loads(cli("content", "search", "--title-contains", "From git"))
    guid = item["guid"]
    assert answered(cli.it.get(f"/content/{guid}/told"))["version"] == "one"
    newest = commit(cli.home / "repository", "two")
    cli("deploy", "git", "--repository", url, *folder, "--app-id", guid)
    given = answered(cli.it.get(f"/content/{guid}/told"))
    assert given["version"] == "two"
    # Nothing above the folder is there.
    assert not (Path(given["directory"]) / "README").exists()
    path = f"/v1/content/{guid}/repository"
    assert answered(cli.it.api().get(path))["last_known_commit"] == newest


def test_one_commit_can_be_bundled_without_changing_the_link(
    rehearsed: Running, tmp_path: Path
) -> None:
    url = repository(tmp_path / "ours")
    git(tmp_path / "ours", "branch", "old")
    commit(tmp_path / "ours", "two")
    guid = linked(rehearsed, url, "bundled-from-git")
    path = f"/v1/content/{guid}/repository"
    made = answered(rehearsed.api().post(f"{path}/bundle", json={"ref": "old"}))
    assert rehearsed.finished(made["task_id"])["code"] == 0
    assert rehearsed.deploy(guid, made["bundle_id"])["code"] == 0
    assert answered(rehearsed.get(f"/content/{guid}/told"))["version"] == "one"
    assert answered(rehearsed.api().get(path))["branch"] == "main"
    assert rehearsed.api().delete(path).status_code == 204
    assert rehearsed.api().get(path).status_code == 404


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"branch": "none"}, "The repository cannot be read:"),
        ({"directory": "none"}, "The repository cannot be read:"),
        ({"directory": "."}, "has no manifest.json"),
        ({"directory": "one/pkg"}, "has no manifest.json"),
        ({"repository": "file:///nowhere/at/all"}, "The repository cannot be read:"),
    ],
)
def test_what_cannot_be_fetched_ends_in_one_sentence(
    rehearsed: Running, tmp_path: Path, change: dict[str, str], sentence: str
) -> None:
    guid = linked(rehearsed, repository(tmp_path / "ours"), tmp_path.name[-40:])
    path = f"/v1/content/{guid}/repository"
    answered(rehearsed.api().patch(path, json=change))
    task = rehearsed.deploy(guid)
    assert task["code"] == 1
    assert sentence in task["error"]
    assert answered(rehearsed.api().get(path))["last_error"] == task["error"]
    assert rehearsed.api().post(f"{path}/bundle", json={}).status_code == 400


def test_a_link_in_the_folder_is_refused(rehearsed: Running, tmp_path: Path) -> None:
    url = repository(tmp_path / "ours")
    (tmp_path / "ours" / "one" / "link").symlink_to("/etc/passwd")
    commit(tmp_path / "ours", "two")
    guid = linked(rehearsed, url, "linked-from-git")
    assert "a symbolic link" in rehearsed.deploy(guid)["error"]


@pytest.mark.parametrize(
    "change",
    [
        {"repository": "http://git.example.org/a"},
        {"repository": "ssh://git@example.org/a"},
        {"repository": "--upload-pack=touch /tmp/x"},
        {"repository": "ext::sh -c id"},
        {"branch": "--orphan"},
        {"directory": "--output=/tmp/x"},
        {"directory": "/etc"},
    ],
)
def test_what_is_no_address_branch_or_folder_is_400(
    rehearsed: Running, change: dict[str, str]
) -> None:
    guid = rehearsed.create(f"refused-{abs(hash(str(change)))}")
    body = {"repository": "https://git.example.org/a", **change}
    response = rehearsed.api().put(f"/v1/content/{guid}/repository", json=body)
    assert response.status_code == 400
    assert rehearsed.api().get(f"/v1/content/{guid}/repository").status_code == 404
