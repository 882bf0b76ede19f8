"""Endpoints for the server, its users, and content with its variables."""

import platform
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from rehearsal.api.endpoint import ApiError, Endpoint, body_of, missing
from rehearsal.proxy.headers import origin_of
from rehearsal.storage.database import Content
from rehearsal.storage.manifest import ASGI, STATIC

# `$` would accept a line feed at the end of the name.
Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{3,64}\Z")]


class NewContent(Struct, forbid_unknown_fields=True):
    name: Name
    title: str | None = None


class ContentChanges(Struct, forbid_unknown_fields=True):
    name: Name | UnsetType = UNSET
    title: str | UnsetType | None = UNSET


class Variable(Struct, forbid_unknown_fields=True):
    name: Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,254}\Z")]
    value: Annotated[str, Meta(pattern=r"^[^\0]*\Z")] | None = None


class ServerSettings(Endpoint):
    async def dispatch(self) -> None:
        # rsconnect also calls this without a key, to check that there is a server.
        if any(name == b"authorization" for name, _ in self.scope["headers"]):
            self.authenticate()
        await super(Endpoint, self).dispatch()

    async def get(self, request: Request) -> Response:
        host = origin_of(request.scope).decode().partition("://")[2]
        return JSONResponse({"hostname": host, "version": self.services.version})


class PythonSettings(Endpoint):
    async def get(self, request: Request) -> Response:
        installation = {
            "version": platform.python_version(),
            "cluster_name": "Local",
            "image_name": "Local",
            "publishable": True,
        }
        return JSONResponse({"installations": [installation], "api_enabled": True})


class CurrentUser(Endpoint):
    async def get(self, request: Request) -> Response:
        return JSONResponse(
            {
                "guid": self.user.guid,
                "username": self.user.username,
                "first_name": self.user.username,
                "last_name": "",
                "email": "",
                "user_role": self.user.role,
                "confirmed": True,
                "locked": False,
            }
        )


class ContentEndpoint(Endpoint):
    def json_of(self, content: Content) -> dict[str, Any]:
        origin = origin_of(self.scope).decode()
        active = self.state.bundle(content.guid, content.bundle_id or 0)
        runs_python = active is not None and active.app_mode == ASGI
        return {
            "id": str(content.id),
            "guid": content.guid,
            "owner_guid": content.owner_guid,
            "name": content.name,
            "title": content.title,
            "description": "",
            "access_type": "all",
            "bundle_id": str(active.id) if active else None,
            "app_mode": active.app_mode if active else None,
            "app_role": "owner" if content.owner_guid == self.user.guid else "viewer",
            "content_category": "",
            "parameterized": False,
            "py_version": platform.python_version() if runs_python else None,
            "r_version": None,
            "quarto_version": None,
            "run_as": None,
            "run_as_current_user": False,
            "created_time": content.created_time,
            "last_deployed_time": content.last_deployed_time,
            "content_url": f"{origin}/content/{content.guid}/",
            "dashboard_url": f"{origin}/dashboard/{content.guid}",
        }


class ContentList(ContentEndpoint):
    async def get(self, request: Request) -> Response:
        query = request.query_params
        found = self.state.contents(query.get("owner_guid"), query.get("name"))
        return JSONResponse([self.json_of(content) for content in found])

    async def post(self, request: Request) -> Response:
        if self.user.role != "publisher":
            raise ApiError(403, "This user may not publish.")
        new = await body_of(request, NewContent)
        return JSONResponse(
            self.json_of(self.state.create_content(self.user.guid, new.name, new.title))
        )


class ContentItem(ContentEndpoint):
    async def get(self, request: Request) -> Response:
        content = self.state.content(request.path_params["guid"])
        if content is None:
            raise missing()
        return JSONResponse(self.json_of(content))

    async def patch(self, request: Request) -> Response:
        content = self.owned_content()
        changes = await body_of(request, ContentChanges)
        if changes.name is not UNSET:
            self.state.update_content(content.guid, "name", changes.name)
        if changes.title is not UNSET:
            self.state.update_content(content.guid, "title", changes.title)
        return await self.get(request)

    async def delete(self, request: Request) -> Response:
        content = self.owned_content()
        self.state.delete_content(content.guid)
        self.services.hosting.stop(content.guid)
        return Response(status_code=204)


# The old API numbers the modes (rsconnect's models.AppModes).
_NUMBERS = {ASGI: 12, STATIC: 4}


class ContentOfV0(ContentEndpoint):
    """The one endpoint of the old API that is used: returns content for its numeric id or GUID."""

    async def get(self, request: Request) -> Response:
        for content in self.state.contents(self.user.guid):
            if request.path_params["id"] in (str(content.id), content.guid):
                members = self.json_of(content)
                number = _NUMBERS[members["app_mode"] or ASGI]
                return JSONResponse(members | {"id": content.id, "app_mode": number})
        raise missing()


class Variables(Endpoint):
    async def patch(self, request: Request) -> Response:
        content = self.owned_content()
        entries = await body_of(request, list[Variable])
        self.state.set_variables(content.guid, {entry.name: entry.value for entry in entries})
        self.services.hosting.restart(content.guid)
        return JSONResponse(list(self.state.variables(content.guid)))
