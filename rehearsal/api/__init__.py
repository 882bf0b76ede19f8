"""The deploy API v1 below `/__api__`: only the endpoints of a Connect server that rsconnect calls.

Paths, fields and the order of calls are taken from rsconnect-python's source and were checked by
running it.
"""

import logging
import re
import sqlite3

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rehearsal.api.bundles import BundleDownload, Bundles
from rehearsal.api.content import (
    ContentItem,
    ContentList,
    ContentOfV0,
    CurrentUser,
    PythonSettings,
    ServerSettings,
    Variables,
)
from rehearsal.api.endpoint import ApiError, Services, missing
from rehearsal.api.repository import BundleOfRepository, RepositoryOfContent
from rehearsal.api.tasks import Build, Deploy, TaskStatus
from rehearsal.hosting.tasks import NO_SPACE
from rehearsal.storage.database import ConflictError
from tooling.errors import is_full_disk

LOG = logging.getLogger("rehearsal.api")
# Calls of rsconnect-python 1.32 (api.py) to a Connect server that are not needed to deploy.
_CONNECT_HAS = re.compile(
    r"/v1/(environments|oauth|system|experimental|server_settings/nodejs|content/[^/]+/lockfile)\b"
)
_CONTENT = "/v1/content/{guid}"
_ROUTES = [
    Route("/server_settings", ServerSettings),
    Route("/v1/server_settings/python", PythonSettings),
    Route("/v1/user", CurrentUser),
    Route("/v1/content", ContentList),
    Route(_CONTENT, ContentItem),
    Route(_CONTENT + "/environment", Variables),
    Route(_CONTENT + "/bundles", Bundles),
    Route(_CONTENT + "/bundles/{bundle_id}/download", BundleDownload),
    Route(_CONTENT + "/repository", RepositoryOfContent),
    Route(_CONTENT + "/repository/bundle", BundleOfRepository),
    Route(_CONTENT + "/deploy", Deploy),
    Route(_CONTENT + "/build", Build),
    Route("/v1/tasks/{id}", TaskStatus),
    Route("/applications/{id}", ContentOfV0),
]


async def on_api_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return error.response


async def on_conflict(_: Request, error: Exception) -> Response:
    return ApiError(409, str(error)).response


async def on_deleted(_: Request, __: Exception) -> Response:
    """Answers a request whose content was deleted while the request was handled."""
    return missing().response


async def on_disconnect(_: Request, __: Exception) -> Response:
    return Response(status_code=400)


async def on_http_error(request: Request, error: Exception) -> Response:
    """Answers calls that the rehearsal does not implement."""
    assert isinstance(error, HTTPException)
    path = request.url.path[:200]
    has = "has" if _CONNECT_HAS.match(path.removeprefix("/__api__")) else "may have"
    response = ApiError(
        error.status_code,
        f"The rehearsal has no {request.method} {path}, which Connect {has}:"
        " it has only the endpoints that deployments need.",
    ).response
    response.headers.update(error.headers or {})
    return response


async def on_failure(request: Request, error: Exception) -> Response:
    if is_full_disk(error):
        return ApiError(507, NO_SPACE).response
    LOG.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return ApiError(500, "The rehearsal itself failed: see its output.").response


class NoStore:
    """ASGI middleware: no cache stores an answer of the API, which depends on the user."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_unstored(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Cache-Control"] = "no-store"
            await send(message)

        await self._app(scope, receive, send_unstored)


def create_api(services: Services) -> Starlette:
    """Returns the application to mount at `/__api__`."""
    api = Starlette(
        routes=_ROUTES,
        middleware=[Middleware(NoStore)],
        exception_handlers={
            ApiError: on_api_error,
            ConflictError: on_conflict,
            ClientDisconnect: on_disconnect,
            HTTPException: on_http_error,
            OSError: on_failure,
            sqlite3.IntegrityError: on_deleted,
            sqlite3.Error: on_failure,
        },
    )
    api.state.services = services
    return api
