"""B1: how many requests one process answers, and what each costs in processor time."""

from comparison.bench.cores import choose_cores
from comparison.bench.figures import Effort, Figure
from comparison.bench.load import busy_gate, core_gate, gates
from comparison.bench.prober import Prober
from comparison.bench.subjects import Running, Subject
from comparison.bench.workloads import ABOUT, GREETINGS, HELLO, WORKLOADS, Workload, prepare
from comparison.bench.wrk import closed_loop

ID = "B1"
TITLE = "Capacity"
SERVERS = ("uvicorn", "hypercorn")
QUICK_ROUNDS = 7
SECONDS = {"quick": 1.8, "full": 4.5}

RATE = "requests/s"
CPU = "CPU us/request"


def run(subject: Subject, effort: Effort) -> list[Figure]:
    with subject.start() as running:
        return [
            figure
            for workload in workloads(subject, effort)
            for figure in measure(workload, subject, running, effort)
        ]


def workloads(subject: Subject, effort: Effort) -> tuple[Workload, ...]:
    """Returns all for the matched applications on uvicorn, and fewer for the others."""
    if effort.name == "quick":
        return (GREETINGS,)
    if subject.server == "uvicorn" and subject.form != "stock":
        return WORKLOADS
    # The stock applications have no pages.
    return (GREETINGS, HELLO) if subject.form == "stock" else (GREETINGS, ABOUT)


def measure(workload: Workload, subject: Subject, running: Running, effort: Effort) -> list[Figure]:
    prepared = prepare(workload, subject, running.port)
    if prepared.request is None:
        faults, note = list(prepared.faults), prepared.note
        return [Figure(ID, workload.target, unit, None, 0, faults, note) for unit in (RATE, CPU)]
    Prober(running.port, prepared.request, effort.connections).closed_loop(effort.warmup_seconds)
    cpu = running.cpu_seconds()
    load = closed_loop(running.port, prepared.request, effort.connections, effort.closed_seconds)
    cpu = running.cpu_seconds() - cpu
    faults = gates(load) + busy_gate(load, cpu) + core_gate(running.pid, [choose_cores().client])
    answered = max(load.completed + load.errors + load.wrong, 1)
    extra = load.as_json()
    return [
        Figure(ID, workload.target, RATE, load.rate, load.completed, faults, extra=extra),
        Figure(ID, workload.target, CPU, cpu / answered * 1e6, answered, faults),
    ]
