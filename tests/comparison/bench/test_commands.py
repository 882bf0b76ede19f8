"""The commands that README names: their options, their output, and one line for what is wrong."""

import subprocess
import sys
from pathlib import Path

import pytest

from comparison.bench import results
from tests.comparison.bench.documents import full_run
from tooling.frameworks import ROOT


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "comparison.bench", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--effort", "slow"), "bench: BENCH must be quick or full, not 'slow'.\n"),
        (("--apps", "flask"), "bench: APPS: there is no 'flask'; there are: falcon, fastapi"),
        (("--only", "B99"), "bench: ONLY: there is no 'B99'; there are: B1, B2"),
    ],
)
def test_a_bad_setting_ends_the_command_with_one_line(
    arguments: tuple[str, ...], line: str
) -> None:
    done = bench("run", *arguments)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(line)
    assert done.stderr.count("\n") == 1


def test_the_report_of_a_file_is_printed(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    results.write(full_run(), file)
    done = bench("report", str(file))
    assert done.returncode == 0, done.stderr
    assert "What may be concluded" in done.stdout
    missing = bench("report", str(tmp_path / "none.json"))
    assert missing.returncode == 1
    assert missing.stderr.endswith("does not exist: run make bench.\n")


@pytest.mark.parametrize(
    ("target", "command"),
    [
        (
            ["bench", "BENCH=quick", "APPS=quart,sanic", "ONLY=B6"],
            "comparison.bench run --effort 'quick' --apps 'quart,sanic' --only 'B6'",
        ),
        (["bench"], "-m comparison.bench run"),
        (["bench-report"], "-m comparison.bench report"),
        (["bench-record"], "-m comparison.bench record"),
        (["bench-readme"], "-m comparison.bench readme"),
    ],
)
def test_make_passes_the_settings_on(target: list[str], command: str) -> None:
    # Under `make test-all` this make would be a child of that one, and would print its directory.
    command_line = ["make", "-n", "--no-print-directory", *target]
    done = subprocess.run(command_line, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip().endswith(command)


def test_readme_names_every_target_of_the_benchmark() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = {line.partition(":")[0] for line in makefile.splitlines() if line.startswith("bench")}
    assert {"bench", "bench-report"} <= targets
    for target in targets:
        assert f"`make {target}`" in readme
