"""Falcon, after the ASGI example of its quickstart, and `media` of its ASGI tutorial.

Sources: https://falcon.readthedocs.io/en/stable/user/quickstart.html and
https://falcon.readthedocs.io/en/stable/user/tutorial-asgi.html.
"""

import json
from pathlib import Path

import falcon.asgi
from falcon.asgi import Request, Response

db = json.loads((Path(__file__).parents[3] / "shared/greetings.json").read_text("utf-8"))


class Greetings:
    async def on_get(self, req: Request, resp: Response) -> None:
        resp.media = [{"lang": lang, "text": text} for lang, text in sorted(db.items())]


class Greeting:
    async def on_get(self, req: Request, resp: Response, lang: str) -> None:
        resp.media = {"lang": lang, "text": db.get(lang)}


class Hello:
    async def on_get(self, req: Request, resp: Response) -> None:
        credentials = req.get_header("RStudio-Connect-Credentials")
        if credentials is None:
            resp.media = {"message": "Howdy stranger!"}
        else:
            resp.media = {"message": f"So nice to see you, {json.loads(credentials)['user']}!"}


app = falcon.asgi.App()
app.add_route("/greetings", Greetings())
app.add_route("/greetings/{lang}", Greeting())
app.add_route("/hello", Hello())
