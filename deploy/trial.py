"""Starts a staged bundle once, in a fresh environment, before it is deployed."""

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path

import httpx

from deploy.inspection import inspect, relative_to_repository
from tooling.environments import EnvironmentFailedError, Environments
from tooling.errors import UsageError
from tooling.frameworks import Framework
from tooling.processes import AppDidNotStartError, AppProcess, connect_variables

_EXCEPTION = re.compile(r"(?:\w+\.)*(\w*(?:Error|Exception)): (.+)")
# No server listens at this database address: the app starts with the driver, and GET /greetings
# answers 503.
_TRIALS = {"postgres": ({"GREETINGS_URL": "postgresql://127.0.0.1:1/greetings"}, 503)}


def verify(framework: Framework, bundle: Path, store: str | None = None) -> None:
    """Tries out a staged bundle and prints the progress. The caller must lock `bundle_lock`."""
    print(inspect(bundle), flush=True)
    print("Installing its requirements and starting it ...", flush=True)
    try_out(bundle, store)
    print(
        f"{framework.entrypoint} starts, and answers GET / and GET /greetings correctly.",
        flush=True,
    )


def try_out(bundle: Path, store: str | None = None) -> None:
    """Installs the bundle's requirements, starts it, and requests `/` and `/greetings`.

    The server is uvicorn. The environment contains only what `requirements.txt` lists; the bundle
    is the working directory. A bundle with a database driver is tried without the database.
    Environments and logs are written to the repository's folder `build`, two levels up. Raises
    `UsageError`.
    """
    settings, greetings = _TRIALS.get(store or "", ({}, 200))
    build = bundle.parent.parent
    python = _install(bundle, build / "environments")
    entrypoint = f"{bundle.name}_app.app:app"
    # Compiled modules must not be written to the bundle, because rsconnect would upload them.
    caches = {"PYTHONPYCACHEPREFIX": str(build / "pycache")}
    app = AppProcess(
        entrypoint,
        (str(python), "-m", "uvicorn", "--fd", "{fd}"),
        log=build / "logs" / f"bundle-{bundle.name}.log",
        variables=connect_variables("http://127.0.0.1", bundle.name, caches | settings),
        directory=bundle,
    )
    with app:
        try:
            app.wait_until_ready()
        except AppDidNotStartError as error:
            reason = _reason(app.last_lines(1000)) or str(error)
            raise UsageError(f"{entrypoint} does not start from its bundle: {reason}") from None
        with httpx.Client(base_url=app.url, trust_env=False, timeout=30) as client:
            for path, status in (("/", 200), ("/greetings", greetings)):
                _check_answer(client, path, status, app.log)


def _install(bundle: Path, environments: Path) -> Path:
    output: list[str] = []
    try:
        return asyncio.run(
            Environments(environments).provide(bundle, "requirements.txt", None, output.append)
        )
    except EnvironmentFailedError:
        # Removes uv's box-drawing characters.
        words = re.sub(r"[×╰│├─▶]", " ", " ".join(output[1:])).split()
        message = " ".join(words).rpartition("error: ")[2] or "it gives no reason."
        raise UsageError(f"uv cannot install requirements.txt: {message}") from None


def _check_answer(client: httpx.Client, path: str, status: int, log: Path) -> None:
    try:
        answer = f"{client.get(path).status_code}"
    except httpx.HTTPError as error:
        answer = f"nothing ({error})"
    if answer != f"{status}":
        raise UsageError(
            f"From its bundle the app answers GET {path} with {answer} instead of {status}; its"
            f" log is {relative_to_repository(log)}."
        )


def _reason(log: Sequence[str]) -> str | None:
    """Returns the sentence in the log that states why the app did not start."""
    for line in reversed(log):
        if missing := re.search(r"No module named '?([\w.]+)", line):
            return f"requirements.txt lists nothing that provides the module {missing[1]}."
        if unloadable := re.search(r"Error loading ASGI app\. (.+)", line):
            return unloadable[1]
        if exception := _EXCEPTION.fullmatch(line.strip()):
            return f"{exception[1]}: {exception[2]}"
    return None
