"""Every step installs packages from the index that the user has configured for uv or pip."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from tests.tooling.mirror import PASSWORD, USER, Mirror, mirroring
from tooling.frameworks import ROOT


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    with mirroring(tmp_path_factory.mktemp("mirror")) as mirror:
        yield mirror


Tell = Callable[[Path, Mirror], dict[str, str]]
"""Tells of the mirror in a user's home; gives what is in the environment besides."""


def pip_index_url(home: Path, mirror: Mirror) -> dict[str, str]:
    return {"PIP_INDEX_URL": mirror.url_with_password}


def pip_conf(home: Path, mirror: Mirror) -> dict[str, str]:
    (home / ".config" / "pip").mkdir(parents=True)
    (home / ".config" / "pip" / "pip.conf").write_text(
        f"[global]\nindex-url = {mirror.url_with_password}\n"
    )
    return {}


def uv_toml_and_netrc(home: Path, mirror: Mirror) -> dict[str, str]:
    (home / ".config" / "uv").mkdir(parents=True)
    (home / ".config" / "uv" / "uv.toml").write_text(
        f'[[index]]\nname = "company"\nurl = "{mirror.url}"\ndefault = true\n'
    )
    (home / ".netrc").write_text(f"machine localhost login {USER} password {PASSWORD}\n")
    (home / ".netrc").chmod(0o600)
    return {}


def uv_index_url(home: Path, mirror: Mirror) -> dict[str, str]:
    return {"UV_INDEX_URL": mirror.url_with_password}


def uv_default_index(home: Path, mirror: Mirror) -> dict[str, str]:
    return {"UV_DEFAULT_INDEX": mirror.url_with_password}


WAYS = [pip_index_url, pip_conf, uv_toml_and_netrc, uv_index_url, uv_default_index]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Of a user whose home and whose downloads are empty."""
    (tmp_path / "home").mkdir()
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path / "home"),
        "UV_CACHE_DIR": str(tmp_path / "cache"),
    }


def run(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


LOCKING = [sys.executable, "-m", "tooling.uv", "pip", "compile", "--universal"]

BUILDING = """
import asyncio, sys
from pathlib import Path
from tooling.environments import Environments
environments = Environments(Path(sys.argv[2]))
provided = environments.provide(Path(sys.argv[1]), "requirements.txt", "uvicorn", print)
print(asyncio.run(provided))
"""
"""What the rehearsal does with the requirements of a bundle."""

TRYING = """
import asyncio, sys
from pathlib import Path
from tooling.environments import Environments
environments = Environments(Path(sys.argv[2]))
asyncio.run(environments.provide(Path(sys.argv[1]), "requirements.txt", None, print))
"""
"""What `make bundle-<name>` does before it tries a bundle."""

SETTING_UP = """
import os, sys
from pathlib import Path
from tooling import setup
from tooling.package_index import index_variables
setup.locks = lambda: [Path(sys.argv[1]) / "requirements.txt"]
venv = Path(sys.argv[2]) / "venv"
environment = {**os.environ, **index_variables(os.environ)}
setup.create(venv, environment)
setup.install(venv, environment)
"""
"""What `make setup` does, with a lock of one line."""


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "requirements.txt").write_text("greeter==1\n")
    return folder


@pytest.mark.parametrize("tell", WAYS, ids=lambda tell: tell.__name__)
def test_a_lock_is_compiled_from_the_mirror_and_does_not_name_it(
    tell: Tell, mirror: Mirror, environment: dict[str, str], tmp_path: Path
) -> None:
    environment |= tell(tmp_path / "home", mirror)
    (tmp_path / "asked.in").write_text("greeter\n")
    lock = tmp_path / "requirements.txt"
    output = run([*LOCKING, str(tmp_path / "asked.in"), "-o", str(lock)], environment)
    assert "greeter==1" in lock.read_text()
    for text in (lock.read_text(), output):
        assert mirror.host not in text
        assert PASSWORD not in text


@pytest.mark.parametrize(
    "step", [BUILDING, TRYING, SETTING_UP], ids=["building", "trying", "set-up"]
)
@pytest.mark.parametrize("tell", [pip_conf, uv_toml_and_netrc], ids=lambda tell: tell.__name__)
def test_every_step_installs_from_the_mirror(
    tell: Tell,
    step: str,
    mirror: Mirror,
    environment: dict[str, str],
    tmp_path: Path,
    bundle: Path,
) -> None:
    environment |= tell(tmp_path / "home", mirror)
    # The program uv itself is not what this mirror has.
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    mirror.asked.clear()
    output = run([sys.executable, "-c", step, str(bundle), str(tmp_path / "made")], environment)
    assert "/simple/greeter/" in mirror.asked
    assert PASSWORD not in output


def test_pip_takes_uv_from_the_mirror_too(
    mirror: Mirror, environment: dict[str, str], tmp_path: Path
) -> None:
    """pip installs uv where there is none."""
    script = (
        "import os, sys; from tooling.package_index import *;"
        "environ = {**os.environ, **index_variables(os.environ)};"
        "os.execve(sys.executable, [sys.executable, *sys.argv[1:]],"
        " {**environ, **pip_variables(environ)})"
    )
    environment |= uv_toml_and_netrc(tmp_path / "home", mirror)
    mirror.asked.clear()
    run([sys.executable, "-m", "venv", str(tmp_path / "venv")], environment)
    pip = ["-m", "pip", "download", "--no-deps", "--dest", str(tmp_path), "greeter"]
    run([str(tmp_path / "venv/bin/python"), "-c", script, *pip], environment)
    assert "/simple/greeter/" in mirror.asked


@pytest.mark.parametrize(
    "step", [BUILDING, TRYING, SETTING_UP], ids=["building", "trying", "set-up"]
)
def test_an_authority_of_the_users_own_is_trusted(
    step: str, environment: dict[str, str], tmp_path: Path, bundle: Path
) -> None:
    authority, file = trustme.CA(), tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(file)
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    with mirroring(tmp_path / "mirror", authority) as mirror:
        environment |= {"UV_DEFAULT_INDEX": mirror.url, "SSL_CERT_FILE": str(file)}
        run([sys.executable, "-c", step, str(bundle), str(tmp_path / "made")], environment)
        assert "/simple/greeter/" in mirror.asked
