"""Changes each app and shared/ in small ways, and checks that the contract suite fails.

`python -m tests.mutation` tries every mutant, prints a table, and writes `build/mutation.json`.
"""

import argparse
import sys
import time
from pathlib import Path

from tests.mutation import report, survivors
from tests.mutation.mutants import files, mutants_of
from tests.mutation.run import BaselineError, Trial, trials
from tooling.frameworks import ROOT

REPORT = ROOT / "build" / "mutation.json"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--app", help="try the mutants of one app only, or of `shared`")
    parser.add_argument(
        "--id", action="append", help="try the mutants whose id begins so; can be repeated"
    )
    parser.add_argument("--processes", type=int, default=2, help="at the same time (default: 2)")
    parser.add_argument(
        "--entries", action="store_true", help="print entries for survivors that are not listed"
    )
    parser.add_argument(
        "--report", type=Path, default=REPORT, help=f"the file to write (default: {REPORT})"
    )
    options = parser.parse_args()
    folder = f"{options.app}_app/" if options.app not in (None, "shared") else "shared/"
    within = options.id or ([folder] if options.app else [""])
    chosen = [m for f in files() for m in mutants_of(f) if m.id.startswith(tuple(within))]
    if not chosen:
        parser.error("there is no such mutant")
    known = survivors.listed()
    begun = time.monotonic()
    tried: list[Trial] = []
    try:
        for trial in trials(chosen, options.processes, _tell):
            tried.append(trial)
            _tell(f"{len(tried)}/{len(chosen)} {trial.outcome} {trial.id}: {trial.by}")
    except BaselineError as error:
        print(error, file=sys.stderr)
        return 2
    tried.sort(key=lambda trial: trial.id)
    seconds = time.monotonic() - begun
    found = report.rows(tried, known)
    report.write(options.report, tried, found, seconds)
    wrong = report.complaints(tried, known, within)
    for trial in tried:
        if trial.outcome in ("timed out", "died"):
            print(f"{trial.id} {trial.outcome} with {trial.framework}: {trial.change}")
        if options.entries and trial.outcome == "survived" and trial.id not in known:
            print(survivors.entry(trial.id, trial.change))
    print("\n".join(wrong))
    print(report.table(found))
    print(f"{seconds:.0f} s; every mutant: {options.report}")
    return 1 if wrong else 0


def _tell(line: str) -> None:
    if sys.stderr.isatty():
        print(line, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
