"""A fresh clone of the repository's commit, and commands that run in it as a user types them."""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from tooling.frameworks import ROOT

PORT = 3939
# A cold start downloads every package, and other tests may have the processor.
START_SECONDS = 240.0
STOP_SECONDS = 20.0


class Run:
    """A command in a process group of its own, as a shell gives it one; its output is read all the
    time.
    """

    def __init__(self, command: str, directory: Path, environment: Mapping[str, str]) -> None:
        self._begun = time.monotonic()
        self._process = subprocess.Popen(
            ["bash", "-c", command],
            cwd=directory,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._lines: list[str] = []
        self._changed = threading.Condition()
        self._ended = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._changed:
                self._lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        self._process.stdout.close()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    @property
    def lines(self) -> list[str]:
        """What it printed so far."""
        with self._changed:
            return list(self._lines)

    @property
    def seconds(self) -> float:
        """The time since its start."""
        return time.monotonic() - self._begun

    def wait_for(self, *texts: str) -> str:
        """Returns the first line that contains one of the texts; fails if the output ends."""

        def found() -> str | None:
            return next((line for line in self._lines if any(t in line for t in texts)), None)

        with self._changed:
            self._changed.wait_for(lambda: found() or self._ended, START_SECONDS)
            line = found()
        assert line is not None, f"No line with {texts}:\n{self}"
        return line

    def send(self, number: signal.Signals) -> None:
        """Sends a signal to the whole group, as a terminal does for Ctrl-C."""
        os.killpg(self._process.pid, number)

    def wait(self, seconds: float = START_SECONDS) -> int:
        """The exit code, when every process that had the output has ended; negative: a signal's
        number.
        """
        self._reader.join(seconds)
        assert not self._reader.is_alive(), f"It does not end:\n{self}"
        return self._process.wait(STOP_SECONDS)

    def kill(self) -> None:
        """Ends what is left of it after a test that failed."""
        if not self._ended:
            self.send(signal.SIGKILL)
            self._reader.join(STOP_SECONDS)
        self._process.wait(STOP_SECONDS)

    def __repr__(self) -> str:
        return "\n".join(self.lines)


class Checkout:
    """A clone in `directory`, which is empty, with an empty home beside it."""

    def __init__(self, repository: Path, directory: Path) -> None:
        self.folder = directory / "project"
        self._mark = str(directory)
        self._home = directory / "home"
        self._home.mkdir()
        self._path = os.environ["PATH"]
        subprocess.run(["git", "clone", "--quiet", repository, self.folder], check=True)

    def share_downloads(self) -> None:
        """Takes what was downloaded and installed for bundles in the checkout under test from
        there.
        """
        for made in ("uv-cache", "environments", "rehearsal/environments"):
            shared, own = ROOT / "build" / made, self.folder / "build" / made
            shared.mkdir(parents=True, exist_ok=True)
            own.parent.mkdir(parents=True, exist_ok=True)
            own.symlink_to(shared)

    def has_uv(self) -> None:
        """From here on there is a uv on PATH."""
        programs = self._home / "bin"
        programs.mkdir()
        (programs / "uv").symlink_to(Path(sys.executable).with_name("uv"))
        self._path = f"{programs}:{self._path}"

    def commands(self) -> list[str]:
        """The commands of README's first fence, without their comments."""
        fence = (self.folder / "README.md").read_text("utf-8").split("```")[1]
        return [line.partition("#")[0].strip() for line in fence.strip().splitlines()]

    def start(self, command: str, **variables: str) -> Run:
        """Runs it with nothing in its environment but PATH, HOME and TERM, and these variables."""
        bare = {"PATH": self._path, "HOME": str(self._home), "TERM": "xterm"}
        return Run(command, self.folder, bare | variables)

    def left(self) -> list[str]:
        """What a run has left behind: processes, the port, locks, and files that are half made."""
        return [
            *(f"process {process}" for process in _processes_with(self._mark)),
            *([f"port {PORT}"] if is_taken(PORT) else []),
            *(f"lock {file}" for file in self.folder.rglob("*lock") if _is_locked(file)),
            *(f"file {file}" for file in self.folder.glob("build/rehearsal/outgoing/*")),
            *(
                f"file {file}"
                for file in self.folder.glob("build/rehearsal/environments/*.partial")
            ),
        ]


def is_taken(port: int) -> bool:
    """Whether something listens there on 127.0.0.1."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except ConnectionRefusedError:
        return False
    return True


def _processes_with(mark: str) -> Iterator[str]:
    """Processes whose arguments or environment hold `mark`: PATH or PWD of what runs in a folder
    names it.
    """
    own = f"{os.getpid()} "
    show = ["axeww"] if sys.platform == "linux" else ["-AEww"]
    listed = subprocess.run(
        ["ps", *show, "-o", "pid=,args="],
        capture_output=True,
        text=True,
        errors="replace",
        check=True,
    )
    for line in map(str.strip, listed.stdout.splitlines()):
        if mark in line and not line.startswith(own):
            yield line[:200]


def _is_locked(file: Path) -> bool:
    if not file.is_file():
        return False
    with file.open("rb") as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
