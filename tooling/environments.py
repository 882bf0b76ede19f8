"""Python environments for apps, created by uv and kept for later use.

Bundles share an environment if all their requirements come from an index. If a requirement is a
file of the bundle, the bundle has an environment of its own.
"""

import asyncio
import contextlib
import hashlib
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from tooling.errors import check_full_disk
from tooling.frameworks import ROOT
from tooling.processes import ServerKind, run_lines
from tooling.uv import uv_command, uv_variables

Log = Callable[[str], None]
_UNUSED_SECONDS = 14 * 24 * 3600.0


class EnvironmentFailedError(RuntimeError):
    """No environment could be created. The message is one sentence with the reason."""


def check_python(requires: str | None) -> None:
    """Raises `EnvironmentFailedError` if the content does not accept the Python of this process."""
    ours = platform.python_version()
    try:
        if requires is None or ours in SpecifierSet(requires):
            return
    except InvalidSpecifier:
        raise EnvironmentFailedError(
            f"The bundle asks for Python {requires!r}, which is not a version specifier."
        ) from None
    raise EnvironmentFailedError(
        f"Cannot find compatible environment: the bundle asks for Python {requires},"
        f" and the rehearsal has {ours} (make PYTHON=... chooses another)."
    )


class Environments:
    """Environments under `directory`. Each is created elsewhere and moved there when complete.

    Several processes may share the directory. An environment that was not used for two weeks is
    removed.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._making: dict[str, asyncio.Lock] = {}
        directory.mkdir(parents=True, exist_ok=True)
        for unfinished in directory.glob("*.partial"):
            if not _is_running(int(unfinished.name.partition(".")[0])):
                shutil.rmtree(unfinished, ignore_errors=True)
        for environment in directory.iterdir():
            # Another process may have removed it.
            with contextlib.suppress(FileNotFoundError):
                if time.time() - environment.stat().st_mtime > _UNUSED_SECONDS:
                    # Renamed first: a partly removed environment must not be used.
                    shutil.rmtree(environment.rename(f"{environment}.old"), ignore_errors=True)

    async def provide(
        self, bundle: Path, requirements: str, server: ServerKind | None, log: Log
    ) -> Path:
        """Returns the interpreter of an environment with these requirements.

        - `requirements`: the path of the file in the bundle.
        - `server`: is installed if the requirements do not list it. With `None` nothing is added,
          and a dependency that the file does not list is an error.
        - `log`: is called with each line of uv's output.

        Raises `EnvironmentFailedError`, `OSError` (a full disk).
        """
        key = _key(bundle, requirements, server)
        async with self._making.setdefault(key, asyncio.Lock()):
            environment = self._directory / key
            if environment.exists():
                os.utime(environment)
                log(f"Using the existing environment for these requirements ({key}).")
            else:
                await self._make(environment, bundle, requirements, server, log)
        return environment / "bin" / "python"

    async def _make(
        self,
        environment: Path,
        bundle: Path,
        requirements: str,
        server: ServerKind | None,
        log: Log,
    ) -> None:
        log("Making an environment for these requirements.")
        partial = Path(
            tempfile.mkdtemp(prefix=f"{os.getpid()}.", suffix=".partial", dir=self._directory)
        )
        made, home = partial / "environment", partial / "home"
        home.mkdir()
        python = str(made / "bin" / "python")
        variables = uv_variables(home, ROOT / "build" / "uv-cache")

        async def uv(*arguments: str | Path) -> None:
            output: list[str] = []

            def keep(line: str) -> None:
                output.append(line)
                log(line)

            if await run_lines(uv_command(*arguments), variables, bundle, keep):
                check_full_disk("\n".join(output))
                raise EnvironmentFailedError(
                    "The requirements could not be installed: see the log above."
                )

        try:
            await uv("venv", "--relocatable", "--python", sys.executable, made)
            install = ("pip", "install", "--python", python)
            file = _absolute(bundle, requirements)
            await uv(*install, *(() if server else ("--no-deps",)), "-r", file)
            if server is None:
                await uv("pip", "check", "--python", python)
            # Isolated (-I): a folder of that name in the bundle must not be imported.
            elif await run_lines(
                (python, "-I", "-c", f"import {server}"), variables, bundle, lambda line: None
            ):
                # "In addition to the specified dependencies, Posit Connect also installs packages
                # that it uses to deploy": admin guide, section Python, package management.
                log(f"Adding {server}, which the requirements do not list.")
                await uv(*install, server)
            _move(made, environment)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def _key(bundle: Path, requirements: str, server: ServerKind | None) -> str:
    content = (bundle / requirements).read_bytes()
    ours = f"{sys.implementation.cache_tag} {sys.base_prefix} {server}"
    shared = all(map(_is_from_index, content.decode(errors="replace").splitlines()))
    own = b"" if shared else _identity(bundle)
    return hashlib.sha256(b"\0".join((content, ours.encode(), own))).hexdigest()[:16]


def _absolute(bundle: Path, requirements: str) -> Path:
    """Returns a path that uv cannot take for a URL."""
    return bundle.absolute() / requirements


def _move(made: Path, environment: Path) -> None:
    try:
        made.rename(environment)
    except OSError:
        if not environment.is_dir():  # Another process was faster.
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
    """Returns whether the line is empty or names a distribution and a version for an index.

    A name without a version may be that of a file: `x-1-py3-none-any.whl`.
    """
    text = line.partition("#")[0].strip()
    if not text:
        return True
    try:
        requirement = Requirement(text)
    except (InvalidRequirement, RecursionError):  # RecursionError: a deeply nested marker.
        return False
    return requirement.url is None and bool(requirement.specifier)


def _identity(bundle: Path) -> bytes:
    """Returns the path of the bundle and its manifest, which has the checksums of its files."""
    manifest = bundle / "manifest.json"
    return os.fsencode(bundle) + (manifest.read_bytes() if manifest.is_file() else b"")
