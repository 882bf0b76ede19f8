"""Common code of the endpoints: services, authentication, request bodies and errors."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import TypeVar

import msgspec
from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from rehearsal.access import WrongKeyError, user_by_key
from rehearsal.hosting.hosting import Hosting
from rehearsal.hosting.tasks import Tasks
from rehearsal.storage.database import Bundle, Content, State, User, bundle_id_of
from rehearsal.storage.unpack import MIB, Limits

# Codes by HTTP status. Clients read only code 30; the other numbers are the rehearsal's own.
_CODES = {400: 3, 401: 30, 403: 22, 404: 4, 409: 26, 413: 31}
_Body = TypeVar("_Body")


class ApiError(Exception):
    """An error response in the API's format: `{"code", "error", "payload"}`."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status

    @property
    def response(self) -> Response:
        body = {"code": _CODES.get(self.status, 1), "error": str(self), "payload": None}
        headers = {"WWW-Authenticate": "Key"} if self.status == 401 else {}
        return JSONResponse(body, self.status, headers)


def missing() -> ApiError:
    """Returns the error for an object that does not exist or that the user may not know of."""
    return ApiError(404, "The requested object does not exist.")


@dataclass(frozen=True)
class Services:
    """The objects that the endpoints use.

    `version` is the Connect version that the server reports. rsconnect makes drafts from 2025.06.0
    on, and uploads a form with git metadata from 2025.12.0 on.
    """

    state: State
    hosting: Hosting
    tasks: Tasks
    version: str
    limits: Limits


class Endpoint(HTTPEndpoint):
    """An endpoint for users with an API key. Its methods raise `ApiError`."""

    @property
    def services(self) -> Services:
        services: Services = self.scope["app"].state.services
        return services

    @property
    def state(self) -> State:
        return self.services.state

    async def dispatch(self) -> None:
        self.user = self.authenticate()
        await super().dispatch()

    def authenticate(self) -> User:
        try:
            user = user_by_key(self.state, self.scope)
        except WrongKeyError:
            user = None
        if user is None:
            raise ApiError(401, "The API key is missing or not valid.")
        return user

    def owned_content(self) -> Content:
        """Returns the content in the path. Raises `ApiError` if the user does not own it."""
        content = self.state.content(self.scope["path_params"]["guid"])
        if content is None or content.owner_guid != self.user.guid:
            raise missing()
        return content

    def bundle_of(self, content: Content, bundle_id: str) -> Bundle:
        bundle = self.state.bundle(content.guid, bundle_id_of(bundle_id))
        if bundle is None:
            raise missing()
        return bundle


async def chunks_of(request: Request, limit: int, sentence: str) -> AsyncGenerator[bytes, None]:
    """Yields the request's body. Raises `ApiError` with `sentence` beyond `limit` bytes."""
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        if received > limit:
            raise ApiError(413, sentence)
        yield chunk


async def body_of(request: Request, kind: type[_Body]) -> _Body:
    """Decodes the request's JSON body as this type. Raises `ApiError`."""
    chunks = chunks_of(request, MIB, "The body is longer than 1 MiB.")
    data = b"".join([chunk async for chunk in chunks])
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        raise ApiError(400, f"The body is not valid: {error}.") from None
    except UnicodeError:
        raise ApiError(400, "The body has text that is not Unicode.") from None
    except (msgspec.DecodeError, RecursionError):
        raise ApiError(400, "The body is not JSON.") from None
