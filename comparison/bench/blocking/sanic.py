"""Sanic has no function of its own: asyncio's `to_thread` is what Python offers.

Sanic's guide names the mistake, and no remedy: https://sanic.dev/en/guide/basics/sync_async.html.
Source of the remedy: https://docs.python.org/3/library/asyncio-task.html, "Running in Threads".
"""

import asyncio
import time

from sanic import HTTPResponse, Request, Sanic, text

from comparison.bench.blocking import SECONDS

app = Sanic("blocking")


@app.get("/quick")
async def quick(request: Request) -> HTTPResponse:
    return text("quick")


@app.get("/blocking/mistake")
async def mistake(request: Request) -> HTTPResponse:
    time.sleep(SECONDS)  # noqa: ASYNC251
    return text("mistake")


@app.get("/blocking/recommended")
async def recommended(request: Request) -> HTTPResponse:
    await asyncio.to_thread(time.sleep, SECONDS)
    return text("recommended")
