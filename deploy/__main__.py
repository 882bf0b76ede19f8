"""Command line that bundles and deploys a framework's app, or the comparison site.

- `bundle NAME` (`make bundle-<name>`): stages `build/bundles/<name>/` and starts it once.
- `deploy NAME` (`make deploy-<name>`): does the same, runs rsconnect, and then checks the contract
  at the deployed address.
- `site` (`make deploy-site`): runs rsconnect for the comparison site, which `make site` has built.
"""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.pages import SITE, deploy_pages
from deploy.rsconnect import deploy, find_flags, find_target
from deploy.staging import bundle_lock, stage_locked
from deploy.trial import verify
from deploy.verdict import check_contract
from tooling.commands import exit_code
from tooling.files import locked
from tooling.frameworks import find_framework


def _bundle(options: argparse.Namespace) -> None:
    framework = find_framework(options.name)
    with locked(bundle_lock(framework)):
        verify(framework, stage_locked(framework, options.store), options.store)


def _deploy(options: argparse.Namespace, environ: Mapping[str, str]) -> None:
    framework = find_framework(options.name)
    target = find_target(environ, framework.name, options.server)
    flags = find_flags(environ)
    url = deploy(framework, target, flags, environ, options.store)
    print(f"Checking the contract at {url} ...", flush=True)
    check_contract(framework, url, target, environ, options.store)
    print(f"{framework.title} is deployed and keeps the contract: {url}", flush=True)


def _deploy_site(options: argparse.Namespace, environ: Mapping[str, str]) -> None:
    target = find_target(environ, "site", options.server)
    url = deploy_pages(options.folder, target, find_flags(environ), environ)
    print(f"The site is deployed: {url}", flush=True)


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Returns the exit code: 0, or 1 after an error, which is printed as one line."""
    parser = argparse.ArgumentParser(
        prog="python -m deploy",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for command in ("bundle", "deploy"):
        options = commands.add_parser(command)
        options.add_argument("name", help="the name of the framework")
        options.add_argument("--store", help="the database whose driver the bundle has: postgres")
    site = commands.add_parser("site")
    site.add_argument("--folder", type=Path, default=SITE)
    for parsed in (options, site):
        parsed.add_argument("--server", help="a server that `rsconnect add` saved under this name")
    chosen = parser.parse_args(arguments)
    if chosen.command == "bundle":
        return exit_code("bundle", lambda: _bundle(chosen))
    if chosen.command == "site":
        return exit_code("deploy", lambda: _deploy_site(chosen, environ))
    return exit_code("deploy", lambda: _deploy(chosen, environ))


if __name__ == "__main__":
    sys.exit(main())
