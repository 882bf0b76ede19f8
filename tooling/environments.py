"""Python environments for content, made by uv and kept.

There is one for each set of requirements that an index alone can fulfil; where a bundle brings something to
install itself, the environment is that bundle's own.
"""

import asyncio
import contextlib
import hashlib
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from tooling.frameworks import ROOT
from tooling.processes import ServerKind, tied
from tooling.uv import check_disk, uv_command, uv_environment

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


_UNUSED_SECONDS = 14 * 24 * 3600.0


class Environments:
    """Environments under `directory`. One that is there is complete: it is moved there when it is.

    Several rehearsals may share the directory. What none has asked for in two weeks is removed at a start.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._making: dict[str, asyncio.Lock] = {}
        directory.mkdir(parents=True, exist_ok=True)
        for unfinished in directory.glob("*.partial"):
            if not _is_running(int(unfinished.name.partition(".")[0])):
                shutil.rmtree(unfinished, ignore_errors=True)
        for environment in directory.iterdir():
            # Another rehearsal may be faster.
            with contextlib.suppress(FileNotFoundError):
                if time.time() - environment.stat().st_mtime > _UNUSED_SECONDS:
                    # Renamed first: one that is half removed must not be taken for complete.
                    shutil.rmtree(environment.rename(f"{environment}.old"), ignore_errors=True)

    async def provide(self, bundle: Path, requirements: str, server: ServerKind, log: Log) -> Path:
        """The interpreter of an environment with these requirements and this server; `log` gets uv's words.

        Raises `EnvironmentFailedError`, `OSError` (a full disk).
        """
        key = self._key(bundle, requirements, server)
        async with self._making.setdefault(key, asyncio.Lock()):
            environment = self._directory / key
            if environment.exists():
                os.utime(environment)
                log(f"Using the environment that these requirements already have ({key}).")
            else:
                await self._make(environment, bundle, requirements, server, log)
        return environment / "bin" / "python"

    def _key(self, bundle: Path, requirements: str, server: ServerKind) -> str:
        content = (bundle / requirements).read_bytes()
        ours = f"{sys.implementation.cache_tag} {sys.base_prefix} {server}"
        lines = content.decode(errors="replace").splitlines()
        shared = all(map(_is_from_index, lines))
        own = b"" if shared else _identity(bundle)
        return hashlib.sha256(b"\0".join((content, ours.encode(), own))).hexdigest()[:16]

    async def _make(
        self, environment: Path, bundle: Path, requirements: str, server: ServerKind, log: Log
    ) -> None:
        log("Making an environment for these requirements.")
        partial = Path(
            tempfile.mkdtemp(prefix=f"{os.getpid()}.", suffix=".partial", dir=self._directory)
        )
        made, home = partial / "environment", partial / "home"
        home.mkdir()
        python = made / "bin" / "python"

        async def uv(*arguments: str | Path) -> None:
            await _uv(log, bundle, home, *arguments)

        try:
            await uv("venv", "--relocatable", "--python", sys.executable, made)
            await uv("pip", "install", "--python", python, "-r", requirements)
            # Isolated: a folder of that name in the bundle is not the server.
            if await _run(_unheard, bundle, home, str(python), "-I", "-c", f"import {server}"):
                # "In addition to the specified dependencies, Posit Connect also installs packages
                # that it uses to deploy": admin guide, section Python, package management.
                log(f"Adding {server}, which the requirements do not list.")
                await uv("pip", "install", "--python", python, server)
            _put(made, environment)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def _put(made: Path, environment: Path) -> None:
    try:
        made.rename(environment)
    except OSError:
        if not environment.is_dir():  # Another rehearsal was faster.
            raise


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _is_from_index(line: str) -> bool:
    """Whether it asks an index for a distribution by its name, or asks for nothing.

    Without a version a name may be that of a file: `x-1-py3-none-any.whl`.
    """
    text = line.partition("#")[0].strip()
    if not text:
        return True
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        return False
    return requirement.url is None and bool(requirement.specifier)


def _identity(bundle: Path) -> bytes:
    """What differs between bundles: the place, and the manifest with the checksum of every file."""
    manifest = bundle / "manifest.json"
    return os.fsencode(bundle) + (manifest.read_bytes() if manifest.is_file() else b"")


def _unheard(line: str) -> None:
    """What a failed import says is of no use to the publisher."""


async def _uv(log: Log, directory: Path, home: Path, *arguments: str | Path) -> None:
    said: list[str] = []

    def keep(line: str) -> None:
        said.append(line)
        log(line)

    if await _run(keep, directory, home, *uv_command(*arguments)) != 0:
        check_disk("\n".join(said))
        raise EnvironmentFailedError("The requirements could not be installed: see the log above.")


async def _run(log: Log, directory: Path, home: Path, *command: str) -> int:
    """Run to the end; each line of output goes to `log` as it comes. Gives the exit code."""
    process = await asyncio.create_subprocess_exec(
        *tied(*command),
        cwd=directory,
        env=uv_environment(home, ROOT / "build" / "uv-cache"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        limit=1024 * 1024,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        async for line in process.stdout:
            log(line.decode(errors="replace").rstrip())
        return await process.wait()
    except BaseException:
        if process.returncode is None:
            # With all that it started. PermissionError is how macOS says that only zombies are left.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        raise
