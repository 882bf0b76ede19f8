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

import argparse
import asyncio
import contextlib
import os
import socket
import sqlite3
import sys
from ipaddress import ip_address
from pathlib import Path

from rehearsal.access import host_names
from rehearsal.first_deploy import publish, reserve
from rehearsal.logs import show_log, unusable
from rehearsal.profiles import PROFILES, find_profile
from rehearsal.progress import Progress
from rehearsal.server import Rehearsal, Settings
from rehearsal.storage.database import State
from tooling.commands import exit_code, port, port_of
from tooling.errors import UsageError
from tooling.frameworks import ROOT, Framework, find_frameworks
from tooling.serving import Server, listen


def _arguments() -> argparse.Namespace:
    texts = ["Profiles (PROFILE=...), each a possible behaviour of a Connect server:"]
    for profile in PROFILES.values():
        texts += [f"  {profile.name}", f"    {profile.stands_for}", f"    {profile.evidence}"]
    parser = argparse.ArgumentParser(
        prog="python -m rehearsal",
        description=__doc__,
        epilog="\n".join(texts),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", nargs="?", default="run", choices=("run", "rehearse", "logs"))
    parser.add_argument("name", nargs="?", help="the name, vanity path or GUID of content (logs)")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument(
        "--allowed-hosts",
        default="",
        help="names of hosts, with commas, under which a proxy such as JupyterHub's passes"
        " requests on",
    )
    parser.add_argument("--port", default=port_of(os.environ, "3939"))
    parser.add_argument("--profile", default="included")
    parser.add_argument("--site", type=Path, help="a directory of static files for /")
    options = parser.parse_args()
    options.state = Path(os.environ.get("REHEARSAL_STATE") or ROOT / "build" / "rehearsal")
    return options


def _print(text: str) -> None:
    print(text, flush=True)


def _reachable(host: str) -> str:
    """Returns the host for a URL: loopback instead of a wildcard address."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"[{host}]" if ":" in host else host


def _open_state(directory: Path) -> State:
    try:
        return State(directory)
    except (OSError, sqlite3.Error) as error:
        raise unusable(directory, error) from None


async def _serve(options: argparse.Namespace) -> None:
    """Serves until a signal arrives. Stops what it started before it returns or raises."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # nohup makes the process ignore SIGHUP; that stays so.
        if signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, stop.set)

    profile = find_profile(options.profile)
    allowed_hosts = host_names(options.allowed_hosts)
    if options.site and not options.site.is_dir():
        raise UsageError(f"--site: {options.site} is not a directory.")
    # The state is opened before the port: its error names the address of a running rehearsal.
    with (
        contextlib.closing(_open_state(options.state)) as state,
        listen(options.host, port(options.port), options.command) as sock,
    ):
        if not ip_address(sock.getsockname()[0]).is_loopback:
            _print(
                f"Listening on {options.host}: anyone who reaches this machine can act as any user"
                " here and read logs."
            )
        url = f"http://{_reachable(options.host)}:{sock.getsockname()[1]}"
        state.announce(url)
        settings = Settings(
            options.state,
            url,
            profile,
            environments=ROOT / "build" / "rehearsal" / "environments",
            site=options.site,
            start_active=options.command != "run",
            allowed_hosts=allowed_hosts,
        )
        await _run(Rehearsal(settings, state), options.command, sock, stop)


async def _run(
    rehearsal: Rehearsal, command: str, sock: socket.socket, stop: asyncio.Event
) -> None:
    """Serves and deploys until `stop` is set. Raises `UsageError` if an app cannot be deployed."""
    server = Server(rehearsal)
    serving = asyncio.create_task(server.serve(sockets=[sock]))
    stopping = asyncio.create_task(stop.wait())
    starting = asyncio.create_task(
        _deploy_all(rehearsal) if command == "run" else _announce(rehearsal)
    )
    try:
        await asyncio.wait((starting, stopping, serving), return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            settings = rehearsal.settings
            _print(
                f"Ready: {settings.url}/  (a rehearsal, not Connect;"
                f" profile {settings.profile.name}; Ctrl-C stops all)"
            )
            await asyncio.wait((stopping, serving), return_when=asyncio.FIRST_COMPLETED)
    finally:
        if stop.is_set():
            # Printing fails if the terminal was closed.
            with contextlib.suppress(OSError):
                _print("Stopping.")
        starting.cancel()
        stopping.cancel()
        server.should_exit = True
        await asyncio.gather(starting, return_exceptions=True)
        await serving


async def _deploy_all(rehearsal: Rehearsal) -> None:
    """Deploys the apps of all frameworks concurrently. Raises `UsageError`."""
    frameworks = find_frameworks()
    _print(f"Deploying {', '.join(framework.name for framework in frameworks)} with rsconnect")
    guids = [reserve(rehearsal, framework) for framework in frameworks]
    progress = Progress(_print)

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


async def _announce(rehearsal: Rehearsal) -> None:
    """Prints the address with the publisher's key, since only that user deploys, and other keys."""
    url, publisher = rehearsal.settings.url, rehearsal.publisher
    _print("To deploy to it, paste these two lines into another terminal:")
    _print(f"\n  export CONNECT_SERVER={url}\n  export CONNECT_API_KEY={publisher.api_key}\n")
    for user in rehearsal.state.users():
        if user.guid != publisher.guid:
            _print(f"The API key of the {user.role} {user.username} is {user.api_key}")


def main() -> int:
    """Returns 0 after the command was completed or stopped by a signal, and 1 if it failed."""
    options = _arguments()
    if options.command == "logs":
        return exit_code("rehearsal", lambda: show_log(options.state, options.name))
    return exit_code("rehearsal", lambda: asyncio.run(_serve(options)))


if __name__ == "__main__":
    sys.exit(main())
