"""A project is used as its README says: tested, run, deployed, and given a resource of its own.

`make soak` uses the project of every framework, `make test-all` one.
"""

import json
import os
import re
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.waiting import eventually
from tests.deploy.new_projects import NAME, follow_readme, make, new_project
from tests.endurance import COUNTS
from tests.rehearsal.running import Running, running
from tooling.frameworks import ROOT, find_frameworks

FRAMEWORKS = [framework.name for framework in find_frameworks()]
SAMPLE = FRAMEWORKS if COUNTS.everything else FRAMEWORKS[:1]


@pytest.fixture(scope="module", params=SAMPLE)
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("with a space") / "my project"
    assert new_project(request.param, folder, NAME).returncode == 0
    return folder


def test_its_tests_pass_in_a_clean_environment(project: Path, tmp_path: Path) -> None:
    # With an empty cache `make soak` downloads every package, as a new machine does.
    cache = {"UV_CACHE_DIR": str(tmp_path)} if COUNTS.everything else {}
    assert " passed" in make(project, "test", **cache)


def test_it_runs(project: Path) -> None:
    make(project, "setup")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with subprocess.Popen(
        ["make", "run", f"PORT={port}"], cwd=project, stderr=subprocess.DEVNULL, process_group=0
    ) as process:
        try:
            assert eventually(lambda: answers(port), 60)
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health") as answer:
                assert json.load(answer) == {"status": "ok", "store": "json"}
        finally:
            os.killpg(process.pid, signal.SIGINT)


def answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("rehearsal")) as it:
        yield it


def test_rsconnect_deploys_it_and_the_contract_passes_there(
    project: Path, rehearsed: Running
) -> None:
    make(project, "setup")
    key = rehearsed.user("publisher").api_key
    server = {"CONNECT_SERVER": rehearsed.url, "CONNECT_API_KEY": key}
    done = subprocess.run(
        [project / ".venv" / "bin" / "rsconnect", "deploy", "pyproject", "."],
        cwd=project,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(project.parent),
            "RSCONNECT_DISABLE_VERSION_CHECK": "1",
            **server,
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (url,) = re.findall(r"Direct content URL:\s*(http[\w:/.-]+)", done.stdout + done.stderr)
    assert " passed" in make(project, "test-url", f"URL={url}", API_KEY=key)


def test_contract_diff_prints_what_has_changed_since(project: Path, tmp_path: Path) -> None:
    unchanged = make(project, "contract-diff", f"UPSTREAM={ROOT}")
    assert "Nothing has changed in shared and tests/contract since" in unchanged
    upstream = tmp_path / "up stream"
    git(tmp_path, "clone", "--quiet", str(ROOT), str(upstream))
    for path in ("shared/hello.py", "tests/contract/cases/hello.py", "README.md"):
        with (upstream / path).open("a") as file:
            file.write("# a change\n")
    git(upstream, "commit", "--quiet", "--all", "--message", "Change")
    for address in (str(upstream), f"file://{upstream}".replace(" ", "%20")):
        printed = make(project, "contract-diff", f"UPSTREAM={address}")
        assert "+++ b/shared/hello.py" in printed
        assert "+++ b/tests/contract/cases/hello.py" in printed
        assert "README.md" not in printed


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=A tester", "-c", "user.email=tester@example.org")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True)


def test_the_greetings_are_replaced_as_its_readme_says(project: Path) -> None:
    make(project, "without-greetings")
    assert " passed" in make(project, "test")
    follow_readme(project)
    for command in (("check", "--fix", "--quiet"), ("format", "--quiet")):
        subprocess.run([project / ".venv/bin/ruff", *command], cwd=project, check=True)
    assert " passed" in make(project, "test")


@pytest.fixture(scope="module", params=SAMPLE)
def rehearsing(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that keeps the stand-in for Connect."""
    folder = tmp_path_factory.mktemp("with a space") / "my project"
    assert new_project(request.param, folder, NAME, rehearsal="1").returncode == 0
    return folder


def test_a_project_with_the_stand_in_keeps_the_contract_there(rehearsing: Path) -> None:
    make(rehearsing, "lint")
    assert " passed" in make(rehearsing, "test-rehearsal")


def test_the_stand_in_is_used_as_the_projects_readme_says(rehearsing: Path) -> None:
    make(rehearsing, "setup")
    with subprocess.Popen(
        ["make", "rehearse", "PORT=0"],
        cwd=rehearsing,
        stdout=subprocess.PIPE,
        text=True,
        process_group=0,
    ) as process:
        assert process.stdout is not None
        try:
            printed = "".join(iter(process.stdout.readline, "\n"))
            printed += "".join(iter(process.stdout.readline, "\n"))
            server = dict(re.findall(r"export (\w+)=(\S+)", printed))
            deployed = make(rehearsing, "deploy", **server)
            (url,) = re.findall(r"Direct content URL:\s*(http[\w:/.-]+)", deployed)
            key = {"Authorization": f"Key {server['CONNECT_API_KEY']}"}
            with urllib.request.urlopen(urllib.request.Request(f"{url}hello", None, key)) as hello:
                assert json.load(hello) == {"message": "So nice to see you, publisher!"}
            assert "Uvicorn running" in make(rehearsing, "rehearse-logs", f"NAME={NAME}")
        finally:
            os.killpg(process.pid, signal.SIGINT)
            process.communicate()
