"""README, "A server of your own": the unit and nginx's configuration, as they stand in
`deploy/plain_server/`, with other folders.

The applications run in two processes behind nginx, and share a PostgreSQL through PgBouncer.
systemd itself is not started: its `ExecStart` is.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from deploy.contents import contents
from tests.contract.waiting import eventually
from tests.nginx import nginx
from tests.pgbouncer import pgbouncer
from tooling.frameworks import ROOT, Framework, find_framework, find_frameworks
from tooling.postgresql import Cluster

FOLDER = ROOT / "deploy" / "plain_server"
UNIT = (FOLDER / "greetings.service").read_text(encoding="utf-8")
SITE = (FOLDER / "nginx.conf").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8").partition("### A server of your own")[2]
BEFORE, HERE, THERE = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
"""The commands for the server, then for the user's machine, then for the server again."""
HOST = "greetings.example.org"
SERVER = f"root@{HOST}"

each_framework = pytest.mark.parametrize("framework", find_frameworks(), ids=lambda f: f.name)


def values(key: str) -> list[str]:
    """Every value of a key of the unit; a backslash continues a line."""
    return re.findall(rf"^{key}=(.*)$", UNIT.replace("\\\n", " "), re.MULTILINE)


def moved(text: str, folder: Path) -> str:
    """The text with this folder instead of those of the server."""
    return text.replace("/srv/greetings", f"{folder}/srv").replace("/run/greetings", str(folder))


def staged(framework: Framework, folder: Path) -> Path:
    """The files of a bundle, where `rsync` puts them."""
    for path, source in contents(framework, "postgres").items():
        (folder / "srv" / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, folder / "srv" / path)
    return folder / "srv"


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """The URL of PgBouncer in front of a database with the greetings."""
    with Cluster() as cluster:
        database = cluster.create_database("greetings")
        database.prepare()
        with pgbouncer(database) as url:
            yield url


@contextmanager
def site(app: str, database: str, folder: Path) -> Iterator[str]:
    """Starts what the unit starts, and nginx with the site; yields the address of the index."""
    [command] = values("ExecStart")
    # Of four processes two are enough here.
    command = command.replace("quart_app", app).replace("--workers 4", "--workers 2")
    arguments = shlex.split(moved(command, folder))
    [variable] = values("Environment")
    name, _, value = variable.partition("=")
    http = moved(SITE, folder)
    for theirs, ours in (("listen 80;", "listen 127.0.0.1:PORT;"), (HOST, "127.0.0.1")):
        assert http.count(theirs) == 1
        http = http.replace(theirs, ours)
    log = folder / "log"
    # As on Debian, another site answers for every host that none names.
    other = 'return 200 "Welcome to nginx!";'
    with log.open("wb") as output, nginx(folder, other, http) as address:
        process = subprocess.Popen(
            arguments,
            cwd=folder / "srv",
            env={"PATH": os.environ["PATH"], "GREETINGS_URL": database, name: value},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            assert eventually(lambda: log.read_bytes().count(b"startup complete") == 2, 30), (
                log.read_text(encoding="utf-8")
            )
            yield f"{address}/greetings/"
        finally:
            process.terminate()
            process.wait()


@each_framework
def test_the_contract_holds_behind_nginx_with_several_processes(
    framework: Framework, database: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    # The path of a Unix socket may have 107 bytes.
    folder = tmp_path_factory.mktemp(framework.name)
    # The packages of this environment, without an installation for each framework.
    program = staged(framework, folder) / ".venv" / "bin" / "uvicorn"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m uvicorn "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    with site(f"{framework.name}_app", database, folder) as url:
        checked = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-q"),
                "tests/contract/test_contract.py",
                *("--url", url, "--app", framework.name, "--store", "postgresql"),
            ],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
        )
    assert checked.returncode == 0, checked.stdout
    assert re.search(r"\d{2,} passed", checked.stdout)


def test_readme_installs_the_programs_before_it_copies_their_files() -> None:
    installed = set(BEFORE.split("install ")[1].split())
    assert installed >= {"nginx", "rsync", "python3-venv"}
    assert "pgbouncer.ini" in README


def test_readme_copies_what_there_is() -> None:
    copied = dict(line.split()[1:] for line in HERE.splitlines() if line.startswith("scp "))
    assert copied == {
        "deploy/plain_server/greetings.service": f"{SERVER}:/etc/systemd/system/",
        "deploy/plain_server/nginx.conf": f"{SERVER}:/etc/nginx/conf.d/greetings.conf",
    }
    assert all((ROOT / source).is_file() for source in copied)
    assert "bundle-quart STORE=postgres" in HERE
    assert f" build/bundles/quart/ {SERVER}:/srv/greetings/" in HERE


def test_readme_installs_what_the_unit_starts(
    database: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("readme")
    staged(find_framework("quart"), folder)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    commands = [line for line in THERE.splitlines() if "/.venv" in line]
    assert len(commands) == 2
    for command in commands:
        subprocess.run(shlex.split(moved(command, folder)), env=environment, check=True)
    with site("quart_app", database, folder) as url:
        health = httpx.get(f"{url}health")
        other = httpx.get(f"{url}health", headers={"Host": "other.example.org"})
    assert health.json() == {"status": "ok", "store": "postgresql"}
    assert other.text == "Welcome to nginx!"


def test_the_unit_is_valid(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("no systemd-analyze here (Debian: apt install systemd)")
    program_of_unit = tmp_path / "srv/.venv/bin/uvicorn"
    program_of_unit.parent.mkdir(parents=True)
    program_of_unit.touch(0o755)
    unit = tmp_path / "greetings.service"
    unit.write_text(moved(UNIT, tmp_path), encoding="utf-8")
    done = subprocess.run([program, "verify", unit], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
