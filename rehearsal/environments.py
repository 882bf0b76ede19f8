"""Python environments for content: one for each set of requirements, made by uv, kept and shared."""

import asyncio
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from uv import find_uv_bin

from rehearsal.frameworks import ROOT
from rehearsal.processes import ServerKind, tied

Log = Callable[[str], None]


class EnvironmentFailedError(RuntimeError):
    """One sentence that says why there is no environment for this content."""


def check_python(requires: str | None) -> None:
    """Raises `EnvironmentFailedError` where our Python, the only one here, is not what content asks for."""
    ours = platform.python_version()
    try:
        accepted = requires is None or ours in SpecifierSet(requires)
    except InvalidSpecifier:
        raise EnvironmentFailedError(
            f"The bundle asks for Python {requires!r}, which is no version specifier."
        ) from None
    if not accepted:
        raise EnvironmentFailedError(
            f"Cannot find compatible environment: the bundle asks for Python {requires},"
            f" and the rehearsal has {ours} (make PYTHON=... chooses another)."
        )


class Environments:
    """Environments under `directory`. One that is there is complete: it is moved there when it is.

    Several rehearsals may share the directory.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._making: dict[str, asyncio.Lock] = {}
        directory.mkdir(parents=True, exist_ok=True)
        for unfinished in directory.glob("*.partial"):
            if not _is_running(int(unfinished.name.partition(".")[0])):
                shutil.rmtree(unfinished, ignore_errors=True)

    async def provide(self, bundle: Path, requirements: str, server: ServerKind, log: Log) -> Path:
        """The interpreter of an environment with these requirements and this server; `log` gets uv's words.

        Raises `EnvironmentFailedError`, `OSError` (a full disk).
        """
        key = self._key(bundle, requirements, server)
        async with self._making.setdefault(key, asyncio.Lock()):
            environment = self._directory / key
            if environment.exists():
                log(f"Using the environment that these requirements already have ({key}).")
            else:
                await self._make(environment, bundle, requirements, server, log)
        return environment / "bin" / "python"

    def _key(self, bundle: Path, requirements: str, server: ServerKind) -> str:
        content = (bundle / requirements).read_bytes()
        local = [line for line in content.splitlines() if _is_local(line)]
        ours = f"{sys.implementation.cache_tag} {sys.base_prefix} {server}"
        # What a requirement takes from the bundle itself makes the environment that bundle's own.
        own = str(bundle) if local else ""
        return hashlib.sha256(b"\0".join((content, ours.encode(), own.encode()))).hexdigest()[:16]

    async def _make(
        self, environment: Path, bundle: Path, requirements: str, server: ServerKind, log: Log
    ) -> None:
        log("Making an environment for these requirements.")
        partial = Path(
            tempfile.mkdtemp(prefix=f"{os.getpid()}.", suffix=".partial", dir=self._directory)
        )
        python = partial / "bin" / "python"
        try:
            await _uv(
                log,
                bundle,
                "venv",
                "--relocatable",
                "--allow-existing",
                "--python",
                sys.executable,
                partial,
            )
            await _uv(log, bundle, "pip", "install", "--python", python, "-r", requirements)
            if await _run(log, bundle, str(python), "-c", f"import {server}", quiet=True) != 0:
                # "In addition to the specified dependencies, Posit Connect also installs packages
                # that it uses to deploy": admin guide, section Python, package management.
                log(f"Adding {server}, which the requirements do not list.")
                await _uv(log, bundle, "pip", "install", "--python", python, server)
            await asyncio.to_thread(_put, partial, environment)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise


def _put(partial: Path, environment: Path) -> None:
    try:
        partial.rename(environment)
    except OSError:
        if not environment.is_dir():
            raise
        shutil.rmtree(partial)  # Another rehearsal was faster.


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _is_local(line: bytes) -> bool:
    text = line.strip()
    return text.startswith((b".", b"/", b"-r", b"-e", b"-c", b"--")) or b"file:" in text


async def _uv(log: Log, directory: Path, *arguments: str | Path) -> None:
    code = await _run(log, directory, find_uv_bin(), *map(str, arguments))
    if code != 0:
        raise EnvironmentFailedError("The requirements could not be installed: see the log above.")


async def _run(log: Log, directory: Path, *command: str, quiet: bool = False) -> int:
    """Run to the end; each line of output goes to `log` as it comes. Gives the exit code."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CONNECT_", "VIRTUAL_ENV", "PYTHON"))
    }
    environment.setdefault("UV_CACHE_DIR", str(ROOT / "build" / "uv-cache"))
    environment.setdefault("UV_PYTHON_DOWNLOADS", "never")
    process = await asyncio.create_subprocess_exec(
        *tied(*command),
        cwd=directory,
        env=environment | {"NO_COLOR": "1", "UV_NO_PROGRESS": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        limit=1024 * 1024,
    )
    assert process.stdout is not None
    try:
        async for line in process.stdout:
            if not quiet:
                log(line.decode(errors="replace").rstrip())
        return await process.wait()
    except BaseException:
        if process.returncode is None:
            process.kill()
            await process.wait()
        raise
