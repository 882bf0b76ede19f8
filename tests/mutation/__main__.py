"""Changes each app and shared/ in small ways, and checks that the suite fails.

`python -m tests.mutation` tries every mutant, prints a table, and writes `build/mutation.json`. A
mutant that was tried before is not tried again, as long as the code is the same.
"""

import argparse
import sys
import time
from pathlib import Path

from tests.mutation import report, results, survivors
from tests.mutation.mutants import UNREACHED, files, mutants_of
from tests.mutation.run import BaselineError, trials
from tooling.frameworks import ROOT

REPORT = ROOT / "build" / "mutation.json"
RECORD = ROOT / "comparison" / "results" / "mutation.json"

SAVED_EVERY = 30.0
"""In seconds."""


def main() -> int:
    options = _parser().parse_args()
    folder = f"{options.app}_app/" if options.app not in (None, "shared") else "shared/"
    within = tuple(options.id or ([folder] if options.app else [""]))
    mutants = [mutant for file in files() for mutant in mutants_of(file)]
    chosen = [mutant for mutant in mutants if mutant.id.startswith(within)]
    if not chosen:
        print("There is no such mutant.", file=sys.stderr)
        return 2
    known = survivors.listed()
    tried = {} if options.again else results.read(options.report, mutants)
    missing = [mutant for mutant in chosen if mutant.id not in tried]

    def save() -> None:
        document = report.document(report.count(mutants, tried, known), tried.values(), known)
        results.write(options.report, document, tried.values())

    begun = saved = time.monotonic()
    tried_now = trials(missing, options.processes, report.commit(), _tell)
    try:
        for number, trial in enumerate(tried_now, 1):
            tried[trial.id] = trial
            _tell(f"{number}/{len(missing)} {trial.outcome} {trial.id}: {trial.by}")
            if time.monotonic() - saved > SAVED_EVERY:
                save()
                saved = time.monotonic()
    except BaselineError as error:
        print(error, file=sys.stderr)
        return 2
    save()
    found = report.count(mutants, tried, known)
    for mutant in chosen:
        trial = tried[mutant.id]
        if trial.outcome in ("timed out", "died"):
            print(f"{trial.id} {trial.outcome} with {trial.framework}: {trial.change}")
        if options.entries and trial.outcome in ("survived", "died") and trial.id not in known:
            print(survivors.entry(trial.id, trial.change))
    wrong = report.complaints([tried[mutant.id] for mutant in chosen], known, within)
    wrong += report.below_goal(found)
    print("\n".join(wrong))
    print(report.table(found))
    print(f"Not changed, because only a database reaches it: {', '.join(UNREACHED)}")
    print(f"{len(missing)} were tried now, in {time.monotonic() - begun:.0f} s: {options.report}")
    if options.record and not wrong:
        results.write_json(RECORD, report.document(found, tried.values(), known))
    return 1 if wrong else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--app", help="try the mutants of one app only, or of `shared`")
    parser.add_argument(
        "--id", action="append", help="try the mutants whose id begins so; can be repeated"
    )
    parser.add_argument("--again", action="store_true", help="repeat what was tried before")
    parser.add_argument("--processes", type=int, default=2, help="at the same time (default: 2)")
    parser.add_argument(
        "--entries", action="store_true", help="print entries for survivors that are not listed"
    )
    parser.add_argument("--record", action="store_true", help=f"write the counts to {RECORD} too")
    parser.add_argument(
        "--report", type=Path, default=REPORT, help=f"the file to write (default: {REPORT})"
    )
    return parser


def _tell(line: str) -> None:
    if sys.stderr.isatty():
        print(line, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
