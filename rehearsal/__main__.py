"""`python -m rehearsal`: a local stand-in for a Connect server, with every framework's app deployed to it.

- `run` (what `make run` calls): start it, deploy all apps with rsconnect, show the landing page.
- `rehearse` (`make rehearse`): start it as it was left, and print where it is and its API keys.
- `logs NAME` (`make rehearse-logs`): what its active version printed, or its newest if none is active.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import sqlite3
import sys
import time
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rehearsal.frameworks import ROOT, Framework, find_frameworks

if TYPE_CHECKING:
    from rehearsal.server import Rehearsal

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
    parser.add_argument("--host", default=os.environ.get("HOST") or "127.0.0.1")
    parser.add_argument("--port", default=os.environ.get("PORT") or "3939")
    parser.add_argument("--profile", default=os.environ.get("PROFILE") or "included")
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


async def _serve(options: argparse.Namespace) -> None:
    from rehearsal.profiles import UnknownProfileError, find_profile
    from rehearsal.publishing import NotPublishedError, publish, reserve
    from rehearsal.server import Rehearsal, Settings
    from rehearsal.serving import AddressInUseError, Server, listen
    from rehearsal.state import StateInUseError

    host, port = options.host, _port(options.port)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)

    try:
        profile = find_profile(options.profile)
        sock = listen(host, port)
    except UnknownProfileError as error:
        raise CannotRunError(f"{error.args[0]} Set PROFILE.") from None
    except AddressInUseError:
        raise CannotRunError(
            f"Port {port} on {host} is in use: stop what listens there, or choose another one"
            f" (make {options.command} PORT={port + 1})."
        ) from None
    except OSError as error:
        raise CannotRunError(f"Cannot listen on {host}: {error.strerror}; set HOST.") from None
    if not ip_address(sock.getsockname()[0]).is_loopback:
        _say(
            f"Listening on {host}: whoever reaches this machine can be any user here and read logs."
        )
    url = f"http://{_reachable(host)}:{sock.getsockname()[1]}"

    deploys = options.command == "run"
    settings = Settings(
        options.state,
        url,
        profile,
        environments=ROOT / "build" / "rehearsal" / "environments",
        resume=not deploys,
    )
    try:
        rehearsal = Rehearsal(settings)
    except StateInUseError as error:
        sock.close()
        raise CannotRunError(f"{error} Stop it, or set REHEARSAL_STATE.") from None
    except (OSError, sqlite3.Error) as error:
        sock.close()
        raise _unusable(options.state, error) from None

    server = Server(rehearsal)
    serving = asyncio.create_task(server.serve(sockets=[sock]))
    stopping: asyncio.Future[Literal[True]] = asyncio.create_task(stop.wait())

    async def deploy_all() -> None:
        frameworks = find_frameworks()
        _say(f"Deploying {', '.join(framework.name for framework in frameworks)} with rsconnect")
        guids = [reserve(rehearsal, framework) for framework in frameworks]
        begun = time.monotonic()

        async def deploy(framework: Framework, guid: str) -> None:
            def say(step: str) -> None:
                _say(f"  {time.monotonic() - begun:5.1f} s  {framework.name:<8} {step}")

            await publish(framework, guid, rehearsal, say)
            say(f"{url}/{framework.name}/")

        await asyncio.gather(*map(deploy, frameworks, guids))

    deploying = asyncio.create_task(deploy_all() if deploys else _announce(rehearsal))
    try:
        await asyncio.wait((deploying, stopping, serving), return_when=asyncio.FIRST_COMPLETED)
        if deploying.done():
            deploying.result()
            _say(
                f"Ready: {url}/  (a rehearsal, not Connect; profile {profile.name}; Ctrl-C stops all)"
            )
            await asyncio.wait((stopping, serving), return_when=asyncio.FIRST_COMPLETED)
    except NotPublishedError as error:
        raise CannotRunError(str(error)) from None
    finally:
        deploying.cancel()
        stopping.cancel()
        server.should_exit = True
        await asyncio.gather(deploying, return_exceptions=True)
        await serving
        rehearsal.state.close()
        sock.close()


async def _announce(rehearsal: "Rehearsal") -> None:
    _say("To deploy to it:")
    _say(f"  export CONNECT_SERVER={rehearsal.settings.url}")
    for user in rehearsal.state.users():
        _say(f"  export CONNECT_API_KEY={user.api_key}  # {user.username}, {user.role}")


_Row = tuple[str, int | None, str, str | None]
_LAST_VERSIONS = """
    SELECT guid, ifnull(bundle_id, (SELECT max(id) FROM bundles WHERE content_guid = guid)), name, vanity
    FROM content ORDER BY name"""


def _named(name: str, rows: list[_Row]) -> _Row | None:
    """The content that has that name, or the only one whose name ends with it: greetings_in_quart."""
    for row in rows:
        guid, _, own_name, vanity = row
        if name in (guid, own_name, (vanity or "").strip("/")):
            return row
    ending = [row for row in rows if row[2].endswith(f"_{name}")]
    return ending[0] if len(ending) == 1 else None


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
    if name and (found := _named(name.strip("/"), rows)):
        guid, bundle_id, own_name, _ = found
        log = state / "logs" / guid / f"{bundle_id}.log"
        if not log.is_file():
            raise CannotRunError(f"{own_name} has no log: no process of it was started yet.")
        sys.stdout.write(log.read_text("utf-8", "replace"))
        return
    names = ", ".join(row[2] for row in rows) or "none"
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
