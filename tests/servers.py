"""Starts an app under a server of the tests."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tooling.frameworks import ROOT
from tooling.limits import MAX_MESSAGE_BYTES, WEBSOCKETS_VARIABLES
from tooling.processes import AppProcess, ServerKind


def server_process(
    application: str,
    *,
    log: Path,
    variables: Mapping[str, str],
    server: ServerKind = "uvicorn",
    root_path: str = "",
    program: Sequence[str] | None = None,
    directory: Path = ROOT,
) -> AppProcess:
    """A process of that server with `--root-path`, and with the limits that README tells.

    `program` replaces `python -m <server>`.
    """
    if server == "hypercorn":
        settings = log.with_suffix(".toml")
        settings.parent.mkdir(parents=True, exist_ok=True)
        settings.write_text(f"websocket_max_message_size = {MAX_MESSAGE_BYTES}\n")
        # 0 workers: hypercorn serves in this process, and not in a child that would outlive it.
        arguments: tuple[str, ...] = (
            "--config",
            f"{settings}",
            "--bind",
            "fd://{fd}",
            "--workers",
            "0",
        )
    else:
        arguments = ("--fd", "{fd}", "--no-access-log", "--ws-max-size", f"{MAX_MESSAGE_BYTES}")
        variables = WEBSOCKETS_VARIABLES | dict(variables)
    command = (*(program or (sys.executable, "-m", server)), *arguments, "--root-path", root_path)
    return AppProcess(application, command, log=log, variables=variables, directory=directory)
