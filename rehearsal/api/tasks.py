"""Endpoints that start deployments as tasks, and that return the tasks' logs."""

from functools import partial

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from rehearsal.api.endpoint import ApiError, Endpoint, body_of, missing
from rehearsal.api.repository import add_bundle
from rehearsal.hosting.hosting import BundleKey
from rehearsal.hosting.tasks import TaskFailedError
from rehearsal.storage.database import Repository
from rehearsal.storage.manifest import BundleRefusedError
from tooling.environments import Log

_MAX_WAIT_SECONDS = 30


class Deployment(Struct, forbid_unknown_fields=True):
    bundle_id: str | None = None
    activate: bool = True


class DeploymentEndpoint(Endpoint):
    async def bundle_key(self, bundle_id: str | None) -> BundleKey:
        """Returns the key of the bundle with that id, else the active one, else the newest."""
        content = self.owned_content()
        newest = next((bundle.id for bundle in self.state.bundles(content.guid)), None)
        chosen = bundle_id or content.bundle_id or newest
        if chosen is None:
            raise ApiError(400, "There is no bundle to deploy.")
        return BundleKey(content.guid, self.bundle_of(content, str(chosen)).id)


class Deploy(DeploymentEndpoint):
    async def post(self, request: Request) -> Response:
        wanted = await body_of(request, Deployment)
        repository = self.state.repository(self.owned_content().guid)
        if repository is not None and wanted.bundle_id is None:
            deploy = partial(self._deploy_from, repository, wanted.activate)
        else:
            key = await self.bundle_key(wanted.bundle_id)
            deploy = partial(self.services.hosting.deploy, key, wanted.activate)
        return JSONResponse({"task_id": self.services.tasks.start(self.user.guid, deploy).id})

    async def _deploy_from(self, repository: Repository, activate: bool, log: Log) -> None:
        log(f"Fetching {repository.branch} of {repository.repository}.")
        try:
            bundle = await add_bundle(self.services, repository)
        except BundleRefusedError as error:
            raise TaskFailedError(str(error)) from None
        key = BundleKey(repository.content_guid, bundle.id)
        await self.services.hosting.deploy(key, activate, log)


class Build(DeploymentEndpoint):
    async def post(self, request: Request) -> Response:
        key = await self.bundle_key((await body_of(request, Deployment)).bundle_id)
        build = partial(self.services.hosting.build, key)
        return JSONResponse({"task_id": self.services.tasks.start(self.user.guid, build).id})


class TaskStatus(Endpoint):
    async def get(self, request: Request) -> Response:
        task = self.services.tasks.find(request.path_params["id"], self.user.guid)
        if task is None:
            raise missing()
        first = _number(request, "first")
        await task.wait(first, min(_number(request, "wait"), _MAX_WAIT_SECONDS))
        return JSONResponse(task.status(first))


def _number(request: Request, name: str) -> int:
    text = request.query_params.get(name, "0")
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise ApiError(400, f"{name} must be a number.")
    return int(text)
