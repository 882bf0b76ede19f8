"""B10: what checking a request and its answer costs, inside each framework.

The same route is measured with checks and without them, in turns on the same process.
"""

import http.client
import json

from comparison.bench.checking import MOST, ROWS
from comparison.bench.client import fetch
from comparison.bench.companions import find_companion
from comparison.bench.cores import choose_cores
from comparison.bench.figures import Effort, Figure
from comparison.bench.load import Load, busy_gate, core_gate, gates
from comparison.bench.prober import Prober, Request
from comparison.bench.subjects import Running, Server, Subject
from comparison.bench.wrk import closed_loop

ID = "B10"
TITLE = "What checking costs"
SERVERS: tuple[Server, ...] = ("uvicorn",)
FORMS = ("stock",)
ROUNDS = 7
"""So that an interval remains if one of them is void."""
SECONDS = {"quick": 5.2, "full": 5.2}

NAME, UNIT = "checked / unchecked", "ratio of CPU"
SECONDS_A_TURN = 1.0
LIMIT = 20
"""The rows of each answer."""
ROUTES = ("unchecked", "checked")
TURNS = ("unchecked", "checked", "checked", "unchecked")
"""So that a drift of the machine meets both alike."""
INVALID = (f"en?limit={MOST + 1}", f"EN?limit={LIMIT}")


def run(subject: Subject, effort: Effort) -> list[Figure]:
    companion = find_companion(subject, "checking")
    if companion is None:
        note = f"There is no comparison/bench/checking/{subject.framework}.py."
        return [Figure(ID, NAME, UNIT, None, 0, note=note)]
    with companion.start(ready_target=f"/checked/en?limit={LIMIT}") as running:
        faults = core_gate(running.pid, [choose_cores().client])
        return [measure(running, effort, faults)]


def measure(running: Running, effort: Effort, faults: list[str]) -> Figure:
    """Returns the processor time of a checked request divided by that of an unchecked one."""
    found = faults + route_faults(running.port)
    if found:
        return Figure(ID, NAME, UNIT, None, 0, found)
    body = fetch(running.port, target("checked")).body
    requests = {route: Request(target(route), expected=body) for route in ROUTES}
    for request in requests.values():
        Prober(running.port, request, effort.connections).closed_loop(effort.warmup_seconds)
    cpu = dict.fromkeys(ROUTES, 0.0)
    answered = dict.fromkeys(ROUTES, 0)
    loads: list[Load] = []
    for route in TURNS:
        before = running.cpu_seconds()
        load = closed_loop(running.port, requests[route], effort.connections, SECONDS_A_TURN)
        used = running.cpu_seconds() - before
        cpu[route] += used
        answered[route] += load.completed
        loads.append(load)
        found += gates(load) + busy_gate(load, used)
    if not all(answered.values()):
        return Figure(ID, NAME, UNIT, None, 0, found)
    each = {route: cpu[route] / answered[route] * 1e6 for route in ROUTES}
    extra = {"CPU us/request": each, "loads": [load.as_json() for load in loads]}
    samples = sum(answered.values())
    return Figure(ID, NAME, UNIT, each["checked"] / each["unchecked"], samples, found, extra=extra)


def target(route: str) -> str:
    return f"/{route}/en?limit={LIMIT}"


def route_faults(port: int) -> list[str]:
    """Returns a sentence for everything that makes the two routes incomparable.

    Both must answer the same bytes; the checked one must refuse what is invalid, and the other one
    must not.
    """
    faults = []
    try:
        answers = {route: fetch(port, target(route)) for route in ROUTES}
        for route, answer in answers.items():
            if answer.status != 200 or json.loads(answer.body) != ROWS[:LIMIT]:
                faults.append(f"/{route} is answered {answer.status} {answer.body[:40]!r}.")
        if answers["checked"].body != answers["unchecked"].body:
            faults.append("The two routes answer different bytes.")
        for invalid in INVALID:
            if (status := fetch(port, f"/checked/{invalid}").status) != 422:
                faults.append(f"/checked/{invalid} is answered {status}, not 422.")
            if (status := fetch(port, f"/unchecked/{invalid}").status) != 200:
                faults.append(f"/unchecked/{invalid} is answered {status}, not 200.")
    except (OSError, ValueError, http.client.HTTPException) as error:
        faults.append(f"A route is not answered: {error!r}.")
    return faults
