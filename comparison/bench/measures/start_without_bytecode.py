"""B6: how long a start takes if Python has to compile every module, as after an installation."""

import tempfile

from comparison.bench.figures import Effort, Figure
from comparison.bench.measures.start import import_alone, join, start
from comparison.bench.subjects import Subject

ID = "B6"
TITLE = "Start without bytecode"
SERVERS = ("uvicorn",)
FORMS = ("control", "matched")
ROUNDS = 6
SECONDS = {"quick": 3.5, "full": 3.5}

HOW = "without bytecode"


def run(subject: Subject, effort: Effort) -> list[Figure]:
    """One start a round, with an empty folder for bytecode that stays empty."""
    with tempfile.TemporaryDirectory() as empty:
        variables = {"PYTHONPYCACHEPREFIX": empty, "PYTHONDONTWRITEBYTECODE": "1"}
        return join([*start(subject, variables, HOW), import_alone(subject, variables, HOW)])
