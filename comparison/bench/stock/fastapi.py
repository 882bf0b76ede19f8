"""FastAPI, after "FastAPI" in Posit Connect's User Guide: its JSON and user meta-data examples.

Source: https://docs.posit.co/connect/user/fastapi/. Typed returns and `Header` are in FastAPI's
tutorial too: https://fastapi.tiangolo.com/tutorial/response-model/.
"""

import json
from pathlib import Path
from typing import Annotated

from fastapi import Depends, FastAPI, Header
from pydantic import BaseModel

app = FastAPI()
db = json.loads((Path(__file__).parents[3] / "shared/greetings.json").read_text("utf-8"))


class Greeting(BaseModel):
    lang: str
    text: str | None


class User(BaseModel):
    user: str
    groups: list[str] = []


@app.get("/greetings", response_model=list[Greeting])
async def greetings() -> list[Greeting]:
    return [Greeting(lang=lang, text=text) for lang, text in sorted(db.items())]


@app.get("/greetings/{lang}", response_model=Greeting)
async def greeting(lang: str) -> Greeting:
    return Greeting(lang=lang, text=db.get(lang))


async def get_current_user(
    rstudio_connect_credentials: Annotated[str | None, Header()] = None,
) -> User | None:
    if rstudio_connect_credentials is None:
        return None
    return User(**json.loads(rstudio_connect_credentials))


@app.get("/hello")
async def hello(user: Annotated[User | None, Depends(get_current_user)]) -> dict[str, str]:
    if user is None:
        return {"message": "Howdy stranger!"}
    return {"message": f"So nice to see you, {user.user}!"}
