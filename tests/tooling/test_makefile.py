"""What `make` alone lists, and what it answers to half a name."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tooling.frameworks import ROOT, find_frameworks


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True)


@pytest.mark.parametrize("target", ["run-", "test", "test-", "bundle", "deploy", "deploy-", "new"])
def test_half_a_name_is_asked_for_the_other_half(target: str) -> None:
    done = make(target)
    names = " ".join(framework.name for framework in find_frameworks())
    asked = f"make {target.rstrip('-')}-<name>, and <name> is one of: {names}"
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == f"make: which app? {asked}"


@pytest.mark.parametrize("folder", ["comparison", "rehearsal", "tests"])
def test_a_folder_that_reads_like_a_command_is_no_target(folder: str) -> None:
    done = make(folder)
    assert done.returncode == 2
    assert f"make: {folder}/ is a folder, not a target" in done.stderr


def test_every_target_with_a_description_is_listed_once() -> None:
    described = re.findall(r"^([a-z%-]+):.*## ", (ROOT / "Makefile").read_text("utf-8"), re.M)
    listed = re.findall(r"^  make (\S+) ", make().stdout, re.M)
    assert listed == [name.replace("%", "<name>") for name in described]


def test_the_commands_that_a_new_user_needs_come_first() -> None:
    listed = re.findall(r"^  make (\S+) ", make().stdout, re.M)
    assert listed[:3] == ["help", "run", "run-<name>"]
    assert listed.index("deploy-<name>") < listed.index("test-all") < listed.index("bench")


@pytest.mark.parametrize("variable", ["NAME", "DEST"])
def test_what_a_user_types_is_no_command_of_make(variable: str, tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    given = {"NAME": "ours", "DEST": f"{tmp_path}/ours"} | {variable: f"$(shell touch {touched})"}
    done = make("new-quart", *(f"{name}={value}" for name, value in given.items()))
    assert done.returncode == 2
    assert "$(shell touch" in done.stderr
    assert list(tmp_path.iterdir()) == []
