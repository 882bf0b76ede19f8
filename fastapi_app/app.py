"""Greetings in FastAPI: typed returns, `Annotated` dependencies, a generated OpenAPI document."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Path, Query, Request, WebSocket, WebSocketDisconnect
from fastapi.exceptions import RequestValidationError
from fastapi.requests import HTTPConnection
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from fastapi.templating import Jinja2Templates
from pydantic import TypeAdapter
from starlette.exceptions import HTTPException
from starlette.routing import Match

from shared import connect, hello, live, pages, problems
from shared.asgi import ASGIApp, Receive, Scope, Send
from shared.errors import UnavailableError
from shared.events import Event, open_events
from shared.files import Files, file_headers
from shared.greetings import LANGUAGE_TAG, Greeting, Store
from shared.health import Health, check_health
from shared.lifespan import Lifespan
from shared.problems import Problem, ProblemDetails
from shared.security import Security
from shared.stores import open_store

# --- Start-up and shutdown


@asynccontextmanager
async def lifespan(api: FastAPI) -> AsyncIterator[None]:
    async with aclosing(await open_store()) as api.state.store:
        yield


api = FastAPI(
    title="Greetings",
    version="1",
    description="Greetings in a few languages, the same in every framework.",
    lifespan=lifespan,
    docs_url=None,
    redoc_url=None,
    redirect_slashes=False,
)

# --- Greetings


async def get_store(connection: HTTPConnection) -> Store:
    store: Store = connection.app.state.store
    return store


StoreDep = Annotated[Store, Depends(get_store)]


async def get_events(store: StoreDep) -> AsyncGenerator[Event, None]:
    # A dependency runs before the response starts, when a 503 is still possible.
    return await open_events(store)


EventsDep = Annotated[AsyncGenerator[Event, None], Depends(get_events)]
Lang = Annotated[
    str, Path(pattern=LANGUAGE_TAG, description="A language tag, such as en or zh-Hant.")
]


def documented_problem(description: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/ProblemDetails"}
    return {"description": description, "content": {problems.MEDIA_TYPE: {"schema": schema}}}


INVALID = documented_problem("A parameter is out of its range.")
UNKNOWN = documented_problem("There is no greeting in that language.")
UNAVAILABLE = documented_problem("The store does not answer.")


@api.get("/greetings", summary="Every greeting, sorted by language", responses={503: UNAVAILABLE})
async def get_greetings(store: StoreDep) -> list[Greeting]:
    return await store.all()


@api.get(
    "/greetings/stream",
    summary="Every greeting as one event, then the event end",
    response_class=EventSourceResponse,
    responses={503: UNAVAILABLE},
)
async def stream_greetings(events: EventsDep) -> AsyncIterator[ServerSentEvent]:
    async with aclosing(events):
        async for event in events:
            yield ServerSentEvent(event=event.name, raw_data=event.json())


@api.get(
    "/greetings/{lang}",
    summary="The greeting in one language",
    responses={404: UNKNOWN, 422: INVALID, 503: UNAVAILABLE},
)
async def get_greeting(lang: Lang, store: StoreDep) -> Greeting:
    greeting = await store.get(lang)
    if greeting is None:
        raise Problem.no_greeting(lang)
    return greeting


# --- Hello


async def get_user(connection: HTTPConnection) -> connect.Credentials | None:
    # A `Header()` parameter would document a 422 that is never sent.
    # Starlette decodes headers as latin-1; Connect sends UTF-8.
    values = connection.headers.getlist(connect.CREDENTIALS)
    return connect.parse_credentials([value.encode("latin-1") for value in values])


UserDep = Annotated[connect.Credentials | None, Depends(get_user)]


@api.get(
    "/hello",
    summary="A greeting for the user that Connect names",
    responses={400: documented_problem("The credentials are malformed.")},
)
async def get_hello(user: UserDep, response: Response) -> hello.Hello:
    response.headers.update(hello.HEADERS)
    return hello.say_hello(user)


# --- Live


async def receive(websocket: WebSocket) -> str | bytes:
    message = await websocket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message["code"])
    text: str | None = message.get("text")
    return message["bytes"] if text is None else text


@api.websocket("/live")
async def talk(websocket: WebSocket, store: StoreDep) -> None:
    await websocket.accept()
    try:
        # Not injected: the socket must be open before a problem can be sent over it.
        user = await get_user(websocket)
        while True:
            await websocket.send_text(await live.answer(store, user, await receive(websocket)))
    except Problem as problem:
        await websocket.send_text(live.encode(problem.details))
        await websocket.close(live.POLICY_VIOLATION)
    except live.Close as close:
        await websocket.close(close.code)
    except WebSocketDisconnect:
        pass


# --- Health


@api.get(
    "/health", summary="Whether the store answers, within a second", responses={503: UNAVAILABLE}
)
async def get_health(store: StoreDep) -> Health:
    return await check_health(store)


# --- Pages

templates = Jinja2Templates(directory=pages.TEMPLATES)
templates.env.auto_reload = False  # Otherwise every page asks whether its files have changed.
Name = Annotated[
    str, Query(max_length=pages.MAX_NAME, description="The name; an empty one counts as absent.")
]


def page(request: Request, template: str, **context: object) -> HTMLResponse:
    context |= {"framework": "FastAPI", **pages.links(request.scope)}
    return templates.TemplateResponse(request, template, context, headers=pages.HEADERS)


@api.get("/", summary="The index page", response_class=HTMLResponse)
async def get_index(request: Request) -> HTMLResponse:
    return page(request, "index.html")


@api.get("/about", summary="The about page", response_class=HTMLResponse, responses={422: INVALID})
async def get_about(request: Request, name: Name = "") -> HTMLResponse:
    base_url = request.headers.get(connect.BASE_URL)
    return page(request, "about.html", name=name or pages.DEFAULT_NAME, base_url=base_url)


@api.get("/static/{path:path}", include_in_schema=False)
async def get_static(path: str) -> FileResponse:
    """Replaces `StaticFiles`, which resolves dot segments: `/static/x/../y` would be a file."""
    found = pages.static_file(path)
    if found is None:
        raise Problem(404)
    return FileResponse(found, headers=file_headers(found))


# --- Documentation


@api.get("/docs", include_in_schema=False)
async def get_docs(request: Request) -> HTMLResponse:
    return page(request, "docs.html")


def get_openapi() -> dict[str, Any]:
    """Adds the schema of problems: FastAPI documents a `model` as application/json only."""
    document = FastAPI.openapi(api)
    document["components"]["schemas"]["ProblemDetails"] = TypeAdapter(ProblemDetails).json_schema()
    return document


api.openapi = get_openapi  # type: ignore[method-assign]

# --- Refusals


def refuse(problem: Problem) -> JSONResponse:
    return JSONResponse(
        asdict(problem.details), problem.status, problem.headers, media_type=problems.MEDIA_TYPE
    )


@api.exception_handler(Problem)
async def on_problem(request: Request, error: Problem) -> JSONResponse:
    return refuse(error)


@api.exception_handler(UnavailableError)
async def on_unavailable(request: Request, error: UnavailableError) -> JSONResponse:
    return refuse(Problem.unavailable())


@api.exception_handler(RequestValidationError)
async def on_invalid(request: Request, error: RequestValidationError) -> JSONResponse:
    return refuse(Problem.invalid(error.errors()[0]["loc"][-1]))


def allowed(scope: Scope) -> str:
    """Starlette names the methods of one route, of several with the same path."""
    routes = [route for route in api.routes if route.matches(scope)[0] is Match.PARTIAL]
    methods = {method for route in routes for method in getattr(route, "methods", ())} or {"GET"}
    return ", ".join(sorted(methods | {"HEAD"} if "GET" in methods else methods))


@api.exception_handler(HTTPException)
async def on_http_error(request: Request, error: HTTPException) -> JSONResponse:
    headers = {"Allow": allowed(request.scope)} if error.status_code == 405 else error.headers
    return refuse(Problem(error.status_code, headers=headers))


@api.exception_handler(Exception)
async def on_error(request: Request, error: Exception) -> JSONResponse:
    return refuse(Problem(500))  # Starlette re-raises the error; the server logs it.


# --- The application


class HeadAsGet:
    """Answers HEAD, which FastAPI's routes refuse, as GET; the server drops the body."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}
        await self.app(scope, receive, send)


api.add_middleware(HeadAsGet)

app = connect.Mount(Lifespan(Security(Files(api), websockets={"/live"})), path="included")
