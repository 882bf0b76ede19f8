"""Quart, after its quickstart and its tutorial "Building a RESTful JSON API".

Sources: https://quart.palletsprojects.com/en/latest/tutorials/quickstart/ and
https://quart.palletsprojects.com/en/latest/tutorials/api_tutorial/.
"""

import json
from pathlib import Path

from quart import Quart, request

app = Quart(__name__)
db = json.loads((Path(__file__).parents[3] / "shared/greetings.json").read_text("utf-8"))


@app.get("/greetings")
async def greetings() -> list[dict[str, str]]:
    return [{"lang": lang, "text": text} for lang, text in sorted(db.items())]


@app.get("/greetings/<lang>")
async def greeting(lang: str) -> dict[str, str | None]:
    return {"lang": lang, "text": db.get(lang)}


@app.get("/hello")
async def hello() -> dict[str, str]:
    credentials = request.headers.get("RStudio-Connect-Credentials")
    if credentials is None:
        return {"message": "Howdy stranger!"}
    return {"message": f"So nice to see you, {json.loads(credentials)['user']}!"}
