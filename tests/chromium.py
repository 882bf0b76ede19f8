"""The browser of the browser tests: the system's Chromium, else what `python -m tests.chromium`
installs.
"""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, Playwright, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")

MISSING = """\
No Chromium for the browser tests. Do one of these:
  - `make chromium`, which as root on Debian installs the system's package,
  - install your system's package (Debian: apt install chromium;
    macOS: brew install --cask chromium),
  - set CHROMIUM=/path/to/a/chromium,
  - let Playwright download its own into the checkout:
    PLAYWRIGHT_BROWSERS_PATH=build/browsers {python} -m playwright install chromium"""


class NoChromiumError(RuntimeError):
    """There is none, and none can be had; the message says how to mend that."""

    def __init__(self, why: str = "") -> None:
        super().__init__(MISSING.format(python=sys.executable) + (f"\n{why}" if why else ""))


def find(playwright: Playwright) -> Path | None:
    """`CHROMIUM`, else the system's, else Playwright's own."""
    if named := os.environ.get("CHROMIUM"):
        return Path(named)
    for name in NAMES:
        if found := shutil.which(name):
            return Path(found)
    own = Path(playwright.chromium.executable_path)
    return own if own.exists() else None


def launch(playwright: Playwright) -> Browser:
    """A headless Chromium. Raises `NoChromiumError`."""
    executable = find(playwright)
    if executable is None:
        raise NoChromiumError
    # Chromium refuses its sandbox to root, as which containers and CI run.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    try:
        return playwright.chromium.launch(executable_path=executable, args=arguments)
    except Error as error:
        first = str(error).splitlines()[0]
        raise NoChromiumError(f"{executable} does not start: {first}") from error


def launch_for_test(playwright: Playwright) -> Browser:
    """As `launch`; without a Chromium the test is reported as not run, and the run fails."""
    try:
        return launch(playwright)
    except NoChromiumError as error:
        missing = error
    pytest.fail(f"Not run: {missing}", pytrace=False)


def install_own() -> None:
    """Playwright's own, into the checkout."""
    print("Installing Playwright's Chromium into build/browsers", flush=True)
    subprocess.run(
        [sys.executable, "-m", "playwright", "install", "chromium"],
        env={"PLAYWRIGHT_BROWSERS_PATH": "build/browsers", **os.environ},
        capture_output=True,
        check=False,
    )


def install_package() -> None:
    """Debian's, where this user may install packages."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return
    print("That does not work here; installing Debian's package chromium, system-wide", flush=True)
    for command in (["update"], ["install", "-y", "--no-install-recommends", "chromium"]):
        subprocess.run(
            ["apt-get", "-qq", *command],
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            stdout=subprocess.DEVNULL,
            check=False,
        )


def main() -> None:
    """Installs Chromium if it is missing; exits with a message if it is missing afterwards."""
    parser = argparse.ArgumentParser(prog="python -m tests.chromium", description=__doc__)
    parser.add_argument("--system", action="store_true", help="a package of the system will do")
    options = parser.parse_args()
    with sync_playwright() as playwright:
        ways: list[Callable[[], None] | None] = [None]
        # What CHROMIUM names is taken as it is, or refused.
        if not os.environ.get("CHROMIUM"):
            ways += [install_own, install_package] if options.system else [install_own]
        for provide in ways:
            if provide is not None:
                provide()
            try:
                launch(playwright).close()
            except NoChromiumError as error:
                missing = error
            else:
                return
        sys.exit(str(missing))


if __name__ == "__main__":
    main()
