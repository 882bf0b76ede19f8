"""Fetches a folder of a git repository as the archive of a bundle."""

import asyncio
import os
import tempfile
from pathlib import Path

from rehearsal.storage.database import Repository
from rehearsal.storage.manifest import BundleRefusedError
from tooling.terminal import printable

_SECONDS = 120
_ENVIRONMENT = {
    "GIT_TERMINAL_PROMPT": "0",  # A repository that asks for a password is refused.
    "GIT_ALLOW_PROTOCOL": "https:file",
    "GIT_CONFIG_NOSYSTEM": "1",
}


async def fetch(source: Repository, archive: Path) -> str:
    """Writes the folder to `archive`, a gzipped tar archive. Returns the id of the commit.

    The folder is taken alone, with nothing above it, as Connect does. The caller checks the archive
    as an uploaded one. Raises `BundleRefusedError`.
    """
    with tempfile.TemporaryDirectory() as clone:
        await _git(
            *("clone", "--quiet", "--bare", "--depth=1", "--single-branch", "--no-tags"),
            *(f"--branch={source.branch}", "--", source.repository, clone),
        )
        commit = await _git("-C", clone, "rev-parse", "--verify", "HEAD^{commit}")
        folder = source.directory.strip("/").removeprefix("./")
        tree = f"{commit}:{'' if folder == '.' else folder}"
        await _git("-C", clone, "archive", "--format=tar.gz", f"--output={archive}", tree)
    return commit


async def _git(*arguments: str) -> str:
    process = None
    try:
        async with asyncio.timeout(_SECONDS):
            process = await asyncio.create_subprocess_exec(
                "git",
                *arguments,
                env={**os.environ, **_ENVIRONMENT},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            output, errors = await process.communicate()
    except TimeoutError:
        raise BundleRefusedError(f"git did not finish within {_SECONDS} s.") from None
    except FileNotFoundError:
        raise BundleRefusedError("git is not installed on the rehearsal's machine.") from None
    finally:
        if process is not None and process.returncode is None:
            process.kill()
    if process.returncode:
        lines = printable(errors.decode(errors="replace")).strip().splitlines()
        reason = lines[-1] if lines else "it gives no reason."
        raise BundleRefusedError(f"The repository cannot be read: {reason}")
    return output.decode().strip()
