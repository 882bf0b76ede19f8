"""The measures: every module of this package is one. There is no other list.

A module has:

- `ID`: "B1", "B2" and so on; `TITLE`: a few words.
- `SERVERS`: the servers on which it is run, such as `("uvicorn", "hypercorn")`.
- `FORMS`, optional: the forms that are measured; without it, all.
- `ROUNDS`, optional: the upper limit of the number of rounds in a full run; without it, ten.
- `HYPERCORN_ROUNDS`, optional: the same on hypercorn; without it, six.
- `QUICK_ROUNDS`, optional: the same in a quick run; without it, a quick run leaves the measure out,
  unless `ONLY` names it. With fewer than six rounds, a range is reported instead of an interval.
- `SECONDS`, optional: what one call takes in a quick and in a full run, such as
  `{"quick": 1, "full": 4}`, for the time left.
- `run(subject, effort) -> list[Figure]`: starts its own fresh process (or processes) of the
  subject, and stops them before it returns. It is called once per subject and round.

The process of the benchmark runs on the client's core; `Subject.start` gives the server the other.

The budget: a full run ends within 55 minutes on two cores, a quick run within 3. Therefore
hypercorn has six rounds and no stock forms, and a quick run has neither hypercorn nor stock forms.
The memory (B5), and stopping on hypercorn (B8), take more than a minute a round; they have one
round, and decide nothing.
"""

import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol, get_args

from comparison.bench.figures import FULL, Effort, Figure
from comparison.bench.subjects import Form, Server, Subject

HYPERCORN_ROUNDS = 6


class Run(Protocol):
    def __call__(self, subject: Subject, effort: Effort) -> list[Figure]: ...


@dataclass(frozen=True)
class Measure:
    """One module of this package."""

    id: str
    title: str
    servers: tuple[Server, ...]
    forms: tuple[Form, ...]
    rounds: Mapping[str, int]
    """The upper limit of the number of rounds, by effort."""
    seconds: Mapping[str, float]
    """What one call is expected to take, by effort."""
    run: Run
    module: str
    hypercorn_rounds: int = HYPERCORN_ROUNDS


def find_measures() -> list[Measure]:
    """Returns every measure, in the order of their numbers."""
    measures = []
    for found in pkgutil.iter_modules(__path__):
        module = import_module(f"{__name__}.{found.name}")
        measures.append(
            Measure(
                id=module.ID,
                title=module.TITLE,
                servers=module.SERVERS,
                forms=getattr(module, "FORMS", get_args(Form)),
                rounds={
                    "full": getattr(module, "ROUNDS", FULL.rounds),
                    "quick": getattr(module, "QUICK_ROUNDS", 0),
                },
                seconds=getattr(module, "SECONDS", {"quick": 2.0, "full": 8.0}),
                run=module.run,
                module=found.name,
                hypercorn_rounds=getattr(module, "HYPERCORN_ROUNDS", HYPERCORN_ROUNDS),
            )
        )
    return sorted(measures, key=lambda measure: int(measure.id.removeprefix("B")))
