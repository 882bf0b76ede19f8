"""`python -m tooling.development NAME`: serve one framework's app, and start it anew when a file changes.

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

from tooling.frameworks import ROOT, Framework, UnknownFrameworkError, find_framework
from tooling.options import port, port_of
from tooling.serving import AddressInUseError, free_port_after, listen


def logging_config() -> dict[str, Any]:
    """uvicorn's own, without what it says of its start: the address stands in a line of ours."""
    config = copy.deepcopy(LOGGING_CONFIG)
    config["loggers"]["uvicorn"]["level"] = "WARNING"
    return config


def serve(framework: Framework, port: int) -> None:
    """Until SIGINT or SIGTERM. Raises `AddressInUseError`, `OSError`."""
    with listen("127.0.0.1", port) as sock:
        config = uvicorn.Config(
            framework.entrypoint,
            reload=True,
            reload_dirs=[str(framework.folder), str(ROOT / "shared")],
            reload_includes=["*.json", "*.html", "*.yaml"],
            # Posit Workbench sets it: the prefix under which its proxy shows the port to a browser.
            root_path=os.environ.get("UVICORN_ROOT_PATH", ""),
            log_config=logging_config(),
        )
        address = f"http://127.0.0.1:{sock.getsockname()[1]}/"
        print(
            f"{framework.title}'s app: {address}  (a changed file restarts it; Ctrl-C stops it)",
            flush=True,
        )
        ChangeReload(config, target=uvicorn.Server(config).run, sockets=[sock]).run()


def main() -> int:
    """Gives the exit code: 0, or 1 after having said what is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tooling.development", description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--port", type=port, default=port_of(os.environ, 8000))
    options = parser.parse_args()
    try:
        serve(find_framework(options.name), options.port)
    except AddressInUseError:
        print(
            f"make: port {options.port} is in use: stop what listens there, or choose another one"
            f" (make run-{options.name} PORT={free_port_after(options.port)}).",
            file=sys.stderr,
        )
        return 1
    except UnknownFrameworkError as error:
        print(f"make: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"make: cannot listen on port {options.port}: {error.strerror}.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
