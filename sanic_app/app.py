"""Greetings in Sanic: one instance with its context, listeners and exception handlers."""

import asyncio
from contextlib import aclosing
from typing import Any
from urllib.parse import unquote

import msgspec
from jinja2 import Environment, FileSystemLoader, select_autoescape
from sanic import HTTPResponse, Request, Sanic, Websocket, file, html, json
from sanic.exceptions import SanicException

from shared import connect, events, hello, live, pages, problems
from shared.asgi import Receive, Scope, Send
from shared.errors import UnavailableError
from shared.files import Files, file_headers
from shared.greetings import is_language_tag
from shared.health import check_health
from shared.lifespan import Lifespan
from shared.openapi import load_openapi
from shared.problems import Problem
from shared.security import Security
from shared.stores import open_store

# --- Start-up and shutdown

api = Sanic("greetings", strict_slashes=True, dumps=msgspec.json.encode, loads=msgspec.json.decode)
api.config.MOTD = False
READ = ("GET", "HEAD")  # Sanic does not add HEAD to GET.


@api.before_server_start
async def startup(api: Sanic[Any, Any]) -> None:
    api.ctx.store = await open_store()


@api.after_server_stop
async def shutdown(api: Sanic[Any, Any]) -> None:
    await api.ctx.store.aclose()


# --- Greetings


@api.route("/greetings", methods=READ)
async def get_greetings(request: Request) -> HTTPResponse:
    return json(await request.app.ctx.store.all())


async def disconnected(request: Request) -> None:
    """Returns when the client has disconnected. Under ASGI Sanic does not inform handlers."""
    while (await request.scope["receive"]())["type"] != "http.disconnect":
        pass


@api.route("/greetings/stream", methods=READ)
async def stream_greetings(request: Request) -> None:
    stream = await events.open_events(request.app.ctx.store)
    response = await request.respond(content_type=events.MEDIA_TYPE, headers=events.HEADERS)

    async def send() -> None:
        async with aclosing(stream):
            async for event in stream:
                await response.send(event.encode())

    tasks = [asyncio.create_task(send()), asyncio.create_task(disconnected(request))]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        done.pop().result()  # Raises an unexpected error, which must not look like the end.
    finally:
        for task in tasks:
            task.cancel()


@api.route("/greetings/<lang>", methods=READ)
async def get_greeting(request: Request, lang: str) -> HTTPResponse:
    if not is_language_tag(lang):
        raise Problem.invalid("lang")
    greeting = await request.app.ctx.store.get(lang)
    if greeting is None:
        raise Problem.no_greeting(lang)
    return json(greeting)


# --- Hello


def get_user(request: Request) -> connect.Credentials | None:
    # Under ASGI Sanic decodes headers as UTF-8, and invalid bytes to surrogates.
    values = request.headers.getall(connect.CREDENTIALS, ())
    return connect.parse_credentials([value.encode(errors="surrogateescape") for value in values])


@api.route("/hello", methods=READ)
async def get_hello(request: Request) -> HTTPResponse:
    return json(hello.say_hello(get_user(request)), headers=hello.HEADERS)


# --- Live


@api.websocket("/live")  # type: ignore[untyped-decorator]
async def talk(request: Request, websocket: Websocket) -> None:
    """Under ASGI `recv` returns None for binary data and at the end, and `close` does nothing."""
    receive, send = request.scope["receive"], request.scope["send"]
    try:
        user = get_user(request)
        while (message := await receive())["type"] == "websocket.receive":
            data = message.get("text")
            if data is None:
                data = message["bytes"]
            await websocket.send(await live.answer(request.app.ctx.store, user, data))
    except Problem as problem:
        await websocket.send(live.encode(problem.details))
        await send({"type": "websocket.close", "code": live.POLICY_VIOLATION})
    except live.Close as close:
        await send({"type": "websocket.close", "code": close.code})


# --- Health


@api.route("/health", methods=READ)
async def get_health(request: Request) -> HTTPResponse:
    return json(await check_health(request.app.ctx.store))


# --- Pages

templates = Environment(loader=FileSystemLoader(pages.TEMPLATES), autoescape=select_autoescape())
templates.auto_reload = False  # Otherwise every page asks whether its files have changed.


def page(request: Request, template: str, **context: object) -> HTTPResponse:
    links = pages.links(request.scope)
    text = templates.get_template(template).render(framework="Sanic", **links, **context)
    return html(text, headers=pages.HEADERS)


@api.route("/", methods=READ)
async def get_index(request: Request) -> HTTPResponse:
    return page(request, "index.html")


@api.route("/about", methods=READ)
async def get_about(request: Request) -> HTTPResponse:
    name = request.args.get("name", "")
    if len(name) > pages.MAX_NAME:
        raise Problem.invalid("name")
    base_url = request.headers.get(connect.BASE_URL)
    return page(request, "about.html", name=name or pages.DEFAULT_NAME, base_url=base_url)


@api.route("/static/<path:path>", methods=READ)
async def get_static(request: Request, path: str) -> HTTPResponse:
    """Replaces `api.static`, which sends no entity tags and answers 500 to a NUL in a path."""
    found = pages.static_file(unquote(path))
    if found is None:
        raise Problem(404)
    stat = found.stat()
    response = await file(found)
    etag = f'"{stat.st_mtime_ns:x}-{stat.st_size:x}"'
    response.headers.update({"ETag": etag, **file_headers(found)})
    return response


# --- Documentation

document = load_openapi()


@api.route("/docs", methods=READ)
async def get_docs(request: Request) -> HTTPResponse:
    return page(request, "docs.html")


@api.route("/openapi.json", methods=READ)
async def get_openapi(request: Request) -> HTTPResponse:
    return json({**document, "servers": [{"url": request.scope["root_path"] or "/"}]})


# --- Refusals


def refuse(problem: Problem) -> HTTPResponse:
    return json(problem.details, problem.status, problem.headers, content_type=problems.MEDIA_TYPE)


@api.exception(Problem)
async def on_problem(request: Request, error: Problem) -> HTTPResponse:
    return refuse(error)


@api.exception(UnavailableError)
async def on_unavailable(request: Request, error: UnavailableError) -> HTTPResponse:
    return refuse(Problem.unavailable())


@api.exception(SanicException)
async def on_http_error(request: Request, error: SanicException) -> HTTPResponse:
    request.app.error_handler.log(request, error)
    return refuse(Problem(error.status_code, headers=error.headers))


@api.exception(Exception)
async def on_error(request: Request, error: Exception) -> HTTPResponse:
    request.app.error_handler.log(request, error)
    return refuse(Problem(500))


# --- The application


async def with_messages(scope: Scope, receive: Receive, send: Send) -> None:
    """Adds `receive` and `send` to the scope: Sanic passes only the scope to handlers."""
    await api({**scope, "receive": receive, "send": send}, receive, send)


app = connect.Mount(Lifespan(Security(Files(with_messages), websockets={"/live"})), path="stripped")
