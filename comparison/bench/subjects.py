"""What is measured: the applications, and the bare ASGI application that is their control."""

import contextlib
import itertools
import os
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from comparison.bench.client import fetch_status
from comparison.bench.cores import choose_cores, on_cores
from comparison.bench.process_tree import cpu_seconds, pss_bytes
from tooling.development import MAX_MESSAGE_BYTES
from tooling.frameworks import ROOT, find_frameworks
from tooling.processes import AppProcess

Form = Literal["control", "control again", "stock", "matched"]
Server = Literal["uvicorn", "hypercorn"]

BUILD = ROOT / "build" / "bench"
STOCK = Path(__file__).parent / "stock"
CREDENTIALS = ("RStudio-Connect-Credentials", '{"user": "ada", "groups": []}')
"""A request header for `/hello`, as Connect sends it."""

_STOP_SECONDS = 60.0
_numbers = itertools.count(1)


class Running:
    """One process of a subject, with its workers."""

    def __init__(
        self, process: AppProcess, log: Path, seconds_to_first_200: float, first: float
    ) -> None:
        self._process = process
        self.log = log
        self.seconds_to_first_200 = seconds_to_first_200
        """From the start of the process to the end of the first answer with 200."""
        self.first_request_seconds = first
        """The duration of that first request alone."""

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def port(self) -> int:
        return self._process.port

    @property
    def url(self) -> str:
        """`http://127.0.0.1:<port>`, without a final slash."""
        return self._process.url

    def cpu_seconds(self) -> float:
        """Returns the processor time of the process and its living descendants since start."""
        return cpu_seconds(self.pid)

    def pss_bytes(self) -> int:
        """Returns the proportional set size of the process and its descendants: proc(5)."""
        return pss_bytes(self.pid)

    def terminate(self) -> None:
        """Sends SIGTERM to the process group, and returns at once."""
        self._process.terminate()

    def exit_code(self) -> int | None:
        """Returns the exit code; None while the process runs."""
        return self._process.exit_code()

    def stop(self) -> float:
        """Sends SIGTERM; returns the seconds until the process has exited.

        Kills it after a minute, and returns the minute.
        """
        begun = time.monotonic()
        self.terminate()
        while self.exit_code() is None and time.monotonic() - begun < _STOP_SECONDS:
            time.sleep(0.001)
        seconds = time.monotonic() - begun
        self._process.stop(0)
        return seconds


@dataclass(frozen=True)
class Subject:
    """An application in one form on one server."""

    framework: str | None
    """The name of the framework; None for the control."""
    form: Form
    server: Server

    @property
    def name(self) -> str:
        """`control`, `control again`, `quart matched`, ..."""
        return f"{self.framework} {self.form}" if self.framework else self.form

    @property
    def application(self) -> str:
        """The ASGI application, `module:attribute`, importable from the repository's root."""
        match self.form:
            case "matched":
                return f"{self.framework}_app.app:app"
            case "stock":
                return f"comparison.bench.stock.{self.framework}:app"
            case _:
                return "comparison.bench.control:app"

    def command(self, workers: int = 1) -> list[str]:
        """Returns the command line without the application, which follows; `{fd}` is the socket."""
        if self.server == "uvicorn":
            options = ["--fd", "{fd}", "--no-access-log", "--log-level", "warning"]
            options += ["--ws-max-size", f"{MAX_MESSAGE_BYTES}"]
            return [sys.executable, "-m", "uvicorn", *options, "--workers", f"{workers}"]
        # 0: hypercorn serves in its own process, as uvicorn does with one worker.
        number = 0 if workers == 1 else workers
        options = ["--bind", "fd://{fd}", "--config", f"file:{_hypercorn_configuration()}"]
        return [sys.executable, "-m", "hypercorn", *options, "--workers", f"{number}"]

    def variables(self, changes: Mapping[str, str]) -> dict[str, str]:
        """Returns the environment variables of the process, which inherits only `PATH`."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "CONNECT_HEADERS": "trust",
            "PYTHONPYCACHEPREFIX": str(ROOT / "build" / "pycache"),
            **changes,
        }

    @contextlib.contextmanager
    def start(
        self,
        workers: int = 1,
        environment: Mapping[str, str] | None = None,
        *,
        core: int | Literal["server"] | None = "server",
        ready_target: str = "/greetings/en",
        directory: Path = ROOT,
    ) -> Iterator[Running]:
        """Starts a fresh process and gives it when `ready_target` has been answered with 200.

        - `environment`: put over the variables of the process, which inherits only `PATH`.
        - `core`: the core of the process and its workers: the server's, unless another is given;
          None leaves it to the system.
        - `directory`: the folder from which the application is imported.

        The process is killed at the end if it still runs. Raises `AppDidNotStartError`.
        """
        log = BUILD / "logs" / f"{self.name.replace(' ', '-')}-{next(_numbers) % 100}.log"
        if core == "server":
            core = choose_cores().server
        with contextlib.nullcontext() if core is None else on_cores(core):
            begun = time.monotonic()
            process = AppProcess(
                self.application,
                self.command(workers),
                log=log,
                variables=self.variables(environment or {}),
                directory=directory,
            )
        try:
            first = _wait_for_200(process, ready_target)
            yield Running(process, log, time.monotonic() - begun, first)
        finally:
            process.stop(0)


def _wait_for_200(process: AppProcess, target: str, seconds: float = 30.0) -> float:
    """Returns the duration of the first request that was answered with 200."""
    deadline = time.monotonic() + seconds
    while True:
        begun = time.monotonic()
        if (status := fetch_status(process.port, target)) == 200:
            return time.monotonic() - begun
        if (code := process.exit_code()) is not None:
            raise process.failure(f"ended with exit code {code}")
        if time.monotonic() > deadline:
            raise process.failure(f"answered {target} with {status} for {seconds:g} s")
        time.sleep(0.002)


def _hypercorn_configuration() -> Path:
    """hypercorn has no option for the limit of a websocket message."""
    file = BUILD / "hypercorn.py"
    content = f"websocket_max_message_size = {MAX_MESSAGE_BYTES}\nloglevel = 'WARNING'\n"
    if not file.is_file() or file.read_text(encoding="utf-8") != content:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")
    return file


def find_subjects(server: Server) -> list[Subject]:
    """Returns the control, the control again, and every framework's forms."""
    subjects = [Subject(None, "control", server), Subject(None, "control again", server)]
    for framework in find_frameworks():
        subjects.append(Subject(framework.name, "matched", server))
        if (STOCK / f"{framework.name}.py").is_file():
            subjects.append(Subject(framework.name, "stock", server))
    return subjects
