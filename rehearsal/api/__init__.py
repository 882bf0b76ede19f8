"""The deploy API v1, as rsconnect-python uses it: `/__api__/...` of a Connect server.

Paths, fields and the order of calls were read in rsconnect-python's source and checked by running it. Of the
error codes only 30 (wrong key) is read by a client; the others here are ours.
"""

import json
import logging
import platform
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from rehearsal.access import WrongKeyError, may_publish, may_view, user_by_key
from rehearsal.api.multipart import MultipartError, boundary_of, parts
from rehearsal.hosting.hosting import Hosting
from rehearsal.hosting.tasks import NO_SPACE, Tasks, is_full_disk
from rehearsal.proxy.headers import origin_of
from rehearsal.storage.database import (
    SETTABLE,
    Bundle,
    ConflictError,
    Content,
    Permission,
    State,
    User,
)
from rehearsal.storage.unpack import APP_MODE, MIB, BundleRefusedError, Limits, parse_json, unpack

LOG = logging.getLogger("rehearsal.api")
WRONG_KEY, NOT_FOUND, NOT_ALLOWED, MALFORMED, TAKEN, TOO_LARGE, FAILED = 30, 4, 22, 3, 26, 31, 1
_MAX_JSON_BYTES = MIB
_MAX_WAIT_SECONDS = 30
_VANITY = re.compile(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]{1,100}){1,8}")
_RESERVED = (
    *("/__api__", "/content", "/dashboard", "/favicon.ico"),
    *("/profile", "/rehearsal.css", "/rehearsal.js", "/source", "/user"),
)
_NAME = re.compile(r"[A-Za-z0-9_.-]{3,64}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")


