"""Endpoints for bundles, uploaded as a gzipped tar archive or as a form that contains one."""

import shutil
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from rehearsal.api.endpoint import ApiError, Endpoint, chunks_of
from rehearsal.storage.database import Bundle, Content
from rehearsal.storage.manifest import BundleRefusedError
from rehearsal.storage.unpack import MIB, unpack

_FORM_BYTES = 64 * 1024
"""The number of bytes by which a form may exceed its archive."""


class Bundles(Endpoint):
    async def get(self, request: Request) -> Response:
        content = self.owned_content()
        bundles = self.state.bundles(content.guid)
        return JSONResponse([_json_of(content, bundle) for bundle in bundles])

    async def post(self, request: Request) -> Response:
        content, limits = self.owned_content(), self.services.limits
        with self.state.incoming() as (archive, directory):
            metadata = await self._receive(request, archive)
            try:
                manifest = await run_in_threadpool(unpack, archive, directory, limits)
            except BundleRefusedError as error:
                raise ApiError(400, str(error)) from None
            bundle = self.state.add_bundle(content.guid, archive, directory, manifest, metadata)
        return JSONResponse(_json_of(content, bundle))

    async def _receive(self, request: Request, archive: Path) -> str | None:
        """Returns the metadata, if the request is a form that contains it."""
        limit = self.services.limits.packed_bytes
        sentence = f"The bundle is larger than {limit // MIB} MiB."
        chunks = chunks_of(request, limit + _FORM_BYTES, sentence)
        with archive.open("wb") as file:
            if request.headers.get("content-type", "").startswith("multipart/form-data"):
                return await _receive_form(request, chunks, file)
            async for chunk in chunks:
                file.write(chunk)
        return None


async def _receive_form(
    request: Request, chunks: AsyncGenerator[bytes, None], file: BinaryIO
) -> str | None:
    """Copies the form's file `archive`, and returns its field `metadata`, a JSON object."""
    try:
        form = await MultiPartParser(request.headers, chunks, max_files=1).parse()
    except (MultiPartException, KeyError):
        form = FormData()
    try:
        archive = form.get("archive")
        if not isinstance(archive, UploadFile):
            raise ApiError(400, "The form must have a file named archive.")
        await run_in_threadpool(shutil.copyfileobj, archive.file, file)
        metadata = form.get("metadata")
        if not isinstance(metadata, str):
            return None
        msgspec.json.decode(metadata, type=dict[str, Any])
        return metadata
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise ApiError(400, "The form must have metadata in JSON.") from None
    finally:
        await form.close()


class BundleDownload(Endpoint):
    async def get(self, request: Request) -> Response:
        bundle = self.bundle_of(self.owned_content(), request.path_params["bundle_id"])
        return FileResponse(self.state.archive_of(bundle.id), media_type="application/gzip")


def _json_of(content: Content, bundle: Bundle) -> dict[str, Any]:
    return {
        "id": str(bundle.id),
        "content_guid": content.guid,
        "created_time": bundle.created_time,
        "py_version": bundle.python_version or None,
        "active": bundle.id == content.bundle_id,
        "size": bundle.size,
        "metadata": msgspec.json.decode(bundle.metadata) if bundle.metadata else {},
    }
