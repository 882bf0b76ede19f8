"""FastAPI: annotated parameters, and the type of the return value.

Sources: https://fastapi.tiangolo.com/tutorial/path-params-numeric-validations/,
https://fastapi.tiangolo.com/tutorial/query-params-str-validations/ and
https://fastapi.tiangolo.com/tutorial/response-model/; "Return a Response Directly" for the other.
"""

from typing import Annotated, Any

from fastapi import FastAPI, Path, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from comparison.bench.checking import LANG, MOST, ROWS

app = FastAPI()


class Greeting(BaseModel):
    lang: str
    text: str


@app.get("/unchecked/{lang}")
async def unchecked(request: Request) -> JSONResponse:
    return JSONResponse(ROWS[: int(request.query_params["limit"])])


@app.get("/checked/{lang}", response_model=list[Greeting])
async def checked(
    lang: Annotated[str, Path(pattern=LANG)], limit: Annotated[int, Query(ge=1, le=MOST)]
) -> Any:
    return ROWS[:limit]
