"""The few endpoints of a Connect server that rsconnect needs to deploy; it keeps what it is told.

Real enough for the real rsconnect, and no more: content answers whatever `answer` says.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from tests.serving import serving

KEY = "k3y-that-n0body-may-see"


@dataclass
class FakeConnect:
    """What a server would remember."""

    url: str = ""
    version: str = "2026.07.0"
    task_code: int = 0
    identity_token: str = ""
    """The token that is exchanged for the key."""
    pythons: list[str] | None = None
    """The versions that the server tells; None for a server that does not tell them."""
    may_publish: bool = True
    """False for the key of somebody who may only view the content."""
    answer: int = 200
    """The status with which content answers everything."""
    content: dict[str, dict[str, Any]] = field(default_factory=dict)
    uploads: list[tuple[str, bytes]] = field(default_factory=list)
    """Content id and body; the number of an upload, from 1, is the id of its bundle."""
    active: dict[str, str] = field(default_factory=dict)
    """Content id to the id of the bundle that serves it."""
    visits: list[str] = field(default_factory=list)
    """The paths of content that were asked for."""


@contextmanager
def fake_connect() -> Iterator[FakeConnect]:
    """Serves one on loopback as long as the context lasts."""
    fake = FakeConnect()

    async def settings(request: Request) -> Response:
        return JSONResponse({"version": fake.version})

    async def user(request: Request) -> Response:
        return JSONResponse({"guid": "u", "username": "ada"})

    async def search(request: Request) -> Response:
        name = request.query_params.get("name")
        return JSONResponse([item for item in fake.content.values() if item["name"] == name])

    async def create(request: Request) -> Response:
        guid = str(uuid4())
        # A server behind a proxy may know itself by an address that nobody outside reaches.
        own = "http://inside.example"
        fake.content[guid] = {
            "guid": guid,
            "id": str(len(fake.content) + 1),
            "name": (await request.json())["name"],
            "title": None,
            "content_url": f"{own}/content/{guid}/",
            "dashboard_url": f"{own}/connect/#/apps/{guid}",
        }
        return JSONResponse(fake.content[guid])

    async def content(request: Request) -> Response:
        item = fake.content.get(request.path_params["guid"])
        if item is None:
            return JSONResponse({"code": 4, "error": "The requested object does not exist."}, 404)
        if request.method == "PATCH":
            item.update(await request.json())
        return JSONResponse(item)

    async def upload(request: Request) -> Response:
        if not fake.may_publish:
            return JSONResponse({"code": 4, "error": "The requested object does not exist."}, 404)
        fake.uploads.append((request.path_params["guid"], await request.body()))
        return JSONResponse({"id": str(len(fake.uploads))})

    async def deploy(request: Request) -> Response:
        asked = await request.json()
        if asked.get("activate", True) and fake.task_code == 0:
            fake.active[request.path_params["guid"]] = asked["bundle_id"]
        return JSONResponse({"task_id": "t"})

    async def task(request: Request) -> Response:
        return JSONResponse(
            {
                "id": "t",
                "output": ["Building the environment ..."],
                "last": 1,
                "finished": True,
                "code": fake.task_code,
                "error": "The build failed." if fake.task_code else "",
                "result": None,
            }
        )

    async def oauth(request: Request) -> Response:
        grants = ["urn:ietf:params:oauth:grant-type:token-exchange"]
        return JSONResponse(
            {"token_endpoint": f"{fake.url}/oauth/token", "grant_types_supported": grants}
        )

    async def exchange(request: Request) -> Response:
        form = parse_qs((await request.body()).decode())
        if not fake.identity_token or form["subject_token"] != [fake.identity_token]:
            return JSONResponse({"error": "invalid_grant"}, 400)
        return JSONResponse({"access_token": KEY, "token_type": "Bearer"})

    async def pythons(request: Request) -> Response:
        if fake.pythons is None:
            return JSONResponse({"code": 4, "error": "There is no such page."}, 404)
        installations = [{"version": version, "publishable": True} for version in fake.pythons]
        return JSONResponse({"installations": installations, "api_enabled": True})

    async def visit(request: Request) -> Response:
        fake.visits.append(request.url.path)
        return PlainTextResponse("", fake.answer)

    async def authenticate(request: Request, call_next: RequestResponseEndpoint) -> Response:
        public = ("/__api__/server_settings", "/.well-known/oauth-authorization-server")
        if (
            request.url.path not in (*public, "/oauth/token")
            and request.headers.get("Authorization") != f"Key {KEY}"
        ):
            return JSONResponse({"code": 30, "error": "We cannot authenticate you."}, 401)
        return await call_next(request)

    v1 = "/__api__/v1"
    app = Starlette(
        routes=[
            Route("/__api__/server_settings", settings),
            Route("/.well-known/oauth-authorization-server", oauth),
            Route("/oauth/token", exchange, methods=["POST"]),
            Route(f"{v1}/server_settings/python", pythons),
            Route(f"{v1}/user", user),
            Route(f"{v1}/content", search),
            Route(f"{v1}/content", create, methods=["POST"]),
            Route(f"{v1}/content/{{guid}}", content, methods=["GET", "PATCH"]),
            Route(f"{v1}/content/{{guid}}/bundles", upload, methods=["POST"]),
            Route(f"{v1}/content/{{guid}}/deploy", deploy, methods=["POST"]),
            Route(f"{v1}/tasks/t", task),
            Route("/content/{path:path}", visit),
        ],
        middleware=[Middleware(BaseHTTPMiddleware, dispatch=authenticate)],
    )
    with serving(app) as url:
        fake.url = url
        yield fake
