"""Runs the blocks of a plan, and writes the results after each."""

import os
import random
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from comparison.bench import analysis, machine, results
from comparison.bench.calibration import CASES, QUICK_CASES, calibrate
from comparison.bench.cores import choose_cores
from comparison.bench.figures import EFFORTS, WHOLE, Effort, Figure
from comparison.bench.measures.capacity import measure as measure_capacity
from comparison.bench.plan import Block, Settings, expected_seconds, make_plan
from comparison.bench.progress import Progress, left
from comparison.bench.results import Document
from comparison.bench.subjects import Server, Subject, find_subjects
from comparison.bench.workloads import GREETINGS
from tooling.errors import UsageError
from tooling.frameworks import ROOT
from tooling.processes import AppDidNotStartError

SHARES = (25, 50, 75)
"""The offered rates of B2, in percent of the slowest subject's capacity."""
_PILOT_SECONDS = 1.8
_CALIBRATION_SECONDS = {True: 12.0, False: 25.0}

Say = Callable[[str], object]


def run(settings: Settings, file: Path = results.FILE, say: Say = print) -> Document:
    """Measures, and returns the complete document, which is also in `file`.

    The file is written after each block. After Ctrl-C or a kill, the next run with the same
    settings on the same commit, machine and versions continues there. Raises `UsageError`.
    """
    cores = choose_cores()
    os.sched_setaffinity(0, {cores.client})
    effort = EFFORTS[settings.effort]
    document = _resumed(settings, file, say) or _new(settings)
    plan = make_plan(settings, effort, document["seed"])
    done = {block["key"] for block in document["blocks"]}
    missing = [block for block in plan if block.key not in done]
    prepare = _preparation_seconds(document, plan)
    progress = Progress(expected_seconds(missing, effort) + prepare)
    say(
        f"{len(missing)} blocks of {settings.effort} effort, about {left(progress.seconds_left())};"
        f" server on core {cores.server}, client ({document['identity']['client']}) on core"
        f" {cores.client}."
    )
    if document["client"] == "prober":
        say("wrk is not installed (Debian: apt install wrk); the prober replaces it for B1.")
    _prepare(document, plan, file, progress, prepare)
    effort = replace(effort, rates=document["rates"])
    for block in missing:
        document["blocks"].append(_measure(block, effort, progress))
        results.write(document, file)
    progress.end()
    document["finished"] = _now()
    document["summary"] = analysis.summarize(document, plan).as_json()
    results.write(document, file)
    return document


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _new(settings: Settings) -> Document:
    identity = machine.identity()
    return {
        "schema": results.SCHEMA,
        "settings": {
            "effort": settings.effort,
            "apps": list(settings.apps),
            "only": list(settings.only),
        },
        "seed": random.SystemRandom().randrange(2**32),
        "identity": identity,
        "started": _now(),
        "finished": None,
        "client": identity["client"],
        "calibration": None,
        "pilot": {},
        "rates": {},
        "commands": {},
        "fairness": [],
        "blocks": [],
        "summary": None,
    }


def _resumed(settings: Settings, file: Path, say: Say) -> Document | None:
    """Returns the document of an unfinished run that may be continued."""
    try:
        document = results.read(file)
    except UsageError as error:
        if file.exists():
            kept = file.with_suffix(".unreadable.json")
            file.replace(kept)
            say(f"{error} It is kept as {kept.name}, and a new run begins.")
        return None
    fresh = _new(settings)
    if document["finished"] is not None:
        return None
    if any(document[name] != fresh[name] for name in ("settings", "identity")):
        say("An unfinished run with other settings, versions or commit is replaced.")
        return None
    say(f"Continuing the run of {document['started']}: {len(document['blocks'])} blocks are kept.")
    return document


def _servers(plan: list[Block]) -> list[Server]:
    return list(dict.fromkeys(block.server for block in plan))


def _needs_rates(plan: list[Block]) -> list[Server]:
    return list(dict.fromkeys(block.server for block in plan if block.measure.id == "B2"))


