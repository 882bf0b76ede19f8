"""Sanic, with `raw`, which its guide lists among the responses.

Source: https://sanic.dev/en/guide/basics/response.html.
"""

from sanic import HTTPResponse, Request, Sanic, raw

from comparison.bench.control import BODIES
from shared import connect
from shared.files import Files
from shared.lifespan import Lifespan
from shared.security import Security

app = Sanic("static")


@app.get("/greetings")
async def greetings(request: Request) -> HTTPResponse:
    return raw(BODIES["/greetings"], content_type="application/json")


@app.get("/greetings/<lang>")
async def greeting(request: Request, lang: str) -> HTTPResponse:
    return raw(BODIES["/greetings/en"], content_type="application/json")


@app.get("/hello")
async def hello(request: Request) -> HTTPResponse:
    return raw(BODIES["/hello"], content_type="application/json")


@app.get("/about")
async def about(request: Request) -> HTTPResponse:
    return raw(BODIES["/about"], content_type="text/html; charset=utf-8")


layered = connect.Mount(Lifespan(Security(Files(app), websockets={"/live"})), path="stripped")
