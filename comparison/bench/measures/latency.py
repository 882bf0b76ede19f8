"""B2: latency at the same offered rate for all subjects of a server, in an open loop."""

from comparison.bench.cores import choose_cores
from comparison.bench.figures import Effort, Figure
from comparison.bench.load import Load, core_gate, gates
from comparison.bench.prober import Prober
from comparison.bench.subjects import Subject
from comparison.bench.workloads import GREETINGS, prepare

ID = "B2"
TITLE = "Latency under a fixed rate"
SERVERS = ("uvicorn", "hypercorn")
FORMS = ("control", "control again", "matched")
QUICK_ROUNDS = 2
SECONDS = {"quick": 1.4, "full": 3.3}

CONNECTIONS = 64
UNITS = ("ms p50", "ms p90", "ms p99", "ms max")


def run(subject: Subject, effort: Effort) -> list[Figure]:
    """Offers each rate of `effort.rates`. Figures: percentiles and the maximum, in ms."""
    figures: list[Figure] = []
    with subject.start() as running:
        prepared = prepare(GREETINGS, subject, running.port)
        shared = core_gate(running.pid, [choose_cores().client])
        for share, rate in effort.rates[subject.server].items():
            if prepared.request is None:
                figures += [
                    Figure(ID, name_of(share), unit, None, 0, list(prepared.faults))
                    for unit in UNITS
                ]
                continue
            prober = Prober(running.port, prepared.request, CONNECTIONS)
            prober.open_loop(rate, effort.warmup_seconds)
            load = prober.open_loop(rate, effort.open_seconds)
            figures += of_load(share, load, gates(load) + shared)
    return figures


def name_of(share: str) -> str:
    return f"{GREETINGS.target} at {share}"


def of_load(share: str, load: Load, faults: list[str]) -> list[Figure]:
    """Returns the figures of one offered rate."""
    note = f"{load.beyond_p99} samples of a round beyond p99"
    seconds = (*(load.percentile(percent) for percent in (50, 90, 99)), load.max_latency)
    return [
        Figure(
            ID,
            name_of(share),
            unit,
            value * 1000,
            load.completed,
            faults,
            note if unit == "ms p99" else "",
            load.as_json() if unit == "ms p50" else {"beyond_p99": load.beyond_p99},
        )
        for unit, value in zip(UNITS, seconds, strict=True)
    ]
