"""`make setup` says what it does when that takes longer than a look."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tooling import setup
from tooling.errors import UsageError


def test_a_step_that_is_silent_is_told_of_every_two_seconds(
    capsys: pytest.CaptureFixture[str],
) -> None:
    setup.run([sys.executable, "-c", "import time; time.sleep(4.5)"], os.environ, "Installing")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [
        ["2", "s", "Installing", "..."],
        ["4", "s", "Installing", "..."],
    ]


def test_what_a_step_says_is_shown_when_it_fails() -> None:
    script = "import sys; print('No such package.'); sys.exit(2)"
    with pytest.raises(UsageError, match="No such package"):
        setup.run([sys.executable, "-c", script], os.environ, "Installing")


INTERRUPTED = """
import sys
from tooling import setup
setup.run([sys.executable, "-c", sys.argv[1]], {}, "Installing")
"""
STEP_THAT_GOES_ON = """
import os, signal, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
os.kill(os.getppid(), signal.SIGINT)
for number in range(100):
    print(number, flush=True)
    time.sleep(0.01)
"""


def test_after_an_interrupt_nobody_reads_what_a_step_still_says() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, STEP_THAT_GOES_ON], capture_output=True, text=True
    )
    assert ended.returncode == -signal.SIGINT
    assert ended.stderr.count("Traceback") == 1
    assert ended.stderr.endswith("KeyboardInterrupt\n")


def test_the_environment_of_another_checkout_is_not_emptied_through_a_link(tmp_path: Path) -> None:
    other = tmp_path / "other" / ".venv"
    other.mkdir(parents=True)
    (other / "pyvenv.cfg").touch()
    link = tmp_path / ".venv"
    link.symlink_to(other)
    with pytest.raises(UsageError, match="is not emptied") as raised:
        setup.set_up(link)
    assert str(other) in str(raised.value)
    assert (other / "pyvenv.cfg").exists()
