"""`python -m rehearsal`: every framework's app behind one gateway, with a landing page. `make run` calls it."""

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Literal

from rehearsal.frameworks import ROOT, Framework, find_frameworks

_NEEDED = ("h11", "hypercorn", "jinja2", "starlette", "uvicorn", "websockets", "wsproto")


class CannotRunError(Exception):
    """One line that says what to do about it."""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m rehearsal", description=__doc__)
    parser.add_argument("--host", default=os.environ.get("HOST", "127.0.0.1"))
    parser.add_argument("--port", default=os.environ.get("PORT", "3939"))
    return parser.parse_args()


def _say(text: str) -> None:
    print(text, flush=True)


def _port(text: str) -> int:
    if not (text.isdecimal() and int(text) < 65536):
        raise CannotRunError(f"PORT must be a number from 0 to 65535, not {text!r}.")
    return int(text)


async def _run(host: str, port: int, frameworks: Sequence[Framework]) -> None:
    from rehearsal.gateway import Gateway, Route, RoutingTable
    from rehearsal.landing import landing_page
    from rehearsal.processes import AppDidNotStartError, AppProcess, connect_environment
    from rehearsal.serving import AddressInUseError, Server, listen

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)

    try:
        sock = listen(host, port)
    except AddressInUseError:
        raise CannotRunError(
            f"Port {port} on {host} is in use: stop what listens there, or choose another one"
            f" (make run PORT={port + 1})."
        ) from None
    except OSError as error:
        raise CannotRunError(f"Cannot listen on {host}: {error.strerror}; set HOST.") from None
    address = f"[{host}]" if ":" in host else host
    url = f"http://{address}:{sock.getsockname()[1]}"

    cache = {
        "PYTHONPYCACHEPREFIX": os.environ.get("PYTHONPYCACHEPREFIX", str(ROOT / "build/pycache"))
    }
    apps: dict[str, AppProcess] = {}

    async def start(framework: Framework) -> None:
        begun = time.monotonic()
        prefix = f"/{framework.name}"
        app = apps[framework.name] = AppProcess(
            framework.entrypoint,
            log=ROOT / "build" / "logs" / f"{framework.name}.log",
            root_path=prefix,
            environment=connect_environment(url, framework.name, cache),
        )
        await asyncio.to_thread(app.wait_until_ready)
        table.put(Route(prefix=prefix, port=app.port))
        _say(f"  {framework.name:<10} {url}{prefix}/  ({time.monotonic() - begun:.1f} s)")

    table = RoutingTable()
    server = Server(Gateway(table.resolve, landing_page(frameworks)))
    serving = asyncio.create_task(server.serve(sockets=[sock]))
    stopping: asyncio.Future[Literal[True]] = asyncio.create_task(stop.wait())
    starting: asyncio.Future[list[None]] = asyncio.gather(*map(start, frameworks))
    try:
        _say(f"Starting {', '.join(framework.name for framework in frameworks)}")
        await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            _say(f"Ready: {url}/  (Ctrl-C stops all)")
            await stopping
    except AppDidNotStartError as error:
        raise CannotRunError(str(error)) from None
    finally:
        for app in apps.values():
            app.terminate()
        server.should_exit = True
        starting.cancel()
        stopping.cancel()
        await asyncio.gather(*(asyncio.to_thread(app.stop) for app in apps.values()))
        await serving
        with contextlib.suppress(asyncio.CancelledError, AppDidNotStartError):
            await starting
        sock.close()


def main() -> int:
    """Runs until SIGINT or SIGTERM; gives 0 then, 1 when it could not run."""
    try:
        missing = [name for name in _NEEDED if find_spec(name) is None]
        if missing:
            raise CannotRunError(f"Not installed here: {', '.join(missing)}: run `make setup`.")
        arguments = _arguments()
        frameworks = find_frameworks()
        if not frameworks:
            raise CannotRunError(f"There is no <name>_app/ folder in {ROOT}.")
        asyncio.run(_run(arguments.host, _port(arguments.port), frameworks))
    except CannotRunError as error:
        print(f"rehearsal: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
