"""The measures: every module of this package is one. There is no other list.

A module has:

- `ID`: "B1", "B2" and so on; `TITLE`: a few words.
- `SERVERS`: the servers on which it is run, such as `("uvicorn", "hypercorn")`.
- `FORMS`, optional: the forms that are measured; without it, all.
- `ROUNDS`, optional: an upper limit of the number of rounds in a full run. With fewer than six, a
  range is reported instead of an interval.
- `run(subject, effort) -> list[Figure]`: starts its own fresh process (or processes) of the
  subject, and stops them before it returns. It is called once per subject and round.
"""

import pkgutil
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol, get_args

from comparison.bench.figures import Effort, Figure
from comparison.bench.subjects import Form, Server, Subject


class Run(Protocol):
    def __call__(self, subject: Subject, effort: Effort) -> list[Figure]: ...


@dataclass(frozen=True)
class Measure:
    """One module of this package."""

    id: str
    title: str
    servers: tuple[Server, ...]
    forms: tuple[Form, ...]
    rounds: int | None
    """The upper limit of the number of rounds."""
    run: Run
    module: str


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
                rounds=getattr(module, "ROUNDS", None),
                run=module.run,
                module=found.name,
            )
        )
    return sorted(measures, key=lambda measure: int(measure.id.removeprefix("B")))
