"""Falcon, with `data` of its ASGI response.

Source: https://falcon.readthedocs.io/en/stable/api/request_and_response_asgi.html.
"""

import falcon
import falcon.asgi
from falcon.asgi import Request, Response

from comparison.bench.control import BODIES
from shared import connect
from shared.files import Files
from shared.lifespan import Lifespan
from shared.security import Security


class Greetings:
    async def on_get(self, req: Request, resp: Response) -> None:
        resp.data = BODIES["/greetings"]


class Greeting:
    async def on_get(self, req: Request, resp: Response, lang: str) -> None:
        resp.data = BODIES["/greetings/en"]


class Hello:
    async def on_get(self, req: Request, resp: Response) -> None:
        resp.data = BODIES["/hello"]


class About:
    async def on_get(self, req: Request, resp: Response) -> None:
        resp.content_type = falcon.MEDIA_HTML
        resp.data = BODIES["/about"]


app = falcon.asgi.App()
app.add_route("/greetings", Greetings())
app.add_route("/greetings/{lang}", Greeting())
app.add_route("/hello", Hello())
app.add_route("/about", About())
layered = connect.Mount(Lifespan(Security(Files(app), websockets={"/live"})), path="stripped")
