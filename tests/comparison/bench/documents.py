"""Documents of runs that never took place, for the tests of the analysis."""

import random
from typing import Any

from comparison.bench import results
from comparison.bench.figures import EFFORTS, Figure
from comparison.bench.plan import make_plan, parse_settings
from comparison.bench.results import Document

VALUES = {"control": 1000.0, "control again": 1000.0, "falcon": 800.0, "fastapi": 400.0}


def full_run(noise: float = 0.005) -> Document:
    """Returns the document of a complete full run in which every gate holds.

    Every measure has one figure, in requests/s.
    """
    settings = parse_settings("full", "", "")
    draw = random.Random(1)
    blocks = []
    for block in make_plan(settings, EFFORTS["full"], 1):
        figures: dict[str, list[dict[str, Any]]] = {}
        for subject in block.subjects:
            mean = VALUES.get(subject.framework or subject.form, 600.0)
            value = mean * draw.lognormvariate(0, noise)
            figure = Figure(block.measure.id, "/greetings", "requests/s", value, 1000)
            figures[subject.name] = [figure.as_json()]
        blocks.append(
            {
                "key": block.key,
                "round": block.round,
                "measure": block.measure.id,
                "module": block.measure.module,
                "server": block.server,
                "order": [subject.name for subject in block.subjects],
                "load": 1.0,
                "seconds": 1.0,
                "figures": figures,
            }
        )
    return {
        "schema": results.SCHEMA,
        "settings": {
            "effort": settings.effort,
            "apps": list(settings.apps),
            "only": list(settings.only),
        },
        "seed": 1,
        "identity": {
            "commit": "0" * 40,
            "machine": {"processor": "P", "cores": "0-1", "memory_gb": 4, "system": "Linux 6"},
            "versions": {"python": "CPython 3.11.7"},
            "client": "wrk 4.1.0",
        },
        "started": "2026-11-26T23:10:00+00:00",
        "finished": "2026-11-26T23:50:00+00:00",
        "client": "wrk 4.1.0",
        "calibration": [
            {"case": "stall", "what": "p99", "unit": "ms", "known": 1920, "read": 1925,
             "tolerance": 100, "holds": True}
        ],
        "pilot": {},
        "rates": {},
        "commands": {},
        "fairness": [],
        "blocks": blocks,
        "summary": None,
    }  # fmt: skip


def figures_of(document: Document, module: str, subject: str) -> list[dict[str, Any]]:
    """Returns the figures of a subject on uvicorn, one for each round; they may be changed."""
    return [
        figure
        for block in document["blocks"]
        if (block["module"], block["server"]) == (module, "uvicorn")
        for figure in block["figures"][subject]
    ]
