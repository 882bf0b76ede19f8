"""Small applications beside the stock ones, each for one measure."""

from dataclasses import dataclass
from importlib.util import find_spec

from comparison.bench.subjects import Subject


@dataclass(frozen=True)
class Companion(Subject):
    """The application of a framework in `comparison/bench/<folder>/<framework>.py`."""

    folder: str = ""
    attribute: str = "app"

    @property
    def name(self) -> str:
        return f"{self.framework} {self.folder}"

    @property
    def application(self) -> str:
        return f"comparison.bench.{self.folder}.{self.framework}:{self.attribute}"


def find_companion(subject: Subject, folder: str) -> Companion | None:
    """Returns the subject's framework in that folder, on the same server; None if it is absent."""
    companion = Companion(subject.framework, subject.form, subject.server, folder)
    module = companion.application.partition(":")[0]
    return companion if subject.framework and find_spec(module) else None
