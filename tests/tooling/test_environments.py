"""Environments: who shares one, and what a bundle may bring about while its own is made.

The distributions are made here, and provide a module `uvicorn`, so that nothing is fetched.
"""

import asyncio
import errno
import json
import os
import subprocess
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.rehearsal.system import ends, needs_proc
from tests.rehearsal.wire import TIMEOUT_SECONDS
from tooling.environments import EnvironmentFailedError, Environments

WHEEL = "greeter-1-py3-none-any.whl"
Provide = Callable[[Path], Path]

BACKEND = """
import json, os, zipfile

def build_wheel(directory, config_settings=None, metadata_directory=None):
    with zipfile.ZipFile(os.path.join(directory, "greeter-1-py3-none-any.whl"), "w") as wheel:
        wheel.writestr("uvicorn.py", "SAYS = " + repr(json.dumps(dict(os.environ))))
        wheel.writestr("greeter-1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: greeter\\nVersion: 1\\n")
        wheel.writestr("greeter-1.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("greeter-1.dist-info/RECORD", "")
    return "greeter-1-py3-none-any.whl"
"""  # noqa: E501
PROJECT = """
[project]
name = "greeter"
version = "1"

[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""


@pytest.fixture(autouse=True)
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def provide(tmp_path: Path) -> Provide:
    environments = Environments(tmp_path / "environments")

    def provide(bundle: Path) -> Path:
        log: list[str] = []
        return asyncio.run(environments.provide(bundle, "requirements.txt", "uvicorn", log.append))

    return provide


def wheel(file: Path, says: str, name: str = "greeter") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("uvicorn.py", f"SAYS = {says!r}")
        for member, text in (
            ("METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n"),
            ("WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
            ("RECORD", ""),
        ):
            archive.writestr(f"{name}-1.dist-info/{member}", text)


def bundle(directory: Path, requirements: str) -> Path:
    directory.mkdir(parents=True)
    (directory / "requirements.txt").write_text(requirements)
    return directory


def said(python: Path) -> str:
    """By the module that was installed into that environment."""
    command = [str(python), "-I", "-c", "import uvicorn; print(uvicorn.SAYS)"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.parametrize(
    ("requirement", "place"),
    [
        (f"wheels/{WHEEL}", "wheels"),
        (f"greeter @ wheels/{WHEEL}", "wheels"),
        (f"./wheels/{WHEEL}", "wheels"),
        (WHEEL, "."),
    ],
)
def test_a_wheel_in_the_bundle_is_that_bundles_own(
    tmp_path: Path, provide: Provide, requirement: str, place: str
) -> None:
    for number in ("one", "two"):
        directory = bundle(tmp_path / number, requirement)
        wheel(directory / place / WHEEL, number)
        assert said(provide(directory)) == number


def test_a_wheel_is_not_that_of_a_bundle_that_was_there_before(
    tmp_path: Path, provide: Provide
) -> None:
    directory = bundle(tmp_path / "1", f"./{WHEEL}")
    for number in ("one", "two"):
        wheel(directory / WHEEL, number)
        (directory / "manifest.json").write_text(json.dumps({"checksum": number}))
        assert said(provide(directory)) == number


@pytest.mark.parametrize(
    "requirements", ["# none\n", "greeter==1\n", "greeter >= 1 ; python_version > '3'  # why\n"]
)
def test_bundles_with_the_same_requirements_of_an_index_share_an_environment(
    tmp_path: Path, provide: Provide, monkeypatch: pytest.MonkeyPatch, requirements: str
) -> None:
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path / "index"))
    wheel(tmp_path / "index" / WHEEL, "indexed")
    wheel(tmp_path / "index" / "uvicorn-1-py3-none-any.whl", "indexed", "uvicorn")
    first, second = (provide(bundle(tmp_path / name, requirements)) for name in ("one", "two"))
    assert first == second
    assert said(first) == "indexed"


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("pyproject.toml", '[tool.uv]\nfind-links = ["wheels"]\n'),
        ("uv.toml", 'find-links = ["wheels"]\n'),
    ],
)
def test_the_configuration_of_a_bundle_does_not_reach_what_others_share(
    tmp_path: Path, provide: Provide, file: str, text: str
) -> None:
    hostile = bundle(tmp_path / "hostile", "greeter==1\n")
    (hostile / file).write_text(text)
    wheel(hostile / "wheels" / WHEEL, "gotcha")
    for directory in (hostile, bundle(tmp_path / "innocent", "greeter==1\n")):
        with pytest.raises(EnvironmentFailedError):
            provide(directory)
    assert list((tmp_path / "environments").iterdir()) == []


def test_a_requirement_that_is_nested_too_deeply_is_refused(
    tmp_path: Path, provide: Provide
) -> None:
    nested = "(" * 5000 + "os_name == 'posix'" + ")" * 5000
    with pytest.raises(EnvironmentFailedError, match="could not be installed"):
        provide(bundle(tmp_path / "nested", f"greeter==1; {nested}\n"))


def test_a_module_of_the_bundle_is_not_taken_for_the_server(
    tmp_path: Path, provide: Provide, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path / "index"))
    wheel(tmp_path / "index" / "uvicorn-1-py3-none-any.whl", "indexed", "uvicorn")
    directory = bundle(tmp_path / "shadow", "")
    (directory / "uvicorn.py").write_text("")
    assert said(provide(directory)) == "indexed"


def test_what_a_bundle_builds_sees_nothing_of_our_environment(
    tmp_path: Path, provide: Provide, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = ("API_KEY", "CONNECT_API_KEY", "GREETINGS_URL", "AWS_SECRET_ACCESS_KEY")
    for name in secrets:
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("HOME", str(tmp_path / "private"))
    monkeypatch.setenv("https_proxy", "http://proxy.example")
    directory = bundle(tmp_path / "building", "./greeter")
    (directory / "greeter").mkdir()
    (directory / "greeter" / "backend.py").write_text(BACKEND)
    (directory / "greeter" / "pyproject.toml").write_text(PROJECT)
    seen = json.loads(said(provide(directory)))
    assert "secret" not in seen.values()
    assert seen["HOME"] != str(tmp_path / "private")
    assert seen["https_proxy"] == "http://proxy.example"


@needs_proc
def test_what_a_bundle_builds_ends_when_the_deployment_is_cancelled(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    directory = bundle(tmp_path / "building", "./greeter")
    (directory / "greeter").mkdir()
    (directory / "greeter" / "pyproject.toml").write_text(PROJECT)
    (directory / "greeter" / "backend.py").write_text(
        "import os, pathlib, time\n"
        f"new = pathlib.Path({str(pid_file)!r} + '.new')\n"
        f"new.write_text(str(os.getpid()))\nnew.rename({str(pid_file)!r})\ntime.sleep(600)\n"
    )

    async def cancel() -> None:
        environments = Environments(tmp_path / "environments")
        making = asyncio.create_task(
            environments.provide(directory, "requirements.txt", "uvicorn", print)
        )
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while not pid_file.exists():  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        making.cancel()
        await asyncio.gather(making, return_exceptions=True)

    asyncio.run(cancel())
    assert ends(int(pid_file.read_text()))
    assert list((tmp_path / "environments").iterdir()) == []


@pytest.fixture
def full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """uv as it ends on a full disk."""
    uv = tmp_path / "uv"
    uv.write_text("#!/bin/sh\necho 'error: No space left on device (os error 28)' >&2\nexit 2\n")
    uv.chmod(0o755)
    monkeypatch.setattr("tooling.uv.find_uv_bin", lambda: str(uv))


@pytest.mark.usefixtures("full_disk")
def test_a_disk_that_uv_finds_full_is_said_to_be_full(tmp_path: Path, provide: Provide) -> None:
    with pytest.raises(OSError, match="No space left") as caught:
        provide(bundle(tmp_path / "bundle", ""))
    assert caught.value.errno == errno.ENOSPC
    assert list((tmp_path / "environments").iterdir()) == []


def test_what_was_not_asked_for_in_two_weeks_is_removed_at_a_start(tmp_path: Path) -> None:
    for name, days in (("used", 13), ("unused", 15)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "pyvenv.cfg").touch()
        then = time.time() - days * 24 * 3600
        os.utime(tmp_path / name, (then, then))
    Environments(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["used"]
