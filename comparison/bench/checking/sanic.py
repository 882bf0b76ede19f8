"""Sanic brings no validation; Sanic Extensions, which its guide recommends, is not installed.

Source: https://sanic.dev/en/guide/best-practices/exceptions.html for the refusal.
"""

import msgspec
from sanic import HTTPResponse, Request, Sanic, json, text

from comparison.bench.checked_messages import check_parameters, check_rows
from comparison.bench.checking import ROWS

app = Sanic("checking")


@app.get("/unchecked/<lang>")
async def unchecked(request: Request, lang: str) -> HTTPResponse:
    return json(ROWS[: int(request.args["limit"][0])])


@app.get("/checked/<lang>")
async def checked(request: Request, lang: str) -> HTTPResponse:
    parameters = check_parameters(lang, request.args.get("limit"))
    return json(check_rows(ROWS[: parameters.limit]))


@app.exception(msgspec.ValidationError)
async def refuse(request: Request, error: msgspec.ValidationError) -> HTTPResponse:
    return text(str(error), status=422)
