"""B11: what the application costs on top of its framework.

Three applications run side by side on the server's core, and are asked in turns; those that are
not asked are idle: the matched one, one in the same framework that answers constant bytes, and the
latter behind the layers of `shared/`. The figure is the processor time of a request for the
constant bytes divided by that of the matched application: 0.80 means that the application answers
80 % of what its framework could. The third one divides the difference into what `shared/` costs and
what the rest of the application costs.
"""

import random
from contextlib import ExitStack
from dataclasses import replace

from comparison.bench.companions import find_companion
from comparison.bench.control import FRAMEWORK
from comparison.bench.cores import choose_cores
from comparison.bench.figures import Effort, Figure
from comparison.bench.load import Load, busy_gate, core_gate, gates
from comparison.bench.prober import Prober, Request
from comparison.bench.subjects import Running, Server, Subject
from comparison.bench.workloads import ABOUT, GREETING, GREETINGS, HELLO, Workload, prepare
from comparison.bench.wrk import closed_loop
from tooling.frameworks import find_framework

ID = "B11"
TITLE = "What the idiom costs"
SERVERS: tuple[Server, ...] = ("uvicorn",)
FORMS = ("matched",)
ROUNDS = 7
"""So that an interval remains if one of them is void."""
SECONDS = {"quick": 11.0, "full": 14.0}

UNIT = "ratio of CPU"
WORKLOADS = (GREETINGS, GREETING, HELLO, ABOUT)
STATIC, LAYERED, MATCHED = "static", "layered", "matched"
TIMES = "CPU us/request"
"""The name of the raw values: for each of the three, its processor time."""
SECONDS_A_TURN = 1.0


def name_of(workload: Workload) -> str:
    return f"{workload.target}, constant bytes / matched"


def run(subject: Subject, effort: Effort) -> list[Figure]:
    companion = find_companion(subject, STATIC)
    if companion is None:
        note = f"There is no comparison/bench/static/{subject.framework}.py."
        return [Figure(ID, name_of(each), UNIT, None, 0, note=note) for each in WORKLOADS]
    with ExitStack() as stack:
        running = {
            MATCHED: stack.enter_context(subject.start()),
            LAYERED: stack.enter_context(replace(companion, attribute="layered").start()),
            STATIC: stack.enter_context(companion.start()),
        }
        faults = [
            fault
            for process in running.values()
            for fault in core_gate(process.pid, [choose_cores().client])
        ]
        figures = []
        for workload in WORKLOADS:
            # In random order, so that a drift of the machine does not favour one.
            order = dict(random.sample(list(running.items()), len(running)))
            figures.append(measure(subject, workload, order, effort, faults))
        return figures


def measure(
    subject: Subject,
    workload: Workload,
    running: dict[str, Running],
    effort: Effort,
    faults: list[str],
) -> Figure:
    """Returns the processor time of a request for the constant bytes divided by the other's."""
    name, found = name_of(workload), list(faults)
    requests: dict[str, Request] = {}
    for form, process in running.items():
        prepared = prepare(workload, subject, process.port)
        found += prepared.faults
        if prepared.request is not None:
            requests[form] = prepared.request
    found = found or body_faults(subject, requests)
    if found:
        return Figure(ID, name, UNIT, None, 0, found)
    for form, request in requests.items():
        Prober(running[form].port, request, effort.connections).closed_loop(effort.warmup_seconds)
    cpu: dict[str, float] = {}
    loads: dict[str, Load] = {}
    for form in running:
        before = running[form].cpu_seconds()
        port = running[form].port
        loads[form] = closed_loop(port, requests[form], effort.connections, SECONDS_A_TURN)
        cpu[form] = running[form].cpu_seconds() - before
        found += gates(loads[form]) + busy_gate(loads[form], cpu[form])
    samples = sum(load.completed for load in loads.values())
    if not all(load.completed for load in loads.values()):
        return Figure(ID, name, UNIT, None, samples, found)
    each = {form: cpu[form] / load.completed * 1e6 for form, load in loads.items()}
    extra = {
        TIMES: each,
        "loads": {form: load.as_json() for form, load in loads.items()},
    }
    return Figure(ID, name, UNIT, each[STATIC] / each[MATCHED], samples, found, extra=extra)


def body_faults(subject: Subject, requests: dict[str, Request]) -> list[str]:
    """Returns a sentence if the bodies differ in more than the framework's name on the page."""
    assert subject.framework is not None
    title, name = find_framework(subject.framework).title.encode(), FRAMEWORK.encode()
    bodies = {(request.expected or b"").replace(title, name) for request in requests.values()}
    return ["The constant bytes are not those of the application."] if len(bodies) > 1 else []
