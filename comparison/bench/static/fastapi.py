"""FastAPI, after "Return a Response Directly".

Source: https://fastapi.tiangolo.com/advanced/response-directly/.
"""

from fastapi import FastAPI, Response

from comparison.bench.control import BODIES
from shared import connect
from shared.files import Files
from shared.lifespan import Lifespan
from shared.security import Security

app = FastAPI()


@app.get("/greetings")
async def greetings() -> Response:
    return Response(BODIES["/greetings"], media_type="application/json")


@app.get("/greetings/{lang}")
async def greeting(lang: str) -> Response:
    return Response(BODIES["/greetings/en"], media_type="application/json")


@app.get("/hello")
async def hello() -> Response:
    return Response(BODIES["/hello"], media_type="application/json")


@app.get("/about")
async def about() -> Response:
    return Response(BODIES["/about"], media_type="text/html")


layered = connect.Mount(Lifespan(Security(Files(app), websockets={"/live"})), path="included")
