"""Deploys a bundle to a Connect server with the real rsconnect.

rsconnect makes every request of a deployment. The server is a saved one (`--server`), or what
`CONNECT_SERVER` and `CONNECT_API_KEY` name; `RSCONNECT_FLAGS` are further flags for rsconnect.
"""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rsconnect.environment import fake_module_file_from_directory
from rsconnect.metadata import AppStore, ServerStore, config_dirname

from deploy.staging import bundle_folder, bundle_lock
from deploy.trial import stage_and_verify
from tooling.errors import UsageError
from tooling.files import locked
from tooling.frameworks import Framework

# --- Where to


@dataclass(frozen=True)
class Target:
    """A Connect server as rsconnect is told of it."""

    url: str
    """The key of rsconnect's records. Without a final slash, unless it was saved with one."""
    api_key: str | None
    """None after `rsconnect login`, which leaves tokens instead of a key."""
    saved_as: str | None
    """Its name in rsconnect's store; None where the environment names the server."""

    def variables(self, environ: Mapping[str, str]) -> dict[str, str]:
        """The variables for rsconnect. A key of the environment reaches it in this way only."""
        # A key from the environment must not go to a server that was saved under a name.
        kept = {key: value for key, value in environ.items() if key not in CONNECTION}
        if self.saved_as is None and self.api_key is not None:
            kept |= {"CONNECT_SERVER": self.url, "CONNECT_API_KEY": self.api_key}
        # Its output is passed on as it comes; and it would ask PyPI about itself, and wait for the
        # answer.
        return {"RSCONNECT_DISABLE_VERSION_CHECK": "1", **kept, "PYTHONUNBUFFERED": "1"}


CONNECTION = ("CONNECT_SERVER", "CONNECT_API_KEY")


