"""Checks the contract at the address of a deployed app.

rsconnect's own check accepts a 404.
"""

import sys
from collections.abc import Mapping

from deploy.rsconnect import CONNECTION, IDENTITY, Target, run
from tooling.errors import UsageError
from tooling.frameworks import Framework

_STORES = {"postgres": "postgresql"}
"""The name of the store in `GET /health`, for each value of `STORE`."""


def run_contract(
    framework: Framework,
    url: str,
    target: Target,
    environ: Mapping[str, str],
    store: str | None = None,
) -> tuple[int, str]:
    """Runs the contract against a deployed app. Returns pytest's exit code and its output."""
    dropped = (*CONNECTION, *IDENTITY, "API_KEY")
    environment = {key: value for key, value in environ.items() if key not in dropped}
    if certificates := environ.get("CONNECT_CA_CERTIFICATE"):
        # The ssl module, which HTTP clients use, reads this name instead.
        environment.setdefault("SSL_CERT_FILE", certificates)
    if target.api_key is not None:
        environment["API_KEY"] = target.api_key
    else:
        print("Checking without an API key, as an anonymous visitor.", flush=True)
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "tests/contract/test_contract.py"]
    return run(
        [
            *command,
            *("--url", url, "--app", framework.name),
            *(("--store", _STORES.get(store, store)) if store else ()),
        ],
        {**environment, "PYTHONUNBUFFERED": "1"},
        target.api_key,
        framework.folder.parent,
    )


def check_contract(
    framework: Framework,
    url: str,
    target: Target,
    environ: Mapping[str, str],
    store: str | None = None,
) -> None:
    """Runs the contract against a deployed app. Raises `UsageError` if a case fails."""
    code, output = run_contract(framework, url, target, environ, store)
    if store and "HEALTH-1 fails" in output:
        raise UsageError(
            f"The app at {url} does not answer from its database: GET /health states why. It reads"
            " the address from the content's variable GREETINGS_URL:"
            ' RSCONNECT_FLAGS="-E GREETINGS_URL" sets it.'
        )
    if code == 1:
        hint = " (With RSCONNECT_FLAGS=--draft the check runs before the app becomes public.)"
        raise UsageError(
            f"The app at {url} does not keep the contract: the failed cases are listed above."
            + ("" if "/_bundle" in url else hint)
        )
    if code:
        raise UsageError(f"The contract could not be checked at {url} (pytest's exit code {code}).")
