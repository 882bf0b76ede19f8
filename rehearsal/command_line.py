"""The commands that start a rehearsal or read its logs, with their options."""

import argparse
import asyncio
import contextlib
import os
import signal
import socket
import sqlite3
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from rehearsal.access import host_names
from rehearsal.logs import show_log, unusable
from rehearsal.profiles import PROFILES, find_profile
from rehearsal.server import Rehearsal, Settings
from rehearsal.storage.database import State
from tooling.commands import exit_code, port, port_of
from tooling.errors import UsageError
from tooling.frameworks import ROOT, Framework
from tooling.serving import Server, listen

Start = Callable[[Rehearsal], Coroutine[None, None, None]]
"""What is done as soon as a rehearsal serves."""


@dataclass(frozen=True)
class Examples:
    """The apps of this repository: `run` deploys them, and the dashboard describes them."""

    frameworks: Sequence[Framework]
    deploy: Start
    """Deploys them all. Raises `UsageError`."""


def _arguments(description: str | None, commands: Sequence[str]) -> argparse.Namespace:
    texts = ["Profiles (PROFILE=...), each a possible behaviour of a Connect server:"]
    for profile in PROFILES.values():
        texts += [f"  {profile.name}", f"    {profile.stands_for}", f"    {profile.evidence}"]
    parser = argparse.ArgumentParser(
        prog="python -m rehearsal",
        description=description,
        epilog="\n".join(texts),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", nargs="?", default=commands[0], choices=commands)
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
    parser.set_defaults(site=None)
    if "run" in commands:
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


async def _serve(options: argparse.Namespace, examples: Examples | None) -> None:
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
            frameworks=examples.frameworks if examples else (),
        )
        start = examples.deploy if examples and options.command == "run" else _announce
        await _run(Rehearsal(settings, state), start, sock, stop)


async def _run(
    rehearsal: Rehearsal, start: Start, sock: socket.socket, stop: asyncio.Event
) -> None:
    """Serves until `stop` is set, and calls `start`. Raises what `start` raises."""
    server = Server(rehearsal)
    serving = asyncio.create_task(server.serve(sockets=[sock]))
    stopping = asyncio.create_task(stop.wait())
    starting = asyncio.create_task(start(rehearsal))
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


async def _announce(rehearsal: Rehearsal) -> None:
    """Prints the address with the publisher's key, since only that user deploys, and other keys."""
    url, publisher = rehearsal.settings.url, rehearsal.publisher
    _print("To deploy to it, paste these two lines into another terminal:")
    _print(f"\n  export CONNECT_SERVER={url}\n  export CONNECT_API_KEY={publisher.api_key}\n")
    for user in rehearsal.state.users():
        if user.guid != publisher.guid:
            _print(f"The API key of the {user.role} {user.username} is {user.api_key}")


def main(description: str | None, examples: Examples | None = None) -> int:
    """Returns 0 after the command was completed or stopped by a signal, and 1 if it failed.

    Without `examples` there is no command `run`.
    """
    commands = (*(("run",) if examples else ()), "rehearse", "logs")
    options = _arguments(description, commands)
    if options.command == "logs":
        return exit_code("rehearsal", lambda: show_log(options.state, options.name))
    return exit_code("rehearsal", lambda: asyncio.run(_serve(options, examples)))
