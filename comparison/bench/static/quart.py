"""Quart, after the responses of its quickstart.

Source: https://quart.palletsprojects.com/en/latest/tutorials/quickstart/.
"""

from quart import Quart, Response

from comparison.bench.control import BODIES
from shared import connect
from shared.files import Files
from shared.lifespan import Lifespan
from shared.security import Security

app = Quart(__name__)


@app.get("/greetings")
async def greetings() -> Response:
    return Response(BODIES["/greetings"], content_type="application/json")


@app.get("/greetings/<lang>")
async def greeting(lang: str) -> Response:
    return Response(BODIES["/greetings/en"], content_type="application/json")


@app.get("/hello")
async def hello() -> Response:
    return Response(BODIES["/hello"], content_type="application/json")


@app.get("/about")
async def about() -> Response:
    return Response(BODIES["/about"], content_type="text/html; charset=utf-8")


layered = connect.Mount(Lifespan(Security(Files(app), websockets={"/live"})), path="included")
