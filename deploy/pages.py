"""Deploys a folder of static pages with `rsconnect deploy html`."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.rsconnect import (
    Target,
    deployed_url,
    makes_new_content,
    run,
    without_credentials,
)
from tooling.errors import UsageError
from tooling.frameworks import ROOT

SITE = ROOT / "build" / "site"
"""What `make site` builds."""
TITLE = "The frameworks side by side"


def pages_command(folder: Path, target: Target, flags: Sequence[str]) -> list[str]:
    """Returns the command line. `flags` override the options before them."""
    options = ["--entrypoint", "index.html"]
    if target.saved_as is not None:
        options += ["--name", target.saved_as]
    if makes_new_content(folder, target, flags):
        options += ["--title", TITLE]
    rsconnect = Path(sys.executable).with_name("rsconnect")
    return [str(rsconnect), "deploy", "html", *options, *flags, str(folder)]


def deploy_pages(
    folder: Path, target: Target, flags: Sequence[str], environ: Mapping[str, str]
) -> str:
    """Deploys the folder; returns its address on the server. Raises `UsageError`."""
    if not (folder / "index.html").is_file():
        raise UsageError(f"There is no site in {folder}: run make site.")
    print(f"Deploying to {target.url} ...", flush=True)
    command = pages_command(folder, target, flags)
    settings = target.variables(environ) | without_credentials(ROOT, environ)
    code, output = run(command, settings, target.api_key)
    if code:
        raise UsageError(
            f"rsconnect did not deploy the site (exit code {code}); see its output above."
        )
    return deployed_url(folder, target, output)
