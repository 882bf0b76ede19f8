"""FastAPI recommends `def` in place of `async def`: such a function runs in a thread.

Source: https://fastapi.tiangolo.com/async/, "In a hurry?".
"""

import time

from fastapi import FastAPI
from fastapi.responses import PlainTextResponse

from comparison.bench.blocking import SECONDS

app = FastAPI(default_response_class=PlainTextResponse)


@app.get("/quick")
async def quick() -> str:
    return "quick"


@app.get("/blocking/mistake")
async def mistake() -> str:
    time.sleep(SECONDS)  # noqa: ASYNC251
    return "mistake"


@app.get("/blocking/recommended")
def recommended() -> str:
    time.sleep(SECONDS)
    return "recommended"
