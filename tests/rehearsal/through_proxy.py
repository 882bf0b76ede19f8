"""`python -m tests.rehearsal.through_proxy [PROFILE ...]`: the whole contract through the
rehearsal's proxy.

`make test-rehearsal` calls it. For each profile it deploys every framework's app with the real
rsconnect, then runs the contract, as for any deployed app, through each path that leads to it: the
content's own and its vanity path as an anonymous visitor, and a draft's as its publisher. A MUST
that fails is named, and ends it with 1.
"""

import asyncio
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rehearsal.first_deploy import publish, reserve
from rehearsal.profiles import PROFILES, Profile, find_profile
from tests.rehearsal.running import Running, answered, running
from tooling.errors import UsageError
from tooling.frameworks import ROOT, find_frameworks


@dataclass(frozen=True)
class Way:
    """A path to one app, and the key of the user who takes it."""

    name: str
    url: str
    api_key: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What pytest said of one way."""

    way: Way
    summary: str
    """Its last line; empty where not every case could be run."""
    failed: tuple[str, ...]
    """The MUST cases that fail, each with its sentence."""
    output: str

    def __str__(self) -> str:
        verdict = f"{len(self.failed)} MUST fail" if self.failed else "every MUST holds"
        return f"{verdict} ({self.summary.strip('= ')}, SHOULD included)"


def check(way: Way) -> Outcome:
    """Run the contract there."""
    environment = {**os.environ, "API_KEY": way.api_key or ""}
    command = [sys.executable, "-m", "pytest", "-q", "tests/contract/test_contract.py"]
    done = subprocess.run(
        [*command, "--url", way.url],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    failed = tuple(line for line in done.stdout.splitlines() if line.startswith("MUST "))
    summary = re.search(r"^.*\b[0-9]+ passed.*$", done.stdout, re.MULTILINE)
    complete = summary and "error" not in summary[0]
    return Outcome(way, summary[0] if summary and complete else "", failed, done.stdout)


def ways(it: Running, guids: dict[str, str]) -> Iterator[Way]:
    key = it.user("publisher").api_key
    for name, guid in guids.items():
        content = it.rehearsal.state.content(guid)
        assert content is not None
        yield Way(f"{name} at its own path", f"{it.url}/content/{guid}/")
        yield Way(f"{name} at its vanity path", f"{it.url}/{name}/")
        draft = f"{it.url}/content/{guid}/_bundle{content.bundle_id}/"
        yield Way(f"{name} as a draft", draft, key)


def greeting(it: Running, guid: str) -> bool:
    """Whether the app knows a signed-in user with a name that is not ASCII."""
    user = it.user("viewer")
    hello = answered(it.get(f"/content/{guid}/hello", "viewer"))
    return hello == {"message": f"So nice to see you, {user.username}!"}


async def deploy_all(it: Running) -> dict[str, str]:
    """The GUID of each framework's content."""
    frameworks = find_frameworks()
    guids = {framework.name: reserve(it.rehearsal, framework) for framework in frameworks}
    await asyncio.gather(*(publish(f, guids[f.name], it.rehearsal) for f in frameworks))
    return guids


def rehearse(profile: Profile) -> list[str]:
    """What of the contract is not kept under this profile."""
    print(f"Profile {profile.name}: {profile.stands_for}", flush=True)
    wrong = []
    with tempfile.TemporaryDirectory() as scratch, running(Path(scratch), profile=profile) as it:
        guids = asyncio.run(deploy_all(it))
        for name, guid in guids.items():
            if not greeting(it, guid):
                wrong.append(f"{profile.name}, {name}: the signed-in user is not greeted by name")
        with ThreadPoolExecutor(max_workers=2) as pool:
            for outcome in pool.map(check, ways(it, guids)):
                print(f"  {outcome.way.name:<28} {outcome}", flush=True)
                wrong += [f"{profile.name}, {outcome.way.name}: {line}" for line in outcome.failed]
                if not outcome.summary:
                    wrong.append(f"{profile.name}, {outcome.way.name}: {outcome.output}")
    return wrong


def main() -> int:
    try:
        profiles = [find_profile(name) for name in sys.argv[1:]] or list(PROFILES.values())
    except UsageError as error:
        print(f"test-rehearsal: {error}", file=sys.stderr)
        return 1
    wrong = [line for profile in profiles for line in rehearse(profile)]
    for line in wrong:
        print(line, file=sys.stderr)
    if not wrong:
        names = ", ".join(profile.name for profile in profiles)
        print(f"Every MUST holds for every app through the proxy: {names}.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
