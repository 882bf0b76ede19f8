"""Deploys the bundles of the repository's own apps to a running rehearsal with rsconnect."""

import asyncio
import os
import re
import shutil
from collections.abc import Callable, Coroutine
from pathlib import Path

from deploy.contents import RECORD
from deploy.rsconnect import Target, rsconnect_command, without_credentials
from deploy.staging import bundle_lock, stage_locked
from rehearsal.hosting.tasks import NO_SPACE
from rehearsal.server import Rehearsal
from rehearsal.storage.database import ConflictError
from tooling.errors import UsageError, os_error_message
from tooling.files import locked
from tooling.frameworks import Framework
from tooling.processes import run_lines
from tooling.terminal import printable

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# The beginning of an output line of rsconnect or of the task, and the step that it announces.
_LEAST_FREE_BYTES = 1024 * 1024
"""With less, a disk is full."""

_STEPS = {
    "Making an environment": "installing its requirements",
    "Launching": "launching it",
    "Verifying": "checking it",
}


def reserve(rehearsal: Rehearsal, framework: Framework) -> str:
    """Returns the GUID of the app's content at the vanity path `/<name>`; creates it if missing.

    Raises `UsageError` if other content has that path.
    """
    state, owner = rehearsal.state, rehearsal.publisher.guid
    found = state.contents(owner, framework.name)
    title = framework.pyproject["tool"]["rsconnect"].get("title", framework.title)
    content = found[0] if found else state.create_content(owner, framework.name, title)
    if content.vanity is None:
        try:
            state.update_content(content.guid, "vanity", f"/{framework.name}")
        except ConflictError:
            raise UsageError(
                f"Other content has the path /{framework.name}/: delete it (make rehearse)."
            ) from None
    # A variable of the content, as a publisher sets one: the pages link to the dashboard's index.
    state.set_variables(content.guid, {"LANDING_PAGE": "/"})
    return content.guid


async def publish(
    framework: Framework,
    guid: str,
    rehearsal: Rehearsal,
    report: Callable[[str], object] = lambda step: None,
) -> None:
    """Stages the framework's bundle and deploys it to that content; calls `report` with each step.

    rsconnect works on a copy, so that its record of this deployment is separate from the records of
    `make deploy-<name>`. Raises `UsageError`.
    """
    log = rehearsal.settings.directory / "logs" / f"deploy-{framework.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    # Only one process uses the state directory, so an existing copy is left from a killed one.
    copy = rehearsal.settings.directory / "outgoing" / framework.name
    shutil.rmtree(copy, ignore_errors=True)
    try:
        await _finished(asyncio.to_thread(_copy_bundle, framework, copy))
        target = Target(rehearsal.settings.url, rehearsal.publisher.api_key, None)
        command = rsconnect_command(framework, copy, target, ["--app-id", guid])
        # Variables for a real server (its key, its certificates) must not apply to the rehearsal.
        ours = {k: v for k, v in os.environ.items() if not k.startswith("CONNECT_")}
        variables = target.variables(ours) | without_credentials(copy, ours) | {"NO_COLOR": "1"}
        with log.open("w", encoding="utf-8") as output:

            def follow(line: str) -> None:
                line = _COLOUR.sub("", line)
                print(line, file=output, flush=True)
                for beginning, step in _STEPS.items():
                    if line.startswith(beginning):
                        report(step)

            code = await run_lines(command, variables, copy, follow)
        # An application that cannot write its log ends, and its log does not say why.
        full = shutil.disk_usage(log.parent).free < _LEAST_FREE_BYTES
    finally:
        shutil.rmtree(copy, ignore_errors=True)
    if code:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        if full or any(NO_SPACE in line for line in lines):
            raise UsageError(f"{framework.name} was not deployed: the disk of {log} is full.")
        tail = "".join(f"\n  | {printable(line)}" for line in lines[-8:])
        raise UsageError(
            f"{framework.name} was not deployed. rsconnect's output is in {log}:{tail}"
        )


async def _finished(work: Coroutine[None, None, None]) -> None:
    """Waits for work in a thread, also when cancelled, because a thread cannot be cancelled."""
    task = asyncio.create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.gather(task, return_exceptions=True)
        raise


def _copy_bundle(framework: Framework, copy: Path) -> None:
    try:
        with locked(bundle_lock(framework)):
            bundle = stage_locked(framework)
            shutil.copytree(bundle, copy, ignore=shutil.ignore_patterns(RECORD))
    except (UsageError, OSError) as error:
        reason = os_error_message(error) if isinstance(error, OSError) else error
        raise UsageError(f"{framework.name} cannot be bundled: {reason}") from None
