"""Tests the contract on the releases of the last twelve months (`make upgrade-matrix`).

The result is `comparison/results/upgrades.json`, which is written after each release. A run that
was interrupted continues where it stopped; `--fresh` begins again.
"""

import argparse
import functools
import os
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from comparison.upgrades.matrix import FILE, empty, fill, kept_rows, ordered, plans
from comparison.upgrades.uv import Uv
from tooling.commands import exit_code
from tooling.errors import UsageError
from tooling.frameworks import find_frameworks


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0, or 1 after an error, which is printed as one line."""
    parser = argparse.ArgumentParser(
        prog="python -m comparison.upgrades",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--fresh", action="store_true", help="test again what was tested before")
    chosen = parser.parse_args(arguments)
    return exit_code("upgrade-matrix", lambda: _run(chosen.fresh))


def _run(fresh: bool) -> None:
    with tempfile.TemporaryDirectory() as home:
        uv = Uv(Path(home))
        interpreters = uv.pythons()
        if not interpreters:
            raise UsageError("There is no Python 3.11 or newer on PATH.")
        pythons, today = list(interpreters), datetime.now(UTC).date()
        try:
            kept = [] if fresh else kept_rows()
        except (ValueError, KeyError) as error:
            raise UsageError(f"{FILE} is not a result: {error!r}; --fresh begins again.") from None
        chosen = plans(find_frameworks(), uv, pythons, today)
        subjects = list(ordered(chosen, pythons))
        print(f"{len(subjects)} environments, Python {', '.join(pythons)}.", flush=True)
        document = empty(chosen, pythons, today)
        processes = os.cpu_count() or 1
        tell = functools.partial(print, flush=True)
        fill(document, subjects, uv, interpreters, kept, tell, processes)
        print(f"The result: {FILE}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
