"""Sanic, after "Getting Started", and "Routing" and "Response" of its guide.

Sources: https://sanic.dev/en/guide/getting-started.html, .../guide/basics/routing.html and
.../guide/basics/response.html. Sanic Extensions, which the guide recommends, is not installed.
"""

from json import loads
from pathlib import Path

from sanic import HTTPResponse, Request, Sanic, json

app = Sanic("stock")
db = loads((Path(__file__).parents[3] / "shared/greetings.json").read_text("utf-8"))


@app.get("/greetings")
async def greetings(request: Request) -> HTTPResponse:
    return json([{"lang": lang, "text": text} for lang, text in sorted(db.items())])


@app.get("/greetings/<lang>")
async def greeting(request: Request, lang: str) -> HTTPResponse:
    return json({"lang": lang, "text": db.get(lang)})


@app.get("/hello")
async def hello(request: Request) -> HTTPResponse:
    credentials = request.headers.get("RStudio-Connect-Credentials")
    if credentials is None:
        return json({"message": "Howdy stranger!"})
    return json({"message": f"So nice to see you, {loads(credentials)['user']}!"})
