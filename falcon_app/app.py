"""Greetings in Falcon: resource classes, a router, media handlers, an error serializer."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any

import falcon
import falcon.asgi
import falcon.media
import falcon.routing
import msgspec
from falcon.asgi import Request, Response, SSEvent, WebSocket
from jinja2 import Environment, FileSystemLoader, select_autoescape

from shared import connect, events, hello, live, pages, problems
from shared.errors import UnavailableError
from shared.files import Files, file_headers
from shared.greetings import Store, is_language_tag
from shared.health import check_health
from shared.lifespan import Lifespan
from shared.openapi import load_openapi
from shared.problems import Problem
from shared.security import Security
from shared.stores import open_store

# --- Start-up and shutdown


class StoreMiddleware:
    """Opens the store at start-up, and closes it at shutdown."""

    store: Store

    async def process_startup(self, scope: Mapping[str, Any], event: Mapping[str, Any]) -> None:
        self.store = await open_store()

    async def process_shutdown(self, scope: Mapping[str, Any], event: Mapping[str, Any]) -> None:
        await self.store.aclose()


class Router(falcon.routing.CompiledRouter):
    """Routes HEAD to the responder of GET, unless the resource has one of its own."""

    def map_http_methods(self, resource: object, **kwargs: Any) -> dict[str, Any]:
        methods = super().map_http_methods(resource, **kwargs)
        return {"HEAD": methods["GET"], **methods} if "GET" in methods else methods


stores = StoreMiddleware()
api = falcon.asgi.App(middleware=stores, router=Router())

# Unlike Falcon's own handler, this one encodes dataclasses and writes no spaces.
json_handler = falcon.media.JSONHandler(dumps=msgspec.json.encode, loads=msgspec.json.decode)
api.resp_options.media_handlers.update(
    {falcon.MEDIA_JSON: json_handler, problems.MEDIA_TYPE: json_handler}
)

# --- Greetings


class Segment(falcon.routing.BaseConverter):
    """A non-empty path segment. Without a converter a field also matches an empty one."""

    def convert(self, value: str) -> str | None:
        return value or None


async def with_pings(stream: AsyncGenerator[events.Event, None]) -> AsyncIterator[SSEvent | None]:
    """Adds a ping every half second: Falcon checks for a disconnect only between two events."""
    try:
        while True:
            upcoming = asyncio.create_task(anext(stream))
            while not (await asyncio.wait([upcoming], timeout=0.5))[0]:
                yield None
            event = await upcoming
            yield SSEvent(event=event.name, json=event.data)
    except StopAsyncIteration:
        pass
    finally:
        upcoming.cancel()
        await asyncio.wait([upcoming])
        await stream.aclose()


class Greetings:
    def __init__(self, stores: StoreMiddleware) -> None:
        self.stores = stores

    async def on_get_greetings(self, req: Request, resp: Response) -> None:
        resp.media = await self.stores.store.all()

    async def on_get_stream(self, req: Request, resp: Response) -> None:
        resp.content_type = events.MEDIA_TYPE  # For HEAD; `resp.sse` sets it for GET.
        resp.set_headers(events.HEADERS)
        resp.sse = with_pings(await events.open_events(self.stores.store))

    async def on_get_greeting(self, req: Request, resp: Response, lang: str) -> None:
        if not is_language_tag(lang):
            raise Problem.invalid("lang")
        greeting = await self.stores.store.get(lang)
        if greeting is None:
            raise Problem.no_greeting(lang)
        resp.media = greeting


greetings = Greetings(stores)
api.router_options.converters["segment"] = Segment
api.add_route("/greetings", greetings, suffix="greetings")
api.add_route("/greetings/stream", greetings, suffix="stream")
api.add_route("/greetings/{lang:segment}", greetings, suffix="greeting")

# --- Hello


def get_user(req: Request) -> connect.Credentials | None:
    # Falcon joins the values of a repeated header; the scope has them one by one.
    name = connect.CREDENTIALS.lower().encode()
    return connect.parse_credentials([value for key, value in req.scope["headers"] if key == name])


class Hello:
    async def on_get(self, req: Request, resp: Response) -> None:
        resp.media = hello.say_hello(get_user(req))
        resp.set_headers(hello.HEADERS)  # Not before, because a 400 would have them too.


api.add_route("/hello", Hello())

# --- Live


async def receive(websocket: WebSocket) -> str | bytes:
    try:
        return await websocket.receive_text()
    except falcon.PayloadTypeError:
        raise live.Close(live.UNSUPPORTED_DATA) from None


class Live:
    def __init__(self, stores: StoreMiddleware) -> None:
        self.stores = stores

    async def on_websocket(self, req: Request, websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            user = get_user(req)
            while True:
                answer = await live.answer(self.stores.store, user, await receive(websocket))
                await websocket.send_text(answer)
        except Problem as problem:
            await websocket.send_text(live.encode(problem.details))
            await websocket.close(live.POLICY_VIOLATION)
        except live.Close as close:
            await websocket.close(close.code)
        except falcon.WebSocketDisconnected:
            pass


api.add_route("/live", Live(stores))

# --- Health


class Health:
    def __init__(self, stores: StoreMiddleware) -> None:
        self.stores = stores

    async def on_get(self, req: Request, resp: Response) -> None:
        resp.media = await check_health(self.stores.store)


api.add_route("/health", Health(stores))

# --- Pages

templates = Environment(loader=FileSystemLoader(pages.TEMPLATES), autoescape=select_autoescape())
templates.auto_reload = False  # Otherwise every page asks whether its files have changed.


def page(req: Request, resp: Response, template: str, **context: object) -> None:
    resp.content_type = falcon.MEDIA_HTML
    resp.set_headers(pages.HEADERS)
    resp.text = templates.get_template(template).render(
        framework="Falcon", **pages.links(req.scope), **context
    )


class Pages:
    async def on_get_index(self, req: Request, resp: Response) -> None:
        page(req, resp, "index.html")

    async def on_get_about(self, req: Request, resp: Response) -> None:
        name = req.get_param("name", default="")
        if len(name) > pages.MAX_NAME:
            raise Problem.invalid("name")
        base_url = req.get_header(connect.BASE_URL)
        page(req, resp, "about.html", name=name or pages.DEFAULT_NAME, base_url=base_url)


class Static:
    """A resource, because `api.add_static_route` serves a file for any method."""

    files = falcon.routing.StaticRouteAsync("/static", pages.STATIC)

    async def on_get(self, req: Request, resp: Response, path: str) -> None:
        # Falcon opens any path: a pipe would block all requests.
        if pages.static_file(path) is None:
            raise Problem(404)
        await self.files(req, resp)
        resp.set_headers(file_headers(path))
        # In one piece: Falcon sends all pieces of a stream, also to a client that has disconnected,
        # and closes the file only then.
        file: Any = resp.stream
        resp.stream = None
        try:
            resp.data = await file.read()
        finally:
            await file.close()


html = Pages()
api.add_route("/", html, suffix="index")
api.add_route("/about", html, suffix="about")
api.add_route("/static/{path:path}", Static())

# --- Documentation


class Documentation:
    document = load_openapi()

    async def on_get_docs(self, req: Request, resp: Response) -> None:
        page(req, resp, "docs.html")

    async def on_get_openapi(self, req: Request, resp: Response) -> None:
        resp.media = {**self.document, "servers": [{"url": req.root_path or "/"}]}


documentation = Documentation()
api.add_route("/docs", documentation, suffix="docs")
api.add_route("/openapi.json", documentation, suffix="openapi")

# --- Refusals


def refuse(resp: Response, problem: Problem) -> None:
    resp.status = problem.status
    resp.set_headers(problem.headers)
    resp.content_type = problems.MEDIA_TYPE
    resp.media = problem.details


async def on_problem(
    req: Request, resp: Response, error: Problem, params: dict[str, Any], **kwargs: Any
) -> None:
    refuse(resp, error)


async def on_unavailable(
    req: Request, resp: Response, error: UnavailableError, params: dict[str, Any], **kwargs: Any
) -> None:
    refuse(resp, Problem.unavailable())


def on_http_error(req: Request, resp: Response, error: falcon.HTTPError) -> None:
    refuse(resp, Problem(error.status_code))


api.add_error_handler(Problem, on_problem)
api.add_error_handler(UnavailableError, on_unavailable)
# Called for unexpected errors too: Falcon logs them and raises a 500.
api.set_error_serializer(on_http_error)

# --- The application

app = connect.Mount(Lifespan(Security(Files(api), websockets={"/live"})), path="stripped")
