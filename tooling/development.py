"""`python -m tooling.development NAME`: serves one app and restarts it when a file changes.

`make run-<name>` calls it.
"""

import argparse
import copy
import os
import sys
from typing import Any

import uvicorn
from uvicorn.config import LOGGING_CONFIG
from uvicorn.supervisors import ChangeReload

from tooling.commands import exit_code, port, port_of
from tooling.frameworks import ROOT, Framework, find_framework
from tooling.limits import MAX_MESSAGE_BYTES, WEBSOCKETS_VARIABLES
from tooling.serving import listen


def logging_config() -> dict[str, Any]:
    """Returns uvicorn's configuration without its start-up messages; `serve` prints the address."""
    config = copy.deepcopy(LOGGING_CONFIG)
    config["loggers"]["uvicorn"]["level"] = "WARNING"
    return config


def serve(framework: Framework, port: int) -> None:
    """Serves until SIGINT or SIGTERM. Raises `UsageError` if the port is in use."""
    with listen("127.0.0.1", port, f"run-{framework.name}") as sock:
        config = uvicorn.Config(
            framework.entrypoint,
            reload=True,
            reload_dirs=[str(framework.folder), str(ROOT / "shared")],
            reload_includes=["*.json", "*.html", "*.yaml"],
            # Posit Workbench sets this to the prefix under which its proxy serves the port.
            root_path=os.environ.get("UVICORN_ROOT_PATH", ""),
            # The apps close a websocket after a larger message; the server reads no more of it.
            ws_max_size=MAX_MESSAGE_BYTES,
            log_config=logging_config(),
        )
        address = f"http://127.0.0.1:{sock.getsockname()[1]}/"
        print(
            f"{framework.title}'s app: {address}  (a changed file restarts it; Ctrl-C stops it)",
            flush=True,
        )
        # The process that serves inherits them, and websockets reads them when it is imported.
        os.environ |= WEBSOCKETS_VARIABLES | os.environ
        ChangeReload(config, target=uvicorn.Server(config).run, sockets=[sock]).run()


def main() -> int:
    """Returns the exit code: 0, or 1 after an error, which is printed as one line."""
    parser = argparse.ArgumentParser(prog="python -m tooling.development", description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--port", default=port_of(os.environ, "8000"))
    options = parser.parse_args()
    return exit_code("make", lambda: serve(find_framework(options.name), port(options.port)))


if __name__ == "__main__":
    sys.exit(main())
