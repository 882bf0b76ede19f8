"""`python -m rehearsal`: a local stand-in for a Connect server, with every framework's app deployed to it.

- `run` (what `make run` calls): start it, deploy all apps with rsconnect, show the landing page.
- `rehearse` (`make rehearse`): start it as it was left, and print where it is and its API keys.
- `logs NAME` (`make rehearse-logs`): what its active version printed, or its newest if none is active.
"""

import signal

# Before the other imports, which take half a second: Ctrl-C shows no traceback of them.
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import argparse
import asyncio
import contextlib
import os
import re
import socket
import sqlite3
import sys
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from rehearsal.progress import Progress
from tooling.commands import port_of
from tooling.frameworks import ROOT, Framework, find_frameworks

if TYPE_CHECKING:
    from rehearsal.server import Rehearsal
    from rehearsal.storage.database import State

_NEEDED = ("h11", "jinja2", "packaging", "rsconnect", "starlette", "uv", "uvicorn", "wsproto")


class CannotRunError(Exception):
    """One line that says what to do about it."""


def _profiles() -> str:
    from rehearsal.profiles import PROFILES

    texts = ["Profiles (PROFILE=...), each one way in which a Connect server may behave:"]
    for profile in PROFILES.values():
        texts += [f"  {profile.name}", f"    {profile.stands_for}", f"    {profile.evidence}"]
    return "\n".join(texts)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m rehearsal",
        description=__doc__,
        epilog=_profiles(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", nargs="?", default="run", choices=("run", "rehearse", "logs"))
    parser.add_argument("name", nargs="?", help="of content: its name, vanity path or GUID")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", default=f"{port_of(os.environ, 3939)}")
    parser.add_argument("--profile", default="included")
    parser.add_argument(
        "--state",
        default=os.environ.get("REHEARSAL_STATE") or ROOT / "build" / "rehearsal",
        type=Path,
    )
    return parser.parse_args()


def _say(text: str) -> None:
    print(text, flush=True)


def _port(text: str) -> int:
    if not (text.isdecimal() and int(text) < 65536):
        raise CannotRunError(f"PORT must be a number from 0 to 65535, not {text!r}.")
    return int(text)


def _reachable(host: str) -> str:
    """The host as a URL names it; loopback where it stands for every address, which is no address."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"[{host}]" if ":" in host else host


def _unusable(state: Path, error: OSError | sqlite3.Error) -> CannotRunError:
    reason = (error.strerror if isinstance(error, OSError) else None) or error
    return CannotRunError(
        f"The state in {state} cannot be used ({reason}): remove it, or set REHEARSAL_STATE."
    )


def _open_state(directory: Path) -> "State":
    """Raises `CannotRunError` where another rehearsal has it, and where it cannot be used."""
    from rehearsal.storage.database import State, StateInUseError

    try:
        return State(directory)
    except StateInUseError as error:
        raise CannotRunError(str(error)) from None
    except (OSError, sqlite3.Error) as error:
        raise _unusable(directory, error) from None


def _listen(host: str, port: int, command: str) -> socket.socket:
    """Raises `CannotRunError`; for a port in use it names one that is free."""
    from tooling.serving import AddressInUseError, free_port_after, listen

    try:
        return listen(host, port)
    except AddressInUseError:
        raise CannotRunError(
            f"Port {port} on {host} is in use: stop what listens there, or choose another one"
            f" (make {command} PORT={free_port_after(port, host)})."
        ) from None
    except OSError as error:
        raise CannotRunError(f"Cannot listen on {host}: {error.strerror}; set HOST.") from None


async def _serve(options: argparse.Namespace) -> None:
    """Serves until a signal comes; nothing that was started runs after it returns or raises."""
    from rehearsal.profiles import UnknownProfileError, find_profile
    from rehearsal.server import Rehearsal, Settings

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # nohup has SIGHUP ignored.
        if signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, stop.set)

    host, port = options.host, _port(options.port)
    try:
        profile = find_profile(options.profile)
    except UnknownProfileError as error:
        raise CannotRunError(f"{error.args[0]} Set PROFILE.") from None
    # The state comes before the port: where this checkout's rehearsal runs already, it can say where.
    with (
        contextlib.closing(_open_state(options.state)) as state,
        _listen(host, port, options.command) as sock,
    ):
        if not ip_address(sock.getsockname()[0]).is_loopback:
            _say(
                f"Listening on {host}: whoever reaches this machine can be any user here and read logs."
            )
        url = f"http://{_reachable(host)}:{sock.getsockname()[1]}"
        state.announce(url)
        settings = Settings(
            options.state,
            url,
            profile,
            environments=ROOT / "build" / "rehearsal" / "environments",
            resume=options.command != "run",
        )
        await _run(Rehearsal(settings, state), options.command, sock, stop)


async def _run(
    rehearsal: "Rehearsal", command: str, sock: socket.socket, stop: asyncio.Event
) -> None:
    """Serves and deploys until `stop` is set. Raises `CannotRunError` where an app is not deployed."""
    from rehearsal.first_deploy import NotPublishedError
    from tooling.serving import Server

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
            _say(
                f"Ready: {settings.url}/  (a rehearsal, not Connect; profile {settings.profile.name};"
                " Ctrl-C stops all)"
            )
            await asyncio.wait((stopping, serving), return_when=asyncio.FIRST_COMPLETED)
    except NotPublishedError as error:
        raise CannotRunError(str(error)) from None
    finally:
        if stop.is_set():
            # A terminal that was closed takes no more output.
            with contextlib.suppress(OSError):
                _say("Stopping.")
        starting.cancel()
        stopping.cancel()
        server.should_exit = True
        await asyncio.gather(starting, return_exceptions=True)
        await serving


async def _deploy_all(rehearsal: "Rehearsal") -> None:
    """Deploys every framework's app at the same time. Raises `NotPublishedError`."""
    from rehearsal.first_deploy import publish, reserve

    frameworks = find_frameworks()
    _say(f"Deploying {', '.join(framework.name for framework in frameworks)} with rsconnect")
    guids = [reserve(rehearsal, framework) for framework in frameworks]
    progress = Progress(_say)

    async def deploy(framework: Framework, guid: str) -> None:
        await publish(framework, guid, rehearsal, lambda step: progress.begin(framework.name, step))
        progress.end(framework.name, f"{rehearsal.settings.url}/{framework.name}/")

    reminding = asyncio.create_task(progress.remind())
    try:
        # Unlike gather, it waits for all of them when it is cancelled: each removes its copy of a bundle.
        async with asyncio.TaskGroup() as group:
            for framework, guid in zip(frameworks, guids, strict=True):
                group.create_task(deploy(framework, guid))
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    finally:
        reminding.cancel()


async def _announce(rehearsal: "Rehearsal") -> None:
    """What a user pastes into another terminal: the publisher's key, since only that user deploys."""
    url, publisher = rehearsal.settings.url, rehearsal.publisher
    _say("To deploy to it, paste these two lines into another terminal:")
    _say(f"\n  export CONNECT_SERVER={url}\n  export CONNECT_API_KEY={publisher.api_key}\n")
    for user in rehearsal.state.users():
        if user.guid != publisher.guid:
            _say(f"The API key of the {user.role} {user.username} is {user.api_key}")


_Row = tuple[str, int | None, str, str | None, str | None]
_LAST_VERSIONS = """
    SELECT guid, ifnull(bundle_id, (SELECT max(id) FROM bundles WHERE content_guid = guid)),
    name, vanity, title FROM content ORDER BY last_deployed_time DESC, id"""


def _named(text: str, rows: list[_Row]) -> _Row | None:
    """The content that is meant: by GUID, name or vanity path, else by its title, else by a name's end.

    Case and punctuation do not count: rsconnect makes the name `greetings_in_quart` of the title
    "Greetings in Quart". Of several with that title, the one that was deployed last.
    """
    name = _plain(text)
    for guid, bundle_id, own_name, vanity, title in rows:
        if name in map(_plain, (guid, own_name, vanity or "")):
            return guid, bundle_id, own_name, vanity, title
    for row in rows:
        if name == _plain(row[4] or ""):
            return row
    ending = [row for row in rows if _plain(row[2]).endswith(f"_{name}")]
    return ending[0] if len(ending) == 1 else None


def _plain(text: str) -> str:
    return re.sub(r"[\W_]+", "_", text.lower()).strip("_")


def _show_log(state: Path, name: str | None) -> None:
    """Read what a rehearsal wrote, whether it runs or not."""
    database = state / "state.sqlite"
    if not database.is_file():
        raise CannotRunError("There was no rehearsal here yet: make rehearse.")
    try:
        with contextlib.closing(
            sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)
        ) as connection:
            rows = connection.execute(_LAST_VERSIONS).fetchall()
    except sqlite3.Error as error:
        raise _unusable(state, error) from None
    if name and (found := _named(name, rows)):
        guid, bundle_id, own_name = found[:3]
        log = state / "logs" / guid / f"{bundle_id}.log"
        if not log.is_file():
            raise CannotRunError(f"{own_name} has no log: no process of it was started yet.")
        sys.stdout.write(log.read_text("utf-8", "replace"))
        return
    names = ", ".join(sorted(row[2] for row in rows)) or "none"
    raise CannotRunError(f"Name content: make rehearse-logs NAME=...; there are: {names}.")


def main() -> int:
    """Runs until SIGINT or SIGTERM; gives 0 then, 1 when it could not run."""
    try:
        missing = [name for name in _NEEDED if find_spec(name) is None]
        if missing:
            raise CannotRunError(f"Not installed here: {', '.join(missing)}: run `make setup`.")
        options = _arguments()
        if options.command == "logs":
            _show_log(options.state, options.name)
        elif not find_frameworks():
            raise CannotRunError(f"There is no <name>_app/ folder in {ROOT}.")
        else:
            asyncio.run(_serve(options))
    except CannotRunError as error:
        print(f"rehearsal: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
