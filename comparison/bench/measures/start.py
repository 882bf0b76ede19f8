"""B6: how long a start takes, and what the first request costs more than the others."""

import statistics
import subprocess
import sys
import time
from collections.abc import Mapping

from comparison.bench.client import fetch
from comparison.bench.cores import choose_cores, on_cores
from comparison.bench.figures import Effort, Figure
from comparison.bench.subjects import Subject
from tooling.frameworks import ROOT
from tooling.processes import killed_with_parent

ID = "B6"
TITLE = "Start"
SERVERS = ("uvicorn", "hypercorn")
QUICK_ROUNDS = 1
SECONDS = {"quick": 2.2, "full": 1.8}

_TARGET = "/greetings/en"
HOW = "with bytecode"
_LATER = 20
"""The requests whose median is subtracted from the first one."""


def run(subject: Subject, effort: Effort) -> list[Figure]:
    """Two starts a round: twenty in ten rounds."""
    figures = [figure for _ in range(2) for figure in start(subject, {}, HOW)]
    if subject.server == "uvicorn":  # The import does not depend on the server.
        figures += [import_alone(subject, {}, HOW) for _ in range(2)]
    return join(figures)


def start(subject: Subject, variables: Mapping[str, str], how: str) -> list[Figure]:
    with subject.start(environment=variables, ready_target=_TARGET) as running:
        milliseconds = running.seconds_to_first_200 * 1000
        first = running.first_request_seconds * 1000
        times = []
        for _ in range(_LATER):
            begun = time.perf_counter()
            fetch(running.port, _TARGET)
            times.append((time.perf_counter() - begun) * 1000)
        memory = running.pss_bytes() / 1e6
    later = statistics.median(times)
    return [
        Figure(ID, f"process to first answer, {how}", "ms", milliseconds, 1),
        Figure(ID, f"first request minus median, {how}", "ms more", first - later, 1),
        Figure(ID, f"memory after {_LATER} requests, {how}", "MB", memory, 1),
    ]


def import_alone(subject: Subject, variables: Mapping[str, str], how: str) -> Figure:
    """The time of the import alone, in a fresh interpreter."""
    module, _, _ = subject.application.partition(":")
    program = (
        "import time; begun = time.perf_counter();"
        f" import {module}; print((time.perf_counter() - begun) * 1000)"
    )
    command = killed_with_parent(sys.executable, "-c", program)
    with on_cores(choose_cores().server):
        done = subprocess.run(
            command, cwd=ROOT, env=subject.variables(variables), capture_output=True, text=True
        )
    name = f"import, {how}"
    if done.returncode:
        return Figure(ID, name, "ms", None, 0, [f"The import failed: {done.stderr[-200:]}"])
    return Figure(ID, name, "ms", float(done.stdout), 1)


def join(figures: list[Figure]) -> list[Figure]:
    """Joins the starts of one round; every single one stays in `extra`."""
    joined = []
    for name in dict.fromkeys(figure.name for figure in figures):
        of_name = [figure for figure in figures if figure.name == name]
        faults = [fault for figure in of_name for fault in figure.faults]
        values = [figure.value for figure in of_name if figure.value is not None]
        value = statistics.median(values) if values else None
        extra = {"starts": values}
        joined.append(Figure(ID, name, of_name[0].unit, value, len(values), faults, extra=extra))
    return joined
