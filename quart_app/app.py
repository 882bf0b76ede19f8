"""Greetings in Quart: Flask's decorators, awaited; its templates, static files and JSON provider."""

from collections.abc import AsyncGenerator
from typing import Any

import msgspec
from quart import Quart, Response, jsonify, render_template, request, send_from_directory
from quart.json.provider import JSONProvider
from werkzeug.exceptions import HTTPException

from shared import connect, pages, problems
from shared.greetings import Greeting, is_language_tag, open_greetings
from shared.lifespan import Lifespan
from shared.openapi import load_openapi
from shared.problems import Problem

# --- Start-up and shutdown


class MsgspecProvider(JSONProvider):
    """Writes dataclasses, leaves UTF-8 unescaped, and is several times as fast as Quart's own."""

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        return msgspec.json.encode(obj).decode()

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        return msgspec.json.decode(s)


api = Quart(__name__, static_folder=None, template_folder=str(pages.TEMPLATES))
api.json = MsgspecProvider(api)
api.config["SEND_FILE_MAX_AGE_DEFAULT"] = None  # Otherwise files expire after 12 hours.
api.url_map.merge_slashes = False  # It redirects `/static//x`, to an absolute URL.


@api.while_serving
async def lifespan() -> AsyncGenerator[None, None]:
    api.extensions["greetings"] = await open_greetings()
    yield
    await api.extensions["greetings"].close()


# --- Greetings


@api.get("/greetings")
async def get_greetings() -> list[Greeting]:
    greetings: list[Greeting] = await api.extensions["greetings"].all()
    return greetings


@api.get("/greetings/<lang>")
async def get_greeting(lang: str) -> Response:
    if not is_language_tag(lang):
        raise Problem.invalid("lang")
    greeting = await api.extensions["greetings"].get(lang)
    if greeting is None:
        raise Problem(404, f"There is no greeting in {lang}.")
    return jsonify(greeting)


# --- Hello


def get_user() -> connect.Credentials | None:
    # Werkzeug reads headers as latin-1; Connect writes UTF-8.
    values = request.headers.getlist(connect.CREDENTIALS)
    return connect.parse_credentials([value.encode("latin-1") for value in values])


@api.get("/hello")
async def get_hello() -> dict[str, str]:
    user = get_user()
    if user is None:
        return {"message": "Howdy stranger!"}
    return {"message": f"So nice to see you, {user.user}!"}


# --- Pages


async def page(template: str, **context: object) -> tuple[str, dict[str, str]]:
    html = await render_template(template, framework="Quart", mount=request.root_path, **context)
    return html, pages.HEADERS


@api.get("/")
async def get_index() -> tuple[str, dict[str, str]]:
    return await page("index.html")


@api.get("/about")
async def get_about() -> tuple[str, dict[str, str]]:
    name = request.args.get("name", "")
    if len(name) > pages.MAX_NAME:
        raise Problem.invalid("name")
    base_url = request.headers.get(connect.BASE_URL)
    return await page("about.html", name=name or pages.DEFAULT_NAME, base_url=base_url)


@api.get("/static/<path:path>")
async def get_static(path: str) -> Response:
    """Instead of `static_folder`, which answers 500 to a name too long for the file system."""
    try:
        response = await send_from_directory(pages.STATIC, path)
    except OSError:
        raise Problem(404) from None
    if response.status_code == 412:  # Quart sends the file with it.
        raise Problem(412)
    response.headers["Cache-Control"] = "no-cache"
    return response


# --- Documentation

document = load_openapi()


@api.get("/docs")
async def get_docs() -> tuple[str, dict[str, str]]:
    return await page("docs.html")


@api.get("/openapi.json")
async def get_openapi() -> dict[str, Any]:
    return {**document, "servers": [{"url": request.root_path or "/"}]}


# --- Refusals


def refuse(problem: Problem, headers: dict[str, str] | None = None) -> Response:
    body = msgspec.json.encode(problem.details)
    return Response(body, problem.status, headers, content_type=problems.MEDIA_TYPE)


@api.errorhandler(Problem)
async def on_problem(error: Problem) -> Response:
    return refuse(error)


@api.errorhandler(HTTPException)  # Unexpected errors too: Quart logs them and makes them a 500.
async def on_http_error(error: HTTPException) -> Response:
    assert error.code is not None
    headers = dict(error.get_headers())
    return refuse(Problem(error.code), {"Allow": headers["Allow"]} if "Allow" in headers else None)


# --- The application

app = connect.Mount(Lifespan(api), path="included")
