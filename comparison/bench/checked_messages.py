"""The types with which msgspec checks, for frameworks that do not check a whole request.

Source: https://jcristharif.com/msgspec/constraints.html.
"""

from typing import Annotated, Any

import msgspec

from comparison.bench.checking import LANG, MOST


class Parameters(msgspec.Struct):
    lang: Annotated[str, msgspec.Meta(pattern=LANG)]
    limit: Annotated[int, msgspec.Meta(ge=1, le=MOST)]


class Greeting(msgspec.Struct):
    lang: str
    text: str


def check_parameters(lang: str, limit: str | None) -> Parameters:
    """Raises `msgspec.ValidationError`."""
    return msgspec.convert({"lang": lang, "limit": limit}, Parameters, strict=False)


def check_rows(rows: list[dict[str, str]]) -> Any:
    """Returns what a framework's own JSON can encode. Raises `msgspec.ValidationError`."""
    return msgspec.to_builtins(msgspec.convert(rows, list[Greeting]))
