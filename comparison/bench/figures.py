"""What a measure takes and returns: the effort, and figures."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeVar

WHOLE = "the whole measure"
"""The name of the figure of a measure that failed: its faults are those of each of its figures."""

EffortName = Literal["quick", "full"]
T = TypeVar("T")


@dataclass(frozen=True)
class Effort:
    """How much a run measures."""

    name: EffortName
    rounds: int
    connections: int
    """The connections of the closed loop."""
    warmup_seconds: float
    """The load before each workload that is not counted."""
    closed_seconds: float
    """The duration of each workload in a closed loop."""
    open_seconds: float
    """The duration of each offered rate in an open loop."""
    rates: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """For each server, the offered rates of the open loop by name, in requests per second."""

    def choose(self, *, quick: T, full: T) -> T:
        """Returns the one of two values that belongs to this effort."""
        return quick if self.name == "quick" else full


QUICK = Effort("quick", 7, 16, 0.1, 1.0, 0.5)
FULL = Effort("full", 10, 16, 0.1, 1.0, 0.8)
EFFORTS: dict[str, Effort] = {"quick": QUICK, "full": FULL}


@dataclass(frozen=True)
class Figure:
    """One measured value of one subject in one round.

    A figure with faults is void: its value is kept for diagnosis, and is never reported.
    """

    measure: str
    """The ID of the measure."""
    name: str
    """What was measured, such as `/greetings`. Figures of one name are compared."""
    unit: str
    value: float | None
    """None: the subject does not offer this; `note` says why."""
    samples: int
    """The number of observations from which the value was computed."""
    faults: list[str] = field(default_factory=list)
    """Sentences: every gate that failed."""
    note: str = ""
    extra: dict[str, Any] = field(default_factory=dict)
    """Raw values, such as the whole distribution. JSON."""

    @property
    def valid(self) -> bool:
        return self.value is not None and not self.faults

    def as_json(self) -> dict[str, Any]:
        return asdict(self)
