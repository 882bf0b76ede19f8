"""The results: one JSON document, `build/bench/results.json`.

The members, in schema 1:

- `schema`: 1. It changes when a member changes its meaning.
- `settings`: `effort` ("quick" or "full"), `apps`, `only`; `seed`: of the random order.
- `identity`: what must be the same for a run to be resumed: commit, versions, machine.
- `started`, `finished`: times in UTC, ISO 8601; `finished` is null until the last block.
- `client`: `wrk` with its version, or `prober`.
- `calibration`: the prober against servers with a known fault: `case`, `what`, `unit`, `known`,
  `read`, `tolerance`, `holds`.
- `pilot`: for each server, requests/s of each subject on `/greetings`, from which the offered
  rates of B2 follow; `rates`: these rates by server and name.
- `commands`: the command line of every subject, and one of every client and target, as run.
- `fairness`: for each subject, what it runs on (machine.py).
- `blocks`: in the order of their execution. `key`: round, module and server; `round`; `measure`;
  `module`; `server`; `order`: the subjects as they were run; `load`: the machine's load average
  before the block; `seconds`; `figures`: for each subject, a list of figures (`Figure` in
  figures.py).
- `summary`: what analysis.py computes from the blocks; null until the run has finished.

A figure whose `faults` is not empty is void: its `value` is not a result.
"""

import json
import os
from pathlib import Path
from typing import Any

from comparison.bench.subjects import BUILD
from tooling.errors import UsageError
from tooling.frameworks import ROOT

SCHEMA = 1
FILE = BUILD / "results.json"
RECORD = ROOT / "comparison" / "results" / "bench.json"

Document = dict[str, Any]


def write(document: Document, file: Path) -> None:
    """Replaces the file as a whole: the old or the new document remains, and never a part."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with temporary.open("w", encoding="utf-8") as output:
            json.dump(document, output, ensure_ascii=False, indent=1)
            output.write("\n")
            output.flush()
            os.fsync(output.fileno())
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)


def read(file: Path) -> Document:
    """Returns the document. Raises `UsageError` if there is none, or if it cannot be used."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{_name(file)} does not exist: run make bench.") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{_name(file)} cannot be read: {error}; run make bench.") from None
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise UsageError(f"{_name(file)} is not of schema {SCHEMA}: run make bench again.")
    return document


def _name(file: Path) -> str:
    return str(file.relative_to(ROOT)) if file.is_relative_to(ROOT) else str(file)
