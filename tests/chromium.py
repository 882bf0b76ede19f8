"""The browser of the browser tests: the system's Chromium, else what `python -m tests.chromium` installs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Browser, Playwright, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")

MISSING = """\
No Chromium for the browser tests. Any of these mends it:
  - install your system's package (Debian: apt install chromium; macOS: brew install --cask chromium),
  - set CHROMIUM=/path/to/a/chromium,
  - let Playwright download its own into the checkout:
    PLAYWRIGHT_BROWSERS_PATH=build/browsers {python} -m playwright install chromium"""


class NoChromiumError(RuntimeError):
    """There is none, and none can be had; the message says how to mend that."""

    def __init__(self) -> None:
        super().__init__(MISSING.format(python=sys.executable))


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
    return playwright.chromium.launch(executable_path=executable, args=arguments)


def install() -> None:
    """Playwright's own into the checkout, else Debian's where this user may install packages.

    Raises `NoChromiumError` where neither can be had.
    """
    print("Installing Playwright's Chromium into build/browsers", flush=True)
    own = subprocess.run(
        [sys.executable, "-m", "playwright", "install", "chromium"],
        env={"PLAYWRIGHT_BROWSERS_PATH": "build/browsers", **os.environ},
        capture_output=True,
        check=False,
    )
    if own.returncode == 0:
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print(
            "It cannot be downloaded here; installing Debian's package chromium, system-wide",
            flush=True,
        )
        for command in (
            ["update", "-qq"],
            ["install", "-y", "-qq", "--no-install-recommends", "chromium"],
        ):
            subprocess.run(
                ["apt-get", *command],
                env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
                stdout=subprocess.DEVNULL,
                check=False,
            )


def main() -> None:
    with sync_playwright() as playwright:
        if find(playwright) is None:
            install()
        try:
            launch(playwright).close()
        except NoChromiumError as error:
            sys.exit(str(error))


if __name__ == "__main__":
    main()
