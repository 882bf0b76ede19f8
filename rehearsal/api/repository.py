"""Endpoints for content that is deployed from a git repository."""

from dataclasses import asdict, replace
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType, structs
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from rehearsal.api.endpoint import ApiError, Endpoint, Services, body_of, missing
from rehearsal.storage.database import Bundle, Repository
from rehearsal.storage.git import fetch
from rehearsal.storage.manifest import BundleRefusedError
from rehearsal.storage.unpack import unpack
from tooling.environments import Log

# Connect takes https only. A file URL makes it possible to rehearse a branch before it is pushed.
Url = Annotated[str, Meta(pattern=r"^(https://[^/\s]|file:///)[^\s]{0,1000}\Z")]
# A name that begins with `-` would be an option of git.
Ref = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_./+-]{0,200}\Z")]
Folder = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.][A-Za-z0-9_./ +-]{0,400}\Z")]


class NewRepository(Struct, forbid_unknown_fields=True):
    repository: Url
    branch: Ref = "main"
    directory: Folder = "."
    polling: bool = True


class RepositoryChanges(Struct, forbid_unknown_fields=True):
    repository: Url | UnsetType = UNSET
    branch: Ref | UnsetType = UNSET
    directory: Folder | UnsetType = UNSET
    polling: bool | UnsetType = UNSET


class BundleSource(Struct, forbid_unknown_fields=True):
    repository: Url | UnsetType = UNSET
    ref: Ref | UnsetType = UNSET
    directory: Folder | UnsetType = UNSET


async def add_bundle(services: Services, source: Repository) -> Bundle:
    """Fetches the folder and adds it as a bundle. Records the commit, or the error.

    Raises `BundleRefusedError`.
    """
    state = services.state
    with state.incoming() as (archive, directory):
        try:
            commit = await fetch(source, archive)
            manifest = await run_in_threadpool(unpack, archive, directory, services.limits)
        except BundleRefusedError as error:
            state.set_repository(replace(source, last_error=str(error)))
            raise
        bundle = state.add_bundle(source.content_guid, archive, directory, manifest)
    state.set_repository(replace(source, last_error="", last_known_commit=commit))
    return bundle


class RepositoryEndpoint(Endpoint):
    def repository(self) -> Repository:
        """Returns the repository of the content. Raises `ApiError` if it has none."""
        found = self.state.repository(self.owned_content().guid)
        if found is None:
            raise missing()
        return found

    def answer(self, repository: Repository) -> Response:
        members = asdict(repository) | {"polling": bool(repository.polling)}
        del members["content_guid"]
        return JSONResponse(members)


class RepositoryOfContent(RepositoryEndpoint):
    async def get(self, request: Request) -> Response:
        return self.answer(self.repository())

    async def put(self, request: Request) -> Response:
        guid = self.owned_content().guid
        new = await body_of(request, NewRepository)
        self.state.set_repository(Repository(guid, **structs.asdict(new)))
        return self.answer(self.repository())

    async def patch(self, request: Request) -> Response:
        changes = structs.asdict(await body_of(request, RepositoryChanges))
        changes = {name: value for name, value in changes.items() if value is not UNSET}
        self.state.set_repository(replace(self.repository(), **changes))
        return self.answer(self.repository())

    async def delete(self, request: Request) -> Response:
        self.state.delete_repository(self.repository().content_guid)
        return Response(status_code=204)


class BundleOfRepository(RepositoryEndpoint):
    async def post(self, request: Request) -> Response:
        wanted = structs.asdict(await body_of(request, BundleSource))
        wanted["branch"] = wanted.pop("ref")
        kept = self.repository()
        source = replace(kept, **{k: v for k, v in wanted.items() if v is not UNSET})
        try:
            bundle = await add_bundle(self.services, source)
        except BundleRefusedError as error:
            raise ApiError(400, str(error)) from None
        finally:
            # What one call asks for is not what the content is deployed from.
            after = self.state.repository(kept.content_guid)
            if after is not None:
                told = (after.last_error, after.last_known_commit)
                self.state.set_repository(
                    replace(kept, last_error=told[0], last_known_commit=told[1])
                )

        async def done(log: Log) -> None:
            log(f"Bundle {bundle.id} was made from the repository.")

        task = self.services.tasks.start(self.user.guid, done)
        return JSONResponse({"bundle_id": str(bundle.id), "task_id": task.id})
