"""The survivors that are known: `survivors.toml`, with the reason why each is not killed."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

FILE = Path(__file__).with_name("survivors.toml")

Kind = Literal["equivalent", "speed", "time", "log", "servers", "database", "project", "gap"]
"""Why a mutant survives.

- `equivalent`: no request, setting or log tells the mutant from the app.
- `speed`: it is slower, needs more memory, or releases something a moment later.
- `time`: a test would have to wait for a minute or longer.
- `log`: it differs only in what is logged, or in a message for operators.
- `servers`: only a real server shows the difference; the reason names the test.
- `database`: only a database shows the difference; the reason names the test.
- `project`: only a further resource in a project of one's own shows the difference.
- `gap`: a test is missing; the reason says what it would have to do.
"""


@dataclass(frozen=True)
class Survivor:
    """`change` is the change that was judged: an id may come to mean another one."""

    id: str
    change: str
    kind: Kind
    reason: str

    @property
    def is_equivalent(self) -> bool:
        """Whether the rate leaves the mutant out."""
        return self.kind == "equivalent"


def listed(file: Path = FILE) -> dict[str, Survivor]:
    """The survivors by id. Raises `ValueError` for an entry that is repeated or has no reason."""
    found: dict[str, Survivor] = {}
    for entry in tomllib.loads(file.read_text(encoding="utf-8")).get("survivor", []):
        survivor = Survivor(**entry)
        if survivor.id in found:
            raise ValueError(f"{file.name}: {survivor.id} is there twice.")
        if survivor.kind not in get_args(Kind) or not survivor.reason:
            raise ValueError(f"{file.name}: {survivor.id} has no kind or no reason.")
        found[survivor.id] = survivor
    return found


def entry(id: str, change: str) -> str:
    """The entry for a survivor, in which kind and reason are still to be written."""
    return f"[[survivor]]\nid = {_quoted(id)}\nchange = {_quoted(change)}\nkind = ''\nreason = ''\n"


def _quoted(text: str) -> str:
    if "'" not in text:
        return f"'{text}'"
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