def without_credentials(folder: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Variables with which git tells the address of `origin` without a user and a password.

    rsconnect sends that address to the server, as metadata of the bundle, from Connect 2025.12 on.
    """
    try:
        told = subprocess.run(
            ["git", "remote", "get-url", "origin"], cwd=folder, capture_output=True, text=True
        )
    except FileNotFoundError:
        return {}
    credentials = re.match(r"(https?://)[^/@\s]*(?:@[^/@\s]*)*@", told.stdout)
    if credentials is None:
        return {}
    # git-config(1), GIT_CONFIG_COUNT: one more setting, after those that are there.
    number = environ.get("GIT_CONFIG_COUNT", "0")
    return {
        "GIT_CONFIG_COUNT": f"{int(number) + 1 if number.isdecimal() else 1}",
        f"GIT_CONFIG_KEY_{number}": f"url.{credentials[1]}.insteadOf",
        f"GIT_CONFIG_VALUE_{number}": credentials[0],
    }


_HOW_TO = """Either save a server once, under a name of your choice,
    .venv/bin/rsconnect add --name work --server https://connect.example.org
  with its key in CONNECT_API_KEY, and give that name: make deploy-{name} SERVER=work
or put both into the environment:
    export CONNECT_SERVER=https://connect.example.org CONNECT_API_KEY=...
A publisher makes keys on the server itself: https://docs.posit.co/connect/user/api-keys/"""


def find_target(environ: Mapping[str, str], name: str, saved_as: str | None = None) -> Target:
    """The saved server of that name, else the one that `CONNECT_SERVER` and `CONNECT_API_KEY` name.

    Raises `UsageError` saying what is missing and how to get it.
    """
    if saved_as:
        return _saved_target(saved_as)
    url, api_key = (environ.get(key, "").strip() for key in CONNECTION)
    if not url or not api_key:
        missing = " and ".join(
            key for key, value in zip(CONNECTION, (url, api_key), strict=True) if not value
        )
        how_to = _HOW_TO.format(name=name)
        raise UsageError(f"No server to deploy to: SERVER is not set, nor {missing}.\n{how_to}")
    if not re.match(r"https?://[^/]", url):
        raise UsageError(f"CONNECT_SERVER must be an http(s) address, not {url!r}.")
    # rsconnect files its record under the address as it is written, so that a slash more would be
    # another server, and the next deployment another content.
    return Target(url.rstrip("/"), api_key, None)


def _saved_target(saved_as: str) -> Target:
    try:
        store = ServerStore(config_dirname())
    except ValueError:
        raise UsageError(
            f"rsconnect's list of servers, in {config_dirname()}, is not readable."
        ) from None
    entry = store.get_by_name(saved_as)
    if entry is None:
        servers = store.get_all_servers()  # type: ignore[no-untyped-call]
        names = ", ".join(server["name"] for server in servers) or "none"
        raise UsageError(
            f"rsconnect has no server saved as {saved_as}; there are: {names}. Save it with:"
            f" .venv/bin/rsconnect add --name {shlex.quote(saved_as)} --server <address>"
        )
    if not entry.get("api_key") and not entry.get("oauth_client_id"):
        raise UsageError(f"What rsconnect has saved as {saved_as} is not a Connect server.")
    return Target(entry["url"], entry.get("api_key"), saved_as)


def find_flags(environ: Mapping[str, str]) -> list[str]:
    """`RSCONNECT_FLAGS`, split as a shell would; raises `UsageError` for flags that have no place
    there.
    """
    try:
        flags = shlex.split(environ.get("RSCONNECT_FLAGS", ""))
    except ValueError as error:
        raise UsageError(f"RSCONNECT_FLAGS cannot be split into flags: {error}.") from None
    if _has(flags, "api-key", "k"):
        raise UsageError(
            "RSCONNECT_FLAGS must not hold an API key: everybody on this machine can list the"
            " command lines of others; use CONNECT_API_KEY."
        )
    if _has(flags, "name", "n") or _has(flags, "server", "s"):
        raise UsageError("RSCONNECT_FLAGS must not name a server: use SERVER, or CONNECT_SERVER.")
    return flags


def _has(flags: Sequence[str], long: str, short: str) -> bool:
    # -v, -i and -N take no value, and so may stand before another short flag in the same word.
    return any(re.match(rf"--{long}\b|-[viN]*{short}", flag) for flag in flags)


# --- rsconnect


def makes_new_content(bundle: Path, target: Target, flags: Sequence[str]) -> bool:
    """Whether rsconnect will make new content, instead of updating what it recorded or what is
    named.
    """
    known = AppStore(fake_module_file_from_directory(str(bundle))).get(target.url) is not None
    return _has(flags, "new", "N") or not (known or _has(flags, "app-id", "a"))


def rsconnect_command(
    framework: Framework, bundle: Path, target: Target, flags: Sequence[str]
) -> list[str]:
    """The command line that deploys a bundle; `flags` come late, so that a repeated one wins."""
    options = ["--entrypoint", framework.entrypoint]
    if target.saved_as is not None:
        options += ["--name", target.saved_as]
    if makes_new_content(bundle, target, flags):
        # Only then: the owner may have given it another title since.
        options += [
            "--title",
            framework.pyproject["tool"]["rsconnect"].get("title", framework.title),
        ]
    rsconnect = Path(sys.executable).with_name("rsconnect")
    return [str(rsconnect), "deploy", "fastapi", *options, *flags, str(bundle)]


def run(
    command: Sequence[str],
    environment: Mapping[str, str],
    secret: str | None,
    cwd: Path | None = None,
) -> tuple[int, str]:
    """Runs a command, passing its output on as it comes; gives its exit code and that output.

    `secret` is replaced wherever the output holds it: rsconnect masks its key, but the report of a
    failed case may show a request with all its headers.
    """
    with subprocess.Popen(
        command,
        cwd=cwd,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        bufsize=0,
    ) as process:
        stdout, output = process.stdout, b""
        assert stdout is not None
        # Not line by line: rsconnect says what it begins, and ends the line when that is done.
        chunks = iter(lambda: stdout.read(65536), b"")
        for chunk in hide((secret or "").encode(), chunks):
            output += chunk
            sys.stdout.buffer.write(chunk)
            sys.stdout.flush()
    return process.returncode, output.decode(errors="replace")


def hide(secret: bytes, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes without the secret; what may be the beginning of one is held back until it is
    clear.
    """
    if not secret:
        yield from chunks
        return
    held = b""
    for chunk in chunks:
        held = (held + chunk).replace(secret, b"***")
        begun = max(n for n in range(len(secret)) if held.endswith(secret[:n]))
        yield held[: len(held) - begun]
        held = held[len(held) - begun :]
    yield held


def draft_bundle(output: str) -> str | None:
    """The id of the bundle that rsconnect left as a draft; None where it activated it.

    rsconnect says so and nowhere writes it down: `Draft content URL: .../draft/<id>`. It also says
    that of a draft that it activates in the next step, and then `Direct content URL`.
    """
    last = None
    for match in re.finditer(r"/draft/([\w-]+)|Direct content URL:", output):
        last = match[1]
    return last


def deployed_url(bundle: Path, target: Target, output: str) -> str:
    """The address of what rsconnect deployed, with a final slash.

    It begins with the server's address as we know it, not as the server spells its own: that one
    the key was given for. The content's id is in rsconnect's record, beside the bundle.
    """
    record = AppStore(fake_module_file_from_directory(str(bundle))).get(target.url)
    if record is None or not record["app_guid"]:
        raise UsageError("rsconnect wrote no record of what it deployed.")
    url = f"{target.url.rstrip('/')}/content/{record['app_guid']}/"
    draft = draft_bundle(output)
    return f"{url}_bundle{draft}/" if draft else url


def deploy(
    framework: Framework,
    target: Target,
    flags: Sequence[str],
    environ: Mapping[str, str],
    store: str | None = None,
) -> str:
    """Bundles, verifies and deploys; gives the address of the deployed app.

    Raises `UsageError` before anything is sent, and `UsageError`.
    """
    # Until the upload is over, nobody stages another bundle in its place.
    with locked(bundle_lock(framework)):
        if store and makes_new_content(bundle_folder(framework), target, flags):
            _check_variable(store, flags)
        bundle = stage_and_verify(framework, store)
        print(f"Deploying to {target.url} ...", flush=True)
        if makes_new_content(bundle, target, flags) and not _has(flags, "new", "N"):
            print(
                "Nothing was deployed there from here before, so this makes new content. To"
                ' update content that is there: RSCONNECT_FLAGS="--app-id <guid>".',
                flush=True,
            )
        command = rsconnect_command(framework, bundle, target, flags)
        settings = target.variables(environ) | without_credentials(bundle, environ)
        code, output = run(command, settings, target.api_key)
        if code:
            raise UsageError(_failure(framework, code, output))
        return deployed_url(bundle, target, output)


def _check_variable(store: str, flags: Sequence[str]) -> None:
    """New content has no variables yet. Raises `UsageError` where the app would not find its
    database.
    """
    if not any("GREETINGS_URL" in flag for flag in flags):
        raise UsageError(
            f"STORE={store} brings the driver, but the app also needs the address of the database:"
            ' export GREETINGS_URL=postgresql://..., and add RSCONNECT_FLAGS="-E GREETINGS_URL".'
        )


def _failure(framework: Framework, code: int, output: str) -> str:
    if "Try setting the --new flag" in output:
        return (
            f"The server has no such content any more, or not for you. To make new content instead:"
            f" make deploy-{framework.name} RSCONNECT_FLAGS=--new"
        )
    return f"rsconnect did not deploy it (exit code {code}); why, it says above."
