"""Starts an app under a server of the tests."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tooling.frameworks import ROOT
from tooling.processes import AppProcess, ServerKind

MAX_MESSAGE_BYTES = 4 * 1024
"""`MAX_MESSAGE` of the apps' websocket."""


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
    """A process of that server with `--root-path`; `program` replaces `python -m <server>`."""
    arguments: tuple[str, ...] = ("--fd", "{fd}", "--no-access-log")
    arguments += ("--ws-max-size", f"{MAX_MESSAGE_BYTES}")
    if server == "hypercorn":
        # 0 workers: hypercorn serves in this process, and not in a child that would outlive it.
        arguments = ("--bind", "fd://{fd}", "--workers", "0")
    command = (*(program or (sys.executable, "-m", server)), *arguments, "--root-path", root_path)
    return AppProcess(application, command, log=log, variables=variables, directory=directory)
