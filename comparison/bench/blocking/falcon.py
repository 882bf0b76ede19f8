"""Falcon recommends `falcon.sync_to_async`, which runs a function in the loop's thread pool.

Source: https://falcon.readthedocs.io/en/stable/api/util.html, "Async Helpers".
"""

import time

import falcon
import falcon.asgi
from falcon.asgi import Request, Response

from comparison.bench.blocking import SECONDS


class Quick:
    async def on_get(self, req: Request, resp: Response) -> None:
        resp.text = "quick"


class Mistake:
    async def on_get(self, req: Request, resp: Response) -> None:
        time.sleep(SECONDS)  # noqa: ASYNC251
        resp.text = "mistake"


class Recommended:
    async def on_get(self, req: Request, resp: Response) -> None:
        await falcon.sync_to_async(time.sleep, SECONDS)
        resp.text = "recommended"


app = falcon.asgi.App(media_type=falcon.MEDIA_TEXT)
app.add_route("/quick", Quick())
app.add_route("/blocking/mistake", Mistake())
app.add_route("/blocking/recommended", Recommended())