def _subjects(plan: list[Block], server: Server) -> list[Subject]:
    """Returns the subjects of that server that the plan measures."""
    measured = {subject for block in plan for subject in block.subjects}
    return [subject for subject in find_subjects(server) if subject in measured]


def _preparation_seconds(document: Document, plan: list[Block]) -> float:
    quick = document["settings"]["effort"] == "quick"
    seconds = 0.0
    if document["calibration"] is None:
        seconds += _CALIBRATION_SECONDS[quick]
        seconds += sum(len(_subjects(plan, server)) for server in _servers(plan))
    for server in _needs_rates(plan):
        if server not in document["rates"]:
            seconds += _PILOT_SECONDS * len(_subjects(plan, server))
    return seconds


def _prepare(
    document: Document, plan: list[Block], file: Path, progress: Progress, seconds: float
) -> None:
    """Calibrates the prober, notes what every subject runs on, and finds the rates of B2."""
    if document["calibration"] is None:
        progress.show("calibration of the prober")
        quick = document["settings"]["effort"] == "quick"
        cases = QUICK_CASES if quick else CASES
        document["calibration"] = [reading.as_json() for reading in calibrate(cases)]
        for server in _servers(plan):
            subjects = _subjects(plan, server)
            progress.show(f"what the subjects run on, {server}")
            document["fairness"] += machine.fairness(subjects)
            for subject in subjects:
                name = f"{subject.name} on {server}"
                # Without the path of the interpreter, which is the same for all.
                document["commands"][name] = ["python", *subject.command()[1:], subject.application]
        results.write(document, file)
    for server in _needs_rates(plan):
        if server not in document["rates"]:
            progress.show(f"the capacity of the slowest, {server}")
            pilot = {subject.name: _capacity(subject) for subject in _subjects(plan, server)}
            document["pilot"][server] = pilot
            slowest = min(pilot.values())
            quick = document["settings"]["effort"] == "quick"
            shares = (50,) if quick else SHARES
            document["rates"][server] = {
                f"{share} %": round(slowest * share / 100, 1) for share in shares
            }
            results.write(document, file)
    progress.advance(seconds)


def _capacity(subject: Subject) -> float:
    """Returns requests/s on `/greetings`. Raises `UsageError`."""
    try:
        with subject.start() as running:
            figure, _ = measure_capacity(GREETINGS, subject, running, EFFORTS["quick"])
    except AppDidNotStartError as error:
        raise UsageError(f"{subject.name} on {subject.server}: {error}") from None
    if not figure.value:
        raise UsageError(f"{subject.name} on {subject.server}: {' '.join(figure.faults)}")
    return figure.value


def _measure(block: Block, effort: Effort, progress: Progress) -> dict[str, Any]:
    load, begun = os.getloadavg()[0], time.monotonic()
    figures: dict[str, list[dict[str, Any]]] = {}
    for subject in block.subjects:
        progress.show(
            f"round {block.round + 1}: {block.measure.id} {block.measure.title},"
            f" {subject.name} on {block.server}"
        )
        measured = _figures(block, subject, effort)
        figures[subject.name] = [figure.as_json() for figure in measured]
        progress.advance(block.measure.seconds[effort.name])
    return {
        "key": block.key,
        "round": block.round,
        "measure": block.measure.id,
        "module": block.measure.module,
        "server": block.server,
        "order": [subject.name for subject in block.subjects],
        "load": round(load, 2),
        "seconds": round(time.monotonic() - begun, 2),
        "figures": figures,
    }


def _figures(block: Block, subject: Subject, effort: Effort) -> list[Figure]:
    """Returns the figures of one subject; an error of a measure becomes a fault.

    The other measurements of a long run are not lost with it.
    """
    measure = block.measure
    try:
        return measure.run(subject, effort)
    except UsageError:
        raise
    except Exception as error:
        message = str(error).partition("\n")[0].replace(f"{ROOT}/", "")
        fault = f"{type(error).__name__}: {message}"
        return [Figure(measure.id, WHOLE, "", None, 0, [fault])]
