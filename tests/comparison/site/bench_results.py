"""A small `bench.json`: invented values, in the schema of the benchmark."""

import random
from collections.abc import Iterator
from typing import Any

from comparison.bench.analysis import summarize
from tooling.frameworks import find_frameworks

ROUNDS = 8

FIGURES: list[tuple[str, str, str, str, float, tuple[str, ...]]] = [
    ("B1", "capacity", "/greetings", "requests/s", 9000, ("matched", "stock")),
    ("B1", "capacity", "/greetings", "CPU us/request", 100, ("matched", "stock")),
    ("B1", "rows", "100,000 rows", "rows/s", 50000, ("matched",)),
    ("B2", "latency", "/greetings at 50 %", "ms p99", 4, ("matched",)),
    ("B4", "blocking", "mistake", "ms", 950, ("stock",)),
    ("B4", "blocking", "recommended", "ms", 3, ("stock",)),
    ("B6", "start", "process to first answer, with bytecode", "ms", 300, ("matched",)),
]
"""Measure, module, name, unit, value of the control, and forms."""

NEAR = "CPU us/request"
"""The unit of the figure that does not separate the frameworks."""
VOID = "ms p99"
"""The unit of the figure whose gate failed for the first framework."""


def names() -> list[str]:
    """The frameworks, sorted."""
    return [framework.name for framework in find_frameworks()]


def fastest() -> str:
    """The framework that is decidedly the fastest in these values: the last one."""
    return names()[-1]


def document(*, again: float = 1.0) -> dict[str, Any]:
    """A full run. `again`: by how much the control is slower when it is measured again."""
    drawn = random.Random(11)
    blocks = [block for number in range(ROUNDS) for block in _blocks(number, again, drawn)]
    made: dict[str, Any] = {
        "schema": 1,
        "settings": {"effort": "full", "apps": names(), "only": []},
        "seed": 11,
        "identity": {
            "commit": "0" * 40,
            "machine": {
                "processor": "An invented processor",
                "cores": "0-1",
                "memory_gb": 4.0,
                "system": "Linux 6",
            },
            "versions": {"python": "CPython 3.11.7"},
            "client": "prober",
        },
        "started": "2026-11-26T20:00:00+00:00",
        "finished": "2026-11-26T20:40:00+00:00",
        "client": "prober",
        "calibration": [
            {
                "case": "one stall of 2 s",
                "what": "p99",
                "unit": "ms",
                "known": 1920.0,
                "read": 1919.9,
                "tolerance": 100.0,
                "holds": True,
            }
        ],
        "pilot": {},
        "rates": {"uvicorn": {"50 %": 500.0}},
        "commands": {"control": ["python", "-m", "uvicorn"]},
        "fairness": [],
        "blocks": blocks,
        "summary": None,
    }
    made["summary"] = summarize(made, []).as_json()
    return made


def _blocks(number: int, again: float, drawn: random.Random) -> Iterator[dict[str, Any]]:
    modules = dict.fromkeys(figure[1] for figure in FIGURES)
    for module in modules:
        figures: dict[str, list[dict[str, Any]]] = {}
        for measure, of, name, unit, value, forms in FIGURES:
            if of == module:
                for subject, factor in _subjects(forms, unit, again):
                    noise = drawn.uniform(0.999, 1.001)
                    figure = _figure(measure, name, unit, value * factor * noise)
                    if unit == VOID and subject == f"{names()[0]} matched":
                        figure["faults"] = ["The client used 97% of its core."]
                    figures.setdefault(subject, []).append(figure)
        yield {
            "key": f"{number} {module} uvicorn",
            "round": number,
            "measure": next(figure[0] for figure in FIGURES if figure[1] == module),
            "module": module,
            "server": "uvicorn",
            "order": list(figures),
            "load": 0.1,
            "seconds": 1.0,
            "figures": figures,
        }


def _subjects(forms: tuple[str, ...], unit: str, again: float) -> Iterator[tuple[str, float]]:
    """A later framework in the alphabet is faster, except where all are the same."""
    yield "control", 1.0
    yield "control again", 1 / again if unit.endswith("/s") else again
    for number, name in enumerate(names()):
        slower = 2 if unit == NEAR else 3 - number / 4
        for form in forms:
            yield f"{name} {form}", 1 / slower if unit.endswith("/s") else slower


def _figure(measure: str, name: str, unit: str, value: float) -> dict[str, Any]:
    return {
        "measure": measure,
        "name": name,
        "unit": unit,
        "value": value,
        "samples": 100,
        "faults": [],
        "note": "",
        "extra": {},
    }
