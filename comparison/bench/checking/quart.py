"""Quart brings no validation; Quart-Schema, which its documentation names, is not installed.

Source: https://quart.palletsprojects.com/en/latest/how_to_guides/json_encoding/.
"""

import msgspec
from quart import Quart, request

from comparison.bench.checked_messages import check_parameters, check_rows
from comparison.bench.checking import ROWS

app = Quart(__name__)


@app.get("/unchecked/<lang>")
async def unchecked(lang: str) -> list[dict[str, str]]:
    return ROWS[: int(request.args["limit"])]


@app.get("/checked/<lang>")
async def checked(lang: str) -> list[dict[str, str]]:
    parameters = check_parameters(lang, request.args.get("limit"))
    found: list[dict[str, str]] = check_rows(ROWS[: parameters.limit])
    return found


@app.errorhandler(msgspec.ValidationError)
async def refuse(error: msgspec.ValidationError) -> tuple[str, int]:
    return str(error), 422
