"""Command line of the rehearsal, a local stand-in for a Connect server.

- `run` (`make run`): starts the rehearsal, deploys all apps with rsconnect, and prints the address
  of the landing page.
- `rehearse` (`make rehearse`): starts the rehearsal with its existing content, and prints its
  address and its API keys.
- `logs NAME` (`make rehearse-logs`): prints the log of the content's active bundle.
"""

import signal

# Set before the other imports, which take half a second: Ctrl-C then prints no traceback.
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import asyncio
import sys

from rehearsal.command_line import Examples, main
from rehearsal.first_deploy import publish, reserve
from rehearsal.progress import Progress
from rehearsal.server import Rehearsal
from tooling.frameworks import Framework, find_frameworks


async def _deploy_all(rehearsal: Rehearsal) -> None:
    """Deploys the apps of all frameworks concurrently. Raises `UsageError`."""
    frameworks = find_frameworks()
    print(
        f"Deploying {', '.join(framework.name for framework in frameworks)} with rsconnect",
        flush=True,
    )
    guids = [reserve(rehearsal, framework) for framework in frameworks]
    progress = Progress(lambda line: print(line, flush=True))

    async def deploy(framework: Framework, guid: str) -> None:
        await publish(framework, guid, rehearsal, lambda step: progress.begin(framework.name, step))
        progress.end(framework.name, f"{rehearsal.settings.url}/{framework.name}/")

    reminding = asyncio.create_task(progress.remind())
    try:
        # When a TaskGroup is cancelled, it waits for its tasks, unlike gather: each deletes its
        # copy of a bundle.
        async with asyncio.TaskGroup() as group:
            for framework, guid in zip(frameworks, guids, strict=True):
                group.create_task(deploy(framework, guid))
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    finally:
        reminding.cancel()


if __name__ == "__main__":
    sys.exit(main(__doc__, Examples(find_frameworks(), _deploy_all)))
