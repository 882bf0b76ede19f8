"""Builds the comparison site (`make site`) from the sources and `comparison/results/`.

`make run` builds it with `--apps ./ --dashboard dashboard/`: its pages then also lead to the
running applications.
"""

import signal

# Set before the other imports: Ctrl-C then prints no traceback.
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import argparse
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from comparison.site.inputs import digest, is_current, record_of
from comparison.site.model import RESULTS, Site
from tooling.commands import exit_code
from tooling.frameworks import ROOT


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Returns the exit code: 0, or 1 after an error, which is printed as one line."""
    parser = argparse.ArgumentParser(
        prog="python -m comparison.site",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "site")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--apps", help="where the apps run, relative to the site: ./")
    parser.add_argument("--dashboard", help="the rehearsal's dashboard, relative to the site")
    parser.add_argument(
        "--if-changed", action="store_true", help="only if the inputs changed; print errors only"
    )
    chosen = parser.parse_args(arguments)
    site = Site(
        results=chosen.results,
        apps=chosen.apps,
        dashboard=chosen.dashboard,
        repository=environ.get("SITE_REPOSITORY") or None,
    )
    return exit_code("site", lambda: _build(site, chosen.output, chosen.if_changed))


def _build(site: Site, folder: Path, if_changed: bool) -> None:
    # From here on Ctrl-C leaves no half-written folder.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    begun = time.monotonic()
    wanted = digest(site)
    if if_changed and is_current(folder, wanted):
        return
    # Imported late: the template engine and the lexers take longer than the comparison above.
    from comparison.site.build import build

    record_of(folder).unlink(missing_ok=True)
    build(site, folder)
    record_of(folder).write_text(wanted, encoding="ascii")
    if not if_changed:
        print(f"Built in {time.monotonic() - begun:.1f} s: {folder / 'index.html'}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
