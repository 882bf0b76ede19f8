"""Deploys the repository's own apps to a running rehearsal, each from its bundle, by the real rsconnect."""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import subprocess
import threading
from asyncio.subprocess import Process
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TextIO

from deploy.contents import RECORD
from deploy.environment import locked
from deploy.rsconnect import Target, rsconnect_command, without_credentials
from deploy.staging import BundleError, bundle_lock, explain, stage_locked
from rehearsal.hosting.tasks import NO_SPACE
from rehearsal.server import Rehearsal
from rehearsal.storage.database import ConflictError
from tooling.frameworks import Framework
from tooling.processes import tied

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# How lines of rsconnect and of our own task begin, at which something longer starts.
_STEPS = {
    "Making an environment": "installing its requirements",
    "Launching": "launching it",
    "Verifying": "checking it",
}


class NotPublishedError(RuntimeError):
    """rsconnect did not succeed; the message ends with what it said last."""


def reserve(rehearsal: Rehearsal, framework: Framework) -> str:
    """The GUID of the content for the framework's app, at the vanity path `/<name>`; made if missing.

    Raises `NotPublishedError` where other content has that path.
    """
    state, owner = rehearsal.state, rehearsal.publisher.guid
    found = state.contents(owner, framework.name)
    if found:
        content = found[0]
    else:
        content = state.create_content(owner, framework.name)
        title = framework.pyproject["tool"]["rsconnect"].get("title", framework.title)
        state.update_content(content.guid, {"title": title})
    if content.vanity is None:
        try:
            state.update_content(content.guid, {"vanity": f"/{framework.name}"})
        except ConflictError:
            raise NotPublishedError(
                f"Other content has the path /{framework.name}/: take it off there (make rehearse)."
            ) from None
    # As a publisher sets a variable of the content: the pages lead back to the dashboard's index.
    state.set_environment(content.guid, {"LANDING_PAGE": "/"})
    return content.guid


Say = Callable[[str], object]


async def publish(
    framework: Framework, guid: str, rehearsal: Rehearsal, say: Say = lambda step: None
) -> None:
    """Stage the framework's bundle and deploy it to that content; `say` gets a word for each step.

    Raises `NotPublishedError`.

    rsconnect works on a copy, so that its record of this deployment does not end up among those of
    `make deploy-<name>`.
    """
    log = rehearsal.settings.directory / "logs" / f"deploy-{framework.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    # Nobody else has the state directory; what is there was left by a run that was killed.
    copy = rehearsal.settings.directory / "outgoing" / framework.name
    shutil.rmtree(copy, ignore_errors=True)
    try:
        await _finished(asyncio.to_thread(_copy_bundle, framework, copy))
        target = Target(rehearsal.settings.url, rehearsal.publisher.api_key, None)
        command = rsconnect_command(framework, copy, target, ["--app-id", guid])
        # Whatever is set for a real server (its key, its certificates) has nothing to do with this one.
        ours = {k: v for k, v in os.environ.items() if not k.startswith("CONNECT_")}
        settings = target.environment(ours) | without_credentials(copy, ours)
        code = await _run(command, settings, log, say)
    finally:
        shutil.rmtree(copy, ignore_errors=True)
    if code != 0:
        output = log.read_text(encoding="utf-8", errors="replace")
        if NO_SPACE in output:
            raise NotPublishedError(
                f"{framework.name} was not deployed: the disk of {log} is full."
            )
        lines = "".join(f"\n  | {line}" for line in output.splitlines()[-8:])
        raise NotPublishedError(
            f"{framework.name} was not deployed. rsconnect's output is {log}:{lines}"
        )


async def _finished(work: Coroutine[None, None, None]) -> None:
    """Waits for the end of work in a thread, which no cancellation ends, even when cancelled."""
    task = asyncio.create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.gather(task, return_exceptions=True)
        raise


async def _run(command: list[str], environment: dict[str, str], log: Path, say: Say) -> int:
    """Runs rsconnect to its end, with its output in `log`; gives the exit code."""
    process = await asyncio.create_subprocess_exec(
        *tied(*command),
        env=environment | {"NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        limit=1024 * 1024,
        start_new_session=True,
    )
    try:
        with log.open("w", encoding="utf-8") as output:
            await _follow(process, output, say)
        return await process.wait()
    except BaseException:
        if process.returncode is None:
            # With all that it started. PermissionError is how macOS says that only zombies are left.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        raise


async def _follow(process: Process, output: TextIO, say: Say) -> None:
    assert process.stdout is not None
    async for raw in process.stdout:
        line = _COLOUR.sub("", raw.decode(errors="replace")).rstrip()
        print(line, file=output, flush=True)
        for beginning, step in _STEPS.items():
            if line.startswith(beginning):
                say(step)


# Staging parses Python, which some versions of CPython 3.11 cannot do in two threads at once:
# https://github.com/python/cpython/issues/106905
_STAGING = threading.Lock()


def _copy_bundle(framework: Framework, copy: Path) -> None:
    """Raises `NotPublishedError` where there is no bundle to be had."""
    try:
        with _STAGING, locked(bundle_lock(framework)):
            bundle = stage_locked(framework)
            shutil.copytree(bundle, copy, ignore=shutil.ignore_patterns(RECORD))
    except BundleError as error:
        raise NotPublishedError(f"{framework.name} cannot be bundled: {error}") from None
    except OSError as error:
        raise NotPublishedError(f"{framework.name} cannot be bundled: {explain(error)}") from None
