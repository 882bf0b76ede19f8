"""Greetings in Quart: Flask's decorators on coroutines; its templates and a JSON provider."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import msgspec
from quart import (
    Quart,
    Response,
    jsonify,
    render_template,
    request,
    send_file,
    websocket,
)
from quart.asgi import ASGIWebsocketConnection
from quart.json.provider import JSONProvider
from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException

from shared import connect, events, hello, live, pages, problems
from shared.errors import UnavailableError
from shared.files import Files, file_headers
from shared.greetings import Greeting, Store, is_language_tag
from shared.health import check_health
from shared.lifespan import Lifespan
from shared.openapi import load_openapi
from shared.problems import Problem
from shared.security import Security
from shared.stores import open_store

# --- Start-up and shutdown


class MsgspecProvider(JSONProvider):
    """Encodes with msgspec; unlike Quart's own provider it neither escapes text nor sorts keys."""

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        return msgspec.json.encode(obj).decode()

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        return msgspec.json.decode(s)


class WebsocketConnection(ASGIWebsocketConnection):
    """Takes few messages that have not been answered: without a limit, Quart keeps all of them.

    A handler that does not answer every message would wait for ever, and needs another limit.
    """

    async def __call__(self, receive: Any, send: Any) -> None:
        unanswered = asyncio.Semaphore(8)

        async def receive_next() -> Any:
            await unanswered.acquire()
            return await receive()

        async def send_answer(message: Any) -> None:
            await send(message)
            unanswered.release()

        await super().__call__(receive_next, send_answer)


api = Quart(__name__, static_folder=None, template_folder=str(pages.TEMPLATES))
api.asgi_websocket_class = WebsocketConnection
api.json = MsgspecProvider(api)
api.config["SEND_FILE_MAX_AGE_DEFAULT"] = None  # Otherwise browsers keep files for 12 hours.
api.url_map.merge_slashes = False  # Otherwise `/static//x` is redirected, to an absolute URL.


@api.while_serving
async def lifespan() -> AsyncGenerator[None, None]:
    async with aclosing(await open_store()) as api.extensions["store"]:
        yield


def store() -> Store:
    opened: Store = api.extensions["store"]
    return opened


# --- Greetings


@api.get("/greetings")
async def get_greetings() -> list[Greeting]:
    return await store().all()


@api.get("/greetings/stream")
async def stream_greetings() -> Response:
    stream = await events.open_events(store())

    async def send() -> AsyncGenerator[str, None]:
        async with aclosing(stream):
            async for event in stream:
                yield event.encode()

    response = Response(send(), headers=events.HEADERS, content_type=events.MEDIA_TYPE)
    response.timeout = None  # The default ends a stream after a minute.
    return response


@api.get("/greetings/<lang>")
async def get_greeting(lang: str) -> Response:
    if not is_language_tag(lang):
        raise Problem.invalid("lang")
    greeting = await store().get(lang)
    if greeting is None:
        raise Problem.no_greeting(lang)
    return jsonify(greeting)


# --- Hello


def get_user(headers: Headers) -> connect.Credentials | None:
    # Werkzeug decodes headers as latin-1; Connect sends UTF-8.
    values = headers.getlist(connect.CREDENTIALS)
    return connect.parse_credentials([value.encode("latin-1") for value in values])


@api.get("/hello")
async def get_hello() -> tuple[Response, dict[str, str]]:
    return jsonify(hello.say_hello(get_user(request.headers))), hello.HEADERS


# --- Live


@api.websocket("/live")
async def talk() -> None:
    await websocket.accept()
    try:
        user = get_user(websocket.headers)
        while True:
            data = await websocket.receive()
            await websocket.send(await live.answer(store(), user, data))
    except Problem as problem:
        await websocket.send(live.encode(problem.details))
        await websocket.close(live.POLICY_VIOLATION)
    except live.Close as close:
        await websocket.close(close.code)


# --- Health


@api.get("/health")
async def get_health() -> Response:
    return jsonify(await check_health(store()))


# --- Pages


async def page(template: str, **context: object) -> tuple[str, dict[str, str]]:
    links = pages.links(request.scope)
    return await render_template(template, framework="Quart", **links, **context), pages.HEADERS


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
    """Replaces `static_folder`, which follows links to other folders."""
    found = pages.static_file(path)
    if found is None:
        raise Problem(404)
    response = await send_file(found)
    response.headers.update(file_headers(found))
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


def refuse(problem: Problem) -> Response:
    body = msgspec.json.encode(problem.details)
    return Response(body, problem.status, problem.headers, content_type=problems.MEDIA_TYPE)


@api.errorhandler(Problem)
async def on_problem(error: Problem) -> Response:
    return refuse(error)


@api.errorhandler(UnavailableError)
async def on_unavailable(error: UnavailableError) -> Response:
    return refuse(Problem.unavailable())


@api.errorhandler(HTTPException)  # For unexpected errors too: Quart logs them and raises a 500.
async def on_http_error(error: HTTPException) -> Response:
    assert error.code is not None
    allow = {name: value for name, value in error.get_headers() if name == "Allow"}
    return refuse(Problem(error.code, headers=allow))


# --- The application

app = connect.Mount(Lifespan(Security(Files(api), websockets={"/live"})), path="included")
