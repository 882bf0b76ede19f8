"""Quart recommends `run_sync`, which keeps the context of the request in the thread.

Source: https://quart.palletsprojects.com/en/latest/how_to_guides/sync_code/.
"""

import time

from quart import Quart
from quart.utils import run_sync

from comparison.bench.blocking import SECONDS

app = Quart(__name__)


@app.get("/quick")
async def quick() -> str:
    return "quick"


@app.get("/blocking/mistake")
async def mistake() -> str:
    time.sleep(SECONDS)  # noqa: ASYNC251
    return "mistake"


@app.get("/blocking/recommended")
async def recommended() -> str:
    await run_sync(time.sleep)(SECONDS)
    return "recommended"
