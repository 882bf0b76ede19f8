"""Deploys the repository's own apps to a running rehearsal, each from its bundle, by the real rsconnect."""

import asyncio
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from rehearsal.bundle import stage
from rehearsal.deploy import Target, rsconnect_command
from rehearsal.frameworks import ROOT, Framework
from rehearsal.server import Rehearsal


class NotPublishedError(RuntimeError):
    """rsconnect did not succeed; the message ends with what it said last."""


def reserve(rehearsal: Rehearsal, framework: Framework) -> str:
    """The GUID of the content for the framework's app, at the vanity path `/<name>`; made if missing."""
    state, owner = rehearsal.state, rehearsal.publisher.guid
    found = state.contents(owner, framework.name)
    content = found[0] if found else state.create_content(owner, framework.name)
    if content.vanity is None:
        state.update_content(content.guid, {"vanity": f"/{framework.name}"})
    return content.guid


async def publish(framework: Framework, guid: str, url: str, api_key: str) -> None:
    """Stage the framework's bundle and deploy it to that content. Raises `NotPublishedError`.

    rsconnect works on a copy, so that its record of this deployment does not end up among those of
    `make deploy-<name>`.
    """
    log = ROOT / "build" / "logs" / f"deploy-{framework.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as scratch:
        copy = Path(scratch, framework.name)
        await asyncio.to_thread(_copy_bundle, framework, copy)
        target = Target(url, api_key, None)
        command = rsconnect_command(framework, copy, target, ["--app-id", guid])
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *command,
                env=target.environment(os.environ),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            try:
                code = await process.wait()
            except BaseException:
                process.kill()
                await process.wait()
                raise
    if code != 0:
        said = log.read_text(encoding="utf-8", errors="replace").splitlines()[-8:]
        lines = "".join(f"\n  | {line}" for line in said)
        raise NotPublishedError(
            f"{framework.name} was not deployed. rsconnect's output is {log}:{lines}"
        )


def _copy_bundle(framework: Framework, copy: Path) -> None:
    shutil.copytree(stage(framework), copy, ignore=shutil.ignore_patterns("rsconnect-python"))
