"""`make deploy-<name>` succeeds where the app keeps the contract, with the key that users have."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.rehearsal.running import Running
from tooling.frameworks import ROOT, find_frameworks
from tooling.postgresql import Cluster, Database

NAMES = [framework.name for framework in find_frameworks()]

Deploy = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tracked files alone, so that nothing is staged or recorded in the checkout under test."""
    copy = tmp_path_factory.mktemp("checkout")
    for path in tracked():
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, copy / path)
    (copy / "build").mkdir()
    # Downloads and trial environments are the same wherever they were made.
    for kept in ("uv-cache", "environments"):
        (ROOT / "build" / kept).mkdir(parents=True, exist_ok=True)
        (copy / "build" / kept).symlink_to(ROOT / "build" / kept)
    return copy


def tracked() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return [path for path in listed.stdout.split("\0") if path and (ROOT / path).is_file()]


@pytest.fixture
def deploy(rehearsed: Running, checkout: Path, tmp_path: Path) -> Deploy:
    """Runs what `make deploy-<name>` runs, as the publisher."""

    def run(name: str, *options: str, **settings: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "deploy", "deploy", name, *options],
            cwd=checkout,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(tmp_path),
                "CONNECT_SERVER": rehearsed.url,
                "CONNECT_API_KEY": rehearsed.user("publisher").api_key,
                **settings,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return run


@pytest.fixture
def edited(cluster: Cluster) -> Iterator[Database]:
    """A database whose owner has changed, added and removed greetings."""
    database = cluster.create_database("edited")
    database.prepare()
    database.execute("UPDATE greetings SET text = 'Say \"hi\"' WHERE lang = 'en'")
    database.execute("INSERT INTO greetings VALUES ('fr', 'Salut')")
    database.execute("DELETE FROM greetings WHERE lang IN ('ar', 'es', 'zh')")
    yield database
    database.drop()


@pytest.mark.parametrize("name", NAMES)
def test_a_database_may_be_edited(deploy: Deploy, edited: Database, name: str) -> None:
    flags = "--new -E GREETINGS_URL"
    done = deploy(name, "--store", "postgres", GREETINGS_URL=edited.url, RSCONNECT_FLAGS=flags)
    assert done.returncode == 0, done.stdout
    assert edited.password not in done.stdout


def test_new_content_without_the_address_of_its_database_is_refused(deploy: Deploy) -> None:
    done = deploy(NAMES[0], "--store", "postgres", RSCONNECT_FLAGS="--new")
    assert done.returncode == 1
    (line,) = done.stdout.splitlines()
    assert line.startswith("deploy: STORE=postgres adds the driver, but")
    assert "-E GREETINGS_URL" in line


def test_an_app_that_does_not_read_its_database_is_told_of(deploy: Deploy) -> None:
    """Content that was deployed before may have the variable or not; only the deployed app can
    tell.
    """
    assert deploy(NAMES[0], RSCONNECT_FLAGS="--new").returncode == 0
    done = deploy(NAMES[0], "--store", "postgres")
    assert done.returncode == 1
    assert "does not answer from its database" in done.stdout.splitlines()[-1]
    assert "-E GREETINGS_URL" in done.stdout.splitlines()[-1]
