"""Deploys a bundle to a Connect server with rsconnect.

rsconnect makes every request of a deployment. The server is a saved one (`--server`), or the one in
`CONNECT_SERVER` and `CONNECT_API_KEY`. In CI, `CONNECT_IDENTITY_TOKEN` may replace the key.
`RSCONNECT_FLAGS` contains further flags for rsconnect.
"""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rsconnect.environment import fake_module_file_from_directory
from rsconnect.exception import RSConnectException
from rsconnect.metadata import AppStore, ServerStore, config_dirname
from rsconnect.oauth import exchange_token_for_api_key

from deploy.staging import bundle_folder, bundle_lock, stage_locked
from deploy.trial import verify
from tooling.errors import UsageError
from tooling.files import locked
from tooling.frameworks import Framework

# --- The target


@dataclass(frozen=True)
class Target:
    """A Connect server, as it is named to rsconnect."""

    url: str
    """The key of rsconnect's records. It has no final slash, unless it was saved with one."""
    api_key: str | None
    """None after `rsconnect login`, which saves tokens instead of a key."""
    saved_as: str | None
    """The name in rsconnect's store; None if the environment names the server."""

    def variables(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Returns the variables for rsconnect; only they pass a key from the environment to it."""
        # A key from the environment must not go to a server that was saved under a name.
        kept = {k: v for k, v in environ.items() if k not in (*CONNECTION, *IDENTITY)}
        if self.saved_as is None and self.api_key is not None:
            kept |= {"CONNECT_SERVER": self.url, "CONNECT_API_KEY": self.api_key}
        # Output is forwarded without delay. Without the first variable, rsconnect queries PyPI for
        # its newest version and waits for the answer.
        return {"RSCONNECT_DISABLE_VERSION_CHECK": "1", **kept, "PYTHONUNBUFFERED": "1"}


CONNECTION = ("CONNECT_SERVER", "CONNECT_API_KEY")
IDENTITY = ("CONNECT_IDENTITY_TOKEN", "CONNECT_IDENTITY_TOKEN_FILE")
"""The names that `rsconnect login` reads, too."""


def without_credentials(folder: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Returns variables with which git reports the URL of `origin` without user and password.

    From Connect 2025.12 on, rsconnect sends that URL to the server as metadata of the bundle.
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
    # git-config(1), GIT_CONFIG_COUNT: adds one setting after the existing ones.
    number = int(environ.get("GIT_CONFIG_COUNT") or 0)
    return {
        "GIT_CONFIG_COUNT": f"{number + 1}",
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
    """Returns the saved server of that name, else that of `CONNECT_SERVER` and `CONNECT_API_KEY`.

    Without a key, an identity token is exchanged for one. Raises `UsageError`, which names what is
    missing and how to get it.
    """
    if saved_as:
        return _saved_target(saved_as)
    url, api_key = (environ.get(key, "").strip() for key in CONNECTION)
    if re.match(r"https?://[^/]", url) and not api_key and any(map(environ.get, IDENTITY)):
        api_key = _exchanged(url, environ)
    if not url or not api_key:
        missing = " and ".join(
            key for key, value in zip(CONNECTION, (url, api_key), strict=True) if not value
        )
        how_to = _HOW_TO.format(name=name)
        raise UsageError(f"No server to deploy to: SERVER is not set, nor {missing}.\n{how_to}")
    if not re.match(r"https?://[^/]", url):
        raise UsageError(f"CONNECT_SERVER must be an http(s) address, not {url!r}.")
    # rsconnect uses the unchanged address as the key of its record. With a further slash it finds
    # no record, and the next deployment creates new content.
    return Target(url.rstrip("/"), api_key, None)


def _exchanged(url: str, environ: Mapping[str, str]) -> str:
    """Returns the short-lived key that the server gives for the identity token (RFC 8693)."""
    token, file = (environ.get(key, "").strip() for key in IDENTITY)
    certificates = environ.get("CONNECT_CA_CERTIFICATE")
    try:
        return exchange_token_for_api_key(
            url.rstrip("/"),
            token or Path(file).read_text(encoding="utf-8").strip(),
            insecure=environ.get("CONNECT_INSECURE", "").lower() in ("1", "true", "yes", "on"),
            ca_data=Path(certificates).read_bytes() if certificates else None,
        )
    except (RSConnectException, OSError) as error:
        raise UsageError(f"The identity token was not exchanged for a key: {error}") from None


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
        raise UsageError(f"The server that rsconnect saved as {saved_as} is not a Connect server.")
    return Target(entry["url"], entry.get("api_key"), saved_as)


def find_flags(environ: Mapping[str, str]) -> list[str]:
    """Returns `RSCONNECT_FLAGS`, split as by a shell. Raises `UsageError` for a forbidden flag."""
    try:
        flags = shlex.split(environ.get("RSCONNECT_FLAGS", ""))
    except ValueError as error:
        raise UsageError(f"RSCONNECT_FLAGS cannot be split into flags: {error}.") from None
    if _has(flags, "api-key", "k"):
        raise UsageError(
            "RSCONNECT_FLAGS must not contain an API key, because all users of this machine can"
            " list command lines: use CONNECT_API_KEY."
        )
    if _has(flags, "name", "n") or _has(flags, "server", "s"):
        raise UsageError("RSCONNECT_FLAGS must not name a server: use SERVER, or CONNECT_SERVER.")
    return flags


def _has(flags: Sequence[str], long: str, short: str) -> bool:
    # -v, -i and -N take no value, so that another short flag may follow in the same word.
    return any(re.match(rf"--{long}\b|-[viN]*{short}", flag) for flag in flags)


# --- rsconnect


def makes_new_content(bundle: Path, target: Target, flags: Sequence[str]) -> bool:
    """Returns whether rsconnect creates new content instead of updating existing content."""
    known = AppStore(fake_module_file_from_directory(str(bundle))).get(target.url) is not None
    return _has(flags, "new", "N") or not (known or _has(flags, "app-id", "a"))


def rsconnect_command(
    framework: Framework, bundle: Path, target: Target, flags: Sequence[str]
) -> list[str]:
    """Returns the command line that deploys a bundle. `flags` override the options before them."""
    options = ["--entrypoint", framework.entrypoint]
    if target.saved_as is not None:
        options += ["--name", target.saved_as]
    if makes_new_content(bundle, target, flags):
        # Only for new content, because the owner may have changed the title of existing content.
        options += [
            "--title",
            framework.pyproject["tool"]["rsconnect"].get("title", framework.title),
        ]
    rsconnect = Path(sys.executable).with_name("rsconnect")
    return [str(rsconnect), "deploy", "fastapi", *options, *flags, str(bundle)]


def check_server(
    bundle: Path, target: Target, flags: Sequence[str], environ: Mapping[str, str]
) -> None:
    """Runs `rsconnect preflight`.

    Raises `UsageError` if no server answers as Connect does, or none of its Pythons fits. If
    rsconnect cannot find out, for example because an older server does not tell its versions,
    the deployment itself decides.
    """
    options = ["--name", target.saved_as] if target.saved_as is not None else []
    if makes_new_content(bundle, target, flags):
        options.append("--new")
    rsconnect = Path(sys.executable).with_name("rsconnect")
    done = subprocess.run(
        [str(rsconnect), "preflight", *options, str(bundle)],
        env=target.variables(environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    lines = done.stdout.splitlines()
    report = json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}
    if report.get("status") == "error":
        raise UsageError(f"{report['error'].rstrip('.')}. Nothing was uploaded.")
    if report.get("status") == "incompatible":
        versions = ", ".join(report["publishable_python_versions"]) or "no Python"
        raise UsageError(
            f"{target.url} has no Python that fits the project's requires-python"
            f" {report['python_requires']!r}: it has {versions}. Nothing was uploaded."
        )


def run(
    command: Sequence[str],
    variables: Mapping[str, str],
    secret: str | None,
    cwd: Path | None = None,
) -> tuple[int, str]:
    """Runs a command and forwards its output at once; returns the exit code and the output.

    `secret` is masked wherever it occurs in the output. rsconnect masks its key, but the report of
    a failed case may contain a request with all its headers.
    """
    with subprocess.Popen(
        command,
        cwd=cwd,
        env=dict(variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        bufsize=0,
    ) as process:
        stdout, output = process.stdout, b""
        assert stdout is not None
        # Not line by line: rsconnect begins a line with a step, and ends it after the step.
        chunks = iter(lambda: stdout.read(65536), b"")
        for chunk in hide((secret or "").encode(), chunks):
            output += chunk
            sys.stdout.buffer.write(chunk)
            sys.stdout.flush()
    return process.returncode, output.decode(errors="replace")


def hide(secret: bytes, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yields the bytes with the secret masked. Holds back what may be the beginning of a secret."""
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
    """Returns the id of the bundle that rsconnect left as a draft; None if it was activated.

    rsconnect reports this only in its output: `Draft content URL: .../draft/<id>`. It prints the
    same for a draft that it activates in the next step, followed by `Direct content URL`.
    """
    last = None
    for match in re.finditer(r"/draft/([\w-]+)|Direct content URL:", output):
        last = match[1]
    return last


def deployed_url(bundle: Path, target: Target, output: str) -> str:
    """Returns the address of the deployed content, with a final slash.

    The address begins with the target's URL, not with the server's own spelling of it, because the
    key is meant for the target's URL. The content's id is taken from rsconnect's record beside the
    bundle.
    """
    record = AppStore(fake_module_file_from_directory(str(bundle))).get(target.url)
    if record is None or not record["app_guid"]:
        raise UsageError("rsconnect wrote no record of the deployment.")
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
    """Stages, verifies and deploys a bundle; returns the address of the deployed app.

    Raises `UsageError`.
    """
    # The lock prevents another run from replacing the bundle before the upload is complete.
    with locked(bundle_lock(framework)):
        if store and makes_new_content(bundle_folder(framework), target, flags):
            _check_variable(store, flags)
        bundle = stage_locked(framework, store)
        # First, because the trial may take a minute.
        check_server(bundle, target, flags, environ)
        verify(framework, bundle, store)
        print(f"Deploying to {target.url} ...", flush=True)
        if makes_new_content(bundle, target, flags) and not _has(flags, "new", "N"):
            print(
                "No earlier deployment to this server is recorded. This creates new content."
                ' To update existing content: RSCONNECT_FLAGS="--app-id <guid>".',
                flush=True,
            )
        command = rsconnect_command(framework, bundle, target, flags)
        settings = target.variables(environ) | without_credentials(bundle, environ)
        code, output = run(command, settings, target.api_key)
        if code:
            raise UsageError(_failure(framework, code, output))
        return deployed_url(bundle, target, output)


def _check_variable(store: str, flags: Sequence[str]) -> None:
    """Raises `UsageError` if new content would have no variable `GREETINGS_URL`."""
    if not any("GREETINGS_URL" in flag for flag in flags):
        raise UsageError(
            f"STORE={store} adds the driver, but the app also needs the address of the database:"
            ' export GREETINGS_URL=postgresql://..., and add RSCONNECT_FLAGS="-E GREETINGS_URL".'
        )


def _failure(framework: Framework, code: int, output: str) -> str:
    if "Try setting the --new flag" in output or "requested object does not exist" in output:
        return (
            f"The server does not have this content, or denies access. To make new content instead:"
            f" make deploy-{framework.name} RSCONNECT_FLAGS=--new"
        )
    return f"rsconnect did not deploy the bundle (exit code {code}); see its output above."
