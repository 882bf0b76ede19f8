"""`python -m comparison.bench run|report|record|readme`: what `make bench` and its kin call."""

import argparse
import sys
from pathlib import Path

from comparison.bench import results
from comparison.bench.plan import parse_settings
from comparison.bench.readme import write_application_readme, write_readme
from comparison.bench.record import record
from comparison.bench.report import report
from comparison.bench.run import run
from tooling.commands import exit_code
from tooling.frameworks import ROOT, find_frameworks


def _run(arguments: argparse.Namespace) -> None:
    settings = parse_settings(arguments.effort, arguments.apps, arguments.only)
    try:
        document = run(settings)
    except KeyboardInterrupt:
        print("\nStopped. What is complete is kept; the same command continues there.")
        raise
    print(report(document))
    print(f"\nThe raw figures are in {results.FILE.relative_to(ROOT)}.")


def _report(arguments: argparse.Namespace) -> None:
    print(report(results.read(arguments.file)))


def _record(arguments: argparse.Namespace) -> None:
    record()
    print(
        f"Recorded as {results.RECORD.relative_to(ROOT)}. Now: make bench-readme, and commit both."
    )


def _readme(arguments: argparse.Namespace) -> None:
    document = results.read(results.RECORD)
    write_readme(ROOT / "README.md", document)
    for framework in find_frameworks():
        write_application_readme(framework.folder / "README.md", framework, document)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m comparison.bench")
    commands = parser.add_subparsers(required=True)
    run_parser = commands.add_parser("run", help="measure")
    run_parser.add_argument("--effort", default="full", help="quick or full")
    run_parser.add_argument("--apps", default="", help="names, separated by commas")
    run_parser.add_argument("--only", default="", help="IDs of measures, separated by commas")
    run_parser.set_defaults(command=_run)
    report_parser = commands.add_parser("report", help="print tables and conclusions")
    report_parser.add_argument("file", nargs="?", type=Path, default=results.FILE)
    report_parser.set_defaults(command=_report)
    commands.add_parser("record", help="keep a full run").set_defaults(command=_record)
    commands.add_parser("readme", help="fill the READMEs from the record").set_defaults(
        command=_readme
    )
    arguments = parser.parse_args()
    return exit_code("bench", lambda: arguments.command(arguments))


if __name__ == "__main__":
    sys.exit(main())