class ApiError(Exception):
    """A refusal in the API's own form: `{"code", "error", "payload"}`."""

    def __init__(self, status: int, code: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.code = code

    @property
    def response(self) -> Response:
        body = {"code": self.code, "error": str(self), "payload": None}
        headers = {"WWW-Authenticate": "Key"} if self.status == 401 else {}
        return JSONResponse(body, self.status, headers)


def missing() -> ApiError:
    """For what is not there, and for what the user may not know of."""
    return ApiError(404, NOT_FOUND, "The requested object does not exist.")


def malformed(sentence: str) -> ApiError:
    return ApiError(400, MALFORMED, sentence)


Fields = Mapping[str, type | tuple[type | None, ...]]


async def body_of(request: Request) -> bytes:
    data = b""
    async for chunk in request.stream():
        data += chunk
        if len(data) > _MAX_JSON_BYTES:
            raise ApiError(413, TOO_LARGE, "The body is longer than 1 MiB.")
    return data


async def json_of(request: Request) -> Any:
    try:
        return parse_json(await body_of(request))
    except UnicodeError:
        raise malformed("The body has text that is not Unicode.") from None
    except (ValueError, RecursionError):
        raise malformed("The body is not JSON.") from None


def checked(value: Any, fields: Fields, required: tuple[str, ...] = ()) -> dict[str, Any]:
    """`value`, if it is an object with these fields and no others. Raises `ApiError`."""
    if not isinstance(value, dict):
        raise malformed("The body must be a JSON object.")
    for name, member in value.items():
        if name not in fields:
            raise malformed(f"There is no field {name[:40]!r} here.")
        accepted = fields[name]
        kinds = tuple(
            type(None) if kind is None else kind
            for kind in (accepted if isinstance(accepted, tuple) else (accepted,))
        )
        # In Python, but not in JSON, true is a number.
        if not isinstance(member, kinds) or (isinstance(member, bool) and bool not in kinds):
            raise malformed(f"The field {name!r} has a value of the wrong type.")
    for name in required:
        if name not in value:
            raise malformed(f"The field {name!r} is missing.")
    return value


_CONTENT_FIELDS: Fields = {
    **dict.fromkeys(("name", "access_type", "description"), str),
    "title": (str, None),
    **dict.fromkeys(("min_processes", "max_processes", "max_conns_per_process"), (int, None)),
    **dict.fromkeys(("idle_timeout", "init_timeout"), (int, None)),
    "load_factor": (float, int, None),
}
assert set(_CONTENT_FIELDS) == SETTABLE
_BOUNDS = {
    "min_processes": (0, 20),
    "max_processes": (1, 20),
    "max_conns_per_process": (1, 1000),
    "load_factor": (0.0, 1.0),
    **dict.fromkeys(("idle_timeout", "init_timeout"), (0, 86_400)),
}


def content_changes(value: Any, required: tuple[str, ...] = ()) -> dict[str, Any]:
    """What a client asks of a content item. Raises `ApiError`."""
    changes = checked(value, _CONTENT_FIELDS, required)
    if "name" in changes and not _NAME.fullmatch(changes["name"]):
        raise malformed("The name must be 3 to 64 letters, digits, '_', '.' or '-'.")
    if changes.get("access_type", "all") not in ("all", "logged_in", "acl"):
        raise malformed("The access type must be all, logged_in or acl.")
    for name, (least, most) in _BOUNDS.items():
        if (number := changes.get(name)) is not None and not least <= number <= most:
            raise malformed(f"The field {name!r} must be from {least} to {most}.")
    return changes


@dataclass(frozen=True)
class Api:
    """The endpoints, over the state, the processes and the tasks that they work on.

    `version` is what the server says of itself: rsconnect makes drafts from 2025.06.0 on, and
    uploads as a form with git metadata from 2025.12.0 on.
    """

    state: State
    hosting: Hosting
    tasks: Tasks
    version: str
    limits: Limits

    # Who asks, for what

    def user(self, request: Request) -> User:
        try:
            user = user_by_key(self.state, request.scope)
        except WrongKeyError:
            user = None
        if user is None:
            raise ApiError(401, WRONG_KEY, "The API key is missing or not valid.")
        return user

    def viewable(self, request: Request) -> Content:
        content = self.state.content(request.path_params["guid"])
        if content is None or not may_view(self.state, self.user(request), content):
            self.user(request)
            raise missing()
        return content

    def managed(self, request: Request) -> Content:
        user = self.user(request)
        content = self.state.content(request.path_params["guid"])
        if content is None or not may_publish(self.state, user, content):
            raise missing()
        return content

    def bundle(self, request: Request, content: Content, bundle_id: object = None) -> Bundle:
        text = str(bundle_id or request.path_params["bundle_id"])
        bundle = (
            self.state.bundle(content.guid, int(text))
            if re.fullmatch(r"[0-9]{1,15}", text)
            else None
        )
        if bundle is None:
            raise missing()
        return bundle

    # How things look from outside

    def content_json(self, request: Request, content: Content) -> dict[str, Any]:
        origin = origin_of(request.scope).decode()
        user = self.user(request)
        role = "owner" if may_publish(self.state, user, content) else "viewer"
        active = self.state.bundle(content.guid, content.bundle_id or 0)
        return {
            **asdict(content),
            "id": str(content.id),
            "bundle_id": str(content.bundle_id) if content.bundle_id else None,
            "app_mode": APP_MODE if active else None,
            "content_category": "",
            "parameterized": False,
            "py_version": platform.python_version() if active else None,
            "r_version": None,
            "quarto_version": None,
            "run_as": None,
            "run_as_current_user": False,
            "app_role": role,
            "content_url": f"{origin}/content/{content.guid}/",
            "dashboard_url": f"{origin}/dashboard/{content.guid}",
        }

    def bundle_json(self, content: Content, bundle: Bundle) -> dict[str, Any]:
        return {
            "id": str(bundle.id),
            "content_guid": content.guid,
            "created_time": bundle.created_time,
            "py_version": bundle.python_version,
            "active": bundle.id == content.bundle_id,
            "size": bundle.size,
            "metadata": json.loads(bundle.metadata) if bundle.metadata else {},
        }

    def permission_json(self, permission: Permission) -> dict[str, Any]:
        return {
            "id": str(permission.id),
            "content_guid": permission.content_guid,
            "principal_guid": permission.user_guid,
            "principal_type": "user",
            "role": permission.role,
        }

    # Server and users

    async def server_settings(self, request: Request) -> Response:
        if "authorization" in request.headers:
            self.user(request)
        host = origin_of(request.scope).decode().partition("://")[2]
        return JSONResponse({"hostname": host, "version": self.version})

    async def python_settings(self, request: Request) -> Response:
        self.user(request)
        installation = {
            "version": platform.python_version(),
            "cluster_name": "Local",
            "image_name": "Local",
            "publishable": True,
        }
        return JSONResponse({"installations": [installation], "api_enabled": True})

    async def me(self, request: Request) -> Response:
        return JSONResponse(user_json(self.user(request)))

    async def list_users(self, request: Request) -> Response:
        self.user(request)
        users = [user_json(user) for user in self.state.users()]
        return JSONResponse({"results": users, "total": len(users), "current_page": 1})

    # Content

    async def list_content(self, request: Request) -> Response:
        user = self.user(request)
        name = request.query_params.get("name")
        owner = request.query_params.get("owner_guid")
        return JSONResponse(
            [
                self.content_json(request, content)
                for content in self.state.contents(owner, name)
                if may_view(self.state, user, content)
            ]
        )

    async def create_content(self, request: Request) -> Response:
        user = self.user(request)
        if user.role != "publisher":
            raise ApiError(403, NOT_ALLOWED, "This user may not publish.")
        fields = content_changes(await json_of(request), ("name",))
        self.check_processes(fields)
        content = self.state.create_content(user.guid, fields.pop("name"), fields)
        return self.shown(request, content.guid)

    def check_processes(self, fields: Mapping[str, Any]) -> None:
        """What is not set is as in the rehearsal's own schedule. Raises `ApiError`."""
        default = self.hosting.schedule
        most = fields.get("max_processes") or default.max_processes
        if (fields.get("min_processes") or 0) > most:
            raise malformed(f"The field 'min_processes' must be at most max_processes, {most}.")

    def shown(self, request: Request, guid: str) -> Response:
        content = self.state.content(guid)
        assert content is not None
        return JSONResponse(self.content_json(request, content))

    async def get_content(self, request: Request) -> Response:
        return JSONResponse(self.content_json(request, self.viewable(request)))

    async def update_content(self, request: Request) -> Response:
        content = self.managed(request)
        changes = content_changes(await json_of(request))
        if not {"min_processes", "max_processes"}.isdisjoint(changes):
            self.check_processes(asdict(content) | changes)
        self.state.update_content(content.guid, changes)
        if set(changes) - {"name", "title", "description", "access_type"}:
            self.hosting.restart(content.guid)
        return self.shown(request, content.guid)

    async def delete_content(self, request: Request) -> Response:
        content = self.managed(request)
        self.state.delete_content(content.guid)
        self.hosting.forget(content.guid)
        return Response(status_code=204)

    async def get_v0(self, request: Request) -> Response:
        """What of the old API is left in use: from a numeric id to the GUID."""
        user = self.user(request)
        for content in self.state.contents():
            named = request.path_params["id"] in (str(content.id), content.guid)
            if named and may_publish(self.state, user, content):
                return JSONResponse(
                    {"id": content.id, "guid": content.guid, "name": content.name, "app_mode": 12}
                )
        raise missing()

    # Environment variables, vanity path, access list

    async def get_environment(self, request: Request) -> Response:
        return JSONResponse(list(self.state.environment(self.managed(request).guid)))

    async def set_environment(self, request: Request) -> Response:
        content = self.managed(request)
        entries = await json_of(request)
        if not isinstance(entries, list):
            raise malformed("The body must be a JSON array.")
        changes: dict[str, str | None] = {}
        for entry in entries:
            fields = checked(entry, {"name": str, "value": (str, None)}, ("name",))
            if not _VARIABLE.fullmatch(fields["name"]) or "\0" in (fields.get("value") or ""):
                raise malformed("That is no name or value of an environment variable.")
            changes[fields["name"]] = fields.get("value")
        if request.method == "PUT":
            changes = dict.fromkeys(self.state.environment(content.guid)) | changes
        self.state.set_environment(content.guid, changes)
        self.hosting.restart(content.guid)
        return JSONResponse(list(self.state.environment(content.guid)))

    async def get_vanity(self, request: Request) -> Response:
        content = self.managed(request)
        if content.vanity is None:
            raise missing()
        return JSONResponse({"content_guid": content.guid, "path": content.vanity + "/"})

    async def set_vanity(self, request: Request) -> Response:
        content = self.managed(request)
        fields = checked(await json_of(request), {"path": str, "force": bool}, ("path",))
        path = "/" + fields["path"].strip("/")
        if not _VANITY.fullmatch(path) or any(
            path == taken or path.startswith(taken + "/") for taken in _RESERVED
        ):
            raise malformed("That path cannot be a vanity path.")
        if fields.get("force"):
            for other in self.state.contents(content.owner_guid):
                if other.vanity == path:
                    self.state.update_content(other.guid, {"vanity": None})
        self.state.update_content(content.guid, {"vanity": path})
        return JSONResponse({"content_guid": content.guid, "path": path + "/"})

    async def delete_vanity(self, request: Request) -> Response:
        self.state.update_content(self.managed(request).guid, {"vanity": None})
        return Response(status_code=204)

    async def list_permissions(self, request: Request) -> Response:
        guid = self.managed(request).guid
        return JSONResponse([self.permission_json(p) for p in self.state.permissions(guid)])

    async def add_permission(self, request: Request) -> Response:
        content = self.managed(request)
        names = ("principal_guid", "principal_type", "role")
        fields = checked(await json_of(request), dict.fromkeys(names, str), names)
        if fields["principal_type"] != "user" or fields["role"] not in ("viewer", "owner"):
            raise malformed("Only users can be listed, as viewer or as owner.")
        if self.state.user_by("guid", fields["principal_guid"]) is None:
            raise malformed("There is no such user.")
        added = self.state.add_permission(content.guid, fields["principal_guid"], fields["role"])
        return JSONResponse(self.permission_json(added))

    async def delete_permission(self, request: Request) -> Response:
        content = self.managed(request)
        self.state.remove_permission(content.guid, request.path_params["id"])
        return Response(status_code=204)

    # Bundles

    async def list_bundles(self, request: Request) -> Response:
        content = self.managed(request)
        bundles = self.state.bundles(content.guid)
        return JSONResponse([self.bundle_json(content, bundle) for bundle in bundles])

    async def get_bundle(self, request: Request) -> Response:
        content = self.managed(request)
        return JSONResponse(self.bundle_json(content, self.bundle(request, content)))

    async def download_bundle(self, request: Request) -> Response:
        bundle = self.bundle(request, self.managed(request))
        return FileResponse(self.state.archive_of(bundle.id), media_type="application/gzip")

    async def delete_bundle(self, request: Request) -> Response:
        content = self.managed(request)
        bundle = self.bundle(request, content)
        if bundle.id == content.bundle_id:
            raise ApiError(409, TAKEN, "The active bundle cannot be deleted.")
        self.state.delete_bundle(content.guid, bundle.id)
        self.hosting.forget(content.guid, bundle.id)
        return Response(status_code=204)

    async def upload_bundle(self, request: Request) -> Response:
        content = self.managed(request)
        with self.state.incoming() as (archive, directory):
            try:
                await self._receive(request, archive)
                metadata = await run_in_threadpool(
                    _take_form_apart, archive, request.headers.get("content-type", "")
                )
                manifest = await run_in_threadpool(unpack, archive, directory, self.limits)
                bundle = self.state.add_bundle(content.guid, archive, directory, manifest, metadata)
            except BundleRefusedError as error:
                raise malformed(str(error)) from None
        return JSONResponse(self.bundle_json(content, bundle))

    async def _receive(self, request: Request, archive: Path) -> None:
        received = 0
        # A form needs some room for its own words.
        limit = self.limits.packed_bytes + 64 * 1024
        with archive.open("wb") as file:
            async for chunk in request.stream():
                received += len(chunk)
                if received > limit:
                    raise ApiError(
                        413,
                        TOO_LARGE,
                        f"The bundle is larger than {self.limits.packed_bytes // MIB} MiB.",
                    )
                file.write(chunk)

    # Deployments

    async def deploy(self, request: Request) -> Response:
        content = self.managed(request)
        fields = checked(await json_of(request), {"bundle_id": (str, None), "activate": bool})
        newest = next((bundle.id for bundle in self.state.bundles(content.guid)), None)
        bundle_id = fields.get("bundle_id") or content.bundle_id or newest
        if bundle_id is None:
            raise malformed("There is no bundle to deploy.")
        bundle = self.bundle(request, content, bundle_id)
        if request.url.path.endswith("/build"):
            work = partial(self.hosting.build, content.guid, bundle.id)
        else:
            activate = fields.get("activate", True)
            work = partial(self.hosting.deploy, content.guid, bundle.id, activate)
        return JSONResponse({"task_id": self.tasks.start(self.user(request).guid, work).id})

    async def get_task(self, request: Request) -> Response:
        task = self.tasks.find(request.path_params["id"], self.user(request).guid)
        if task is None:
            raise missing()
        first = _number(request, "first")
        await task.wait(first, min(_number(request, "wait"), _MAX_WAIT_SECONDS))
        return JSONResponse(task.status(first))

    # All of it

    def routes(self) -> list[Route]:
        """For a Starlette application; every refusal below `/__api__` has the API's form."""
        content = "/v1/content/{guid}"
        table: list[tuple[str, dict[str, Callable[[Request], Awaitable[Response]]]]] = [
            ("/server_settings", {"GET": self.server_settings}),
            ("/v1/server_settings", {"GET": self.server_settings}),
            ("/v1/server_settings/python", {"GET": self.python_settings}),
            ("/v1/user", {"GET": self.me}),
            ("/v1/users", {"GET": self.list_users}),
            ("/v1/content", {"GET": self.list_content, "POST": self.create_content}),
            (
                content,
                {
                    "GET": self.get_content,
                    "PATCH": self.update_content,
                    "DELETE": self.delete_content,
                },
            ),
            (
                content + "/environment",
                {
                    "GET": self.get_environment,
                    "PATCH": self.set_environment,
                    "PUT": self.set_environment,
                },
            ),
            (
                content + "/vanity",
                {"GET": self.get_vanity, "PUT": self.set_vanity, "DELETE": self.delete_vanity},
            ),
            (
                content + "/permissions",
                {"GET": self.list_permissions, "POST": self.add_permission},
            ),
            (content + "/permissions/{id:int}", {"DELETE": self.delete_permission}),
            (content + "/bundles", {"GET": self.list_bundles, "POST": self.upload_bundle}),
            (
                content + "/bundles/{bundle_id}",
                {"GET": self.get_bundle, "DELETE": self.delete_bundle},
            ),
            (content + "/bundles/{bundle_id}/download", {"GET": self.download_bundle}),
            (content + "/deploy", {"POST": self.deploy}),
            (content + "/build", {"POST": self.deploy}),
            ("/v1/tasks/{id}", {"GET": self.get_task}),
            ("/applications/{id}", {"GET": self.get_v0}),
        ]
        return [
            Route("/__api__" + path, _by_method(handlers), methods=list(handlers))
            for path, handlers in table
        ]


def _by_method(
    handlers: Mapping[str, Callable[[Request], Awaitable[Response]]],
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        try:
            return await handlers[method](request)
        except ApiError as error:
            return error.response
        except ConflictError as error:
            return ApiError(409, TAKEN, str(error)).response
        except ClientDisconnect:
            return Response(status_code=400)
        except Exception as error:
            if is_full_disk(error):
                return ApiError(507, FAILED, NO_SPACE).response
            LOG.exception("%s %s failed", request.method, request.url.path)
            sentence = "The rehearsal itself failed: see its output."
            return ApiError(500, FAILED, sentence).response

    return endpoint


async def api_problem(request: Request, error: HTTPException) -> Response:
    """Starlette's own refusals, in the API's form: calls that a Connect server may have, and we have not."""
    sentence = (
        f"The rehearsal has no {request.method} {request.url.path[:200]}:"
        " it answers what deployments need."
    )
    response = ApiError(error.status_code, NOT_FOUND, sentence).response
    response.headers.update(error.headers or {})
    return response


def user_json(user: User) -> dict[str, Any]:
    """As `GET /v1/user` answers it (API reference)."""
    return {
        "guid": user.guid,
        "username": user.username,
        "first_name": user.username,
        "last_name": "",
        "email": "",
        "user_role": user.role,
        "confirmed": True,
        "locked": False,
    }


def _number(request: Request, name: str) -> int:
    text = request.query_params.get(name, "0")
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise malformed(f"{name} must be a number.")
    return int(text)


def _take_form_apart(archive: Path, content_type: str) -> str | None:
    """Where the archive came in a form, put it in the form's place; gives the form's metadata."""
    boundary = boundary_of(content_type)
    if boundary is None:
        return None
    inner = archive.with_name(archive.name + ".form")
    try:
        where = parts(archive, boundary)
        begin, end = where["archive"]
        with archive.open("rb") as form:
            metadata = None
            if "metadata" in where:
                form.seek(where["metadata"][0])
                length = where["metadata"][1] - where["metadata"][0]
                metadata = parse_json(form.read(min(length, _MAX_JSON_BYTES)))
            form.seek(begin)
            with inner.open("wb") as file:
                for position in range(begin, end, MIB):
                    file.write(form.read(min(MIB, end - position)))
    except (MultipartError, KeyError, ValueError, RecursionError):
        raise BundleRefusedError("The form must have an archive, and metadata in JSON.") from None
    inner.rename(archive)
    if metadata is not None and not isinstance(metadata, dict):
        raise BundleRefusedError("The metadata must be a JSON object.")
    return json.dumps(metadata) if metadata else None
