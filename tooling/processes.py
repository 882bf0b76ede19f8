"""Child processes that end with this one: an app on a free loopback port, or a command."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, Self

from tooling.frameworks import ROOT
from tooling.terminal import printable

ServerKind = Literal["uvicorn", "hypercorn"]

_PARENT_DEATH = Path(__file__).with_name("parent_death.py")
_POLL_SECONDS = 0.02


class AppDidNotStartError(RuntimeError):
    """The process exited or did not answer in time. The message ends with its last log lines."""

    def __init__(self, sentence: str, lines: Sequence[str] = (), log: Path | None = None) -> None:
        tail = "".join(f"\n  | {line}" for line in lines)
        super().__init__(f"{sentence} Its log is {log}:{tail}" if lines else sentence)
        self.sentence = sentence
        self.lines = list(lines)


def killed_with_parent(*command: str) -> list[str]:
    """Returns the command, wrapped so that Linux kills it when the thread that started it ends.

    Source: prctl(2), PR_SET_PDEATHSIG.
    """
    return [sys.executable, "-I", str(_PARENT_DEATH), str(os.getpid()), *command]


def connect_variables(server_url: str, guid: str, extra: Mapping[str, str] = {}) -> dict[str, str]:
    """Returns the variables of a content process on Connect, and no variable of ours except `PATH`.

    The names are documented or taken from Posit's own clients. `CONNECT_API_KEY` and session tokens
    are omitted, so that an app cannot rely on them. `extra` contains the publisher's variables,
    which override the others.
    """
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "POSIT_PRODUCT": "CONNECT",
        "RSTUDIO_PRODUCT": "CONNECT",
        "CONNECT_SERVER": server_url.rstrip("/") + "/",
        "CONNECT_CONTENT_GUID": guid,
        **extra,
    }


async def run_lines(
    command: Sequence[str],
    variables: Mapping[str, str],
    directory: Path,
    log: Callable[[str], None],
) -> int:
    """Runs a command, calls `log` with each line of its output, and returns its exit code.

    When cancelled, it kills the command and every process that the command started.
    """
    process = await asyncio.create_subprocess_exec(
        *killed_with_parent(*command),
        cwd=directory,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        limit=1024 * 1024,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        async for line in process.stdout:
            log(line.decode(errors="replace").rstrip())
        return await process.wait()
    finally:
        if process.returncode is None:
            _signal_group(process.pid, signal.SIGKILL)
            await process.wait()


def _signal_group(pid: int, number: signal.Signals) -> None:
    # macOS raises PermissionError if the group contains only zombies.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


class AppProcess:
    """One process that serves `application` (`module:attribute`) on `port` of 127.0.0.1.

    - `command`: the server and its arguments, `{fd}` for the listening socket; the application
      follows.
    - `variables`: all environment variables of the process; none are inherited.
    - `directory`: the working directory, from which `application` is imported.
    - `log`: the file for its output, truncated unless `append` is true.

    The socket is bound here and passed to the process, so that no other process can take the port.
    The process leads a process group, which `stop` ends as a whole. Linux kills the leader when the
    thread that started it ends.
    """

    def __init__(
        self,
        application: str,
        command: Sequence[str],
        *,
        log: Path,
        variables: Mapping[str, str],
        directory: Path = ROOT,
        append: bool = False,
    ) -> None:
        self.application = application
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with (
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener,
            log.open("ab" if append else "wb") as output,
        ):
            # Bound but not listening: until the server listens, connections are refused.
            listener.bind(("127.0.0.1", 0))
            # Accepted connections inherit this option. uvicorn does not set it, because it treats a
            # passed socket as a Unix socket. Without it, every response in two parts would wait 40
            # ms for the client's acknowledgement.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.port: int = listener.getsockname()[1]
            fd = listener.fileno()
            arguments = [argument.replace("{fd}", f"{fd}") for argument in command]
            self._process = subprocess.Popen(
                [*killed_with_parent(*arguments), application],
                cwd=directory,
                env=dict(variables),
                pass_fds=[fd],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def url(self) -> str:
        """`http://127.0.0.1:<port>`, without a final slash."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        return self._process.pid

    def exit_code(self) -> int | None:
        """Returns the exit code, `None` while it runs; negative: the signal that killed it."""
        if self._process.returncode is None and self._process.poll() is not None:
            # Kills its children now, because the group's number may be reused later.
            self._signal(signal.SIGKILL)
        return self._process.returncode

    def is_listening(self) -> bool:
        """Returns whether the server accepts connections, which it does after its start-up."""
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def wait_until_ready(self, seconds: float = 30.0) -> Self:
        """Waits until the app answers. Raises `AppDidNotStartError` after stopping the process."""
        deadline = time.monotonic() + seconds
        while not self.is_listening():
            if (code := self.exit_code()) is not None:
                raise self.failure(f"ended with exit code {code}")
            if time.monotonic() > deadline:
                self.stop()
                raise self.failure(f"did not answer within {seconds:g} s")
            time.sleep(_POLL_SECONDS)
        return self

    def failure(self, what: str) -> AppDidNotStartError:
        """Returns an error that contains `what` happened and the end of the log."""
        return AppDidNotStartError(f"{self.application} {what}.", self.last_lines(8), self.log)

    def last_lines(self, count: int) -> list[str]:
        """Returns the last lines of the log; reads at most its last 64 KiB."""
        with self.log.open("rb") as file:
            file.seek(max(self.log.stat().st_size - 64 * 1024, 0))
            text = file.read().decode("utf-8", "replace")
        return [printable(line) for line in text.split("\n") if line][-count:]

    def terminate(self) -> None:
        """Sends SIGTERM to the process group. Servers complete the requests that they have."""
        if self.exit_code() is None:
            self._signal(signal.SIGTERM)

    def stop(self, seconds: float = 1.5) -> int:
        """Stops the process and its children after at most `seconds`; returns the exit code."""
        if (code := self.exit_code()) is not None:
            return code
        self.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        self._signal(signal.SIGKILL)
        return self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        _signal_group(self._process.pid, number)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
