"""Static content: files of a bundle, served without a process and without an environment."""

import os
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

# As the pages of the apps: a browser asks again before each use, and guesses no media type.
_HEADERS = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}


class Pages:
    """ASGI application: the files below `directory`; `/` opens the page `primary`.

    A folder opens its `index.html`; that Connect does so too is inferred. The path of a folder
    without its final slash is redirected, because relative links would lead one level up.
    `StaticFiles` refuses paths and symbolic links that lead out of the directory.
    """

    def __init__(self, directory: Path, primary: str) -> None:
        self._files = StaticFiles(directory=directory, check_dir=False)
        self._primary = primary

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises `HTTPException` for a path without a file, and for a websocket."""
        if scope["type"] == "websocket":
            raise HTTPException(404, "Static content has no websockets.")
        response = await self._response(scope)
        response.headers.update(_HEADERS)
        await response(scope, receive, send)

    async def _response(self, scope: Scope) -> Response:
        path = self._files.get_path(scope)
        if scope["path"].endswith("/"):
            path = self._primary if path == "." else os.path.join(path, "index.html")
        try:
            return await self._files.get_response(path, scope)
        except HTTPException as error:
            if error.status_code == 404 and self._is_file(os.path.join(path, "index.html")):
                name = scope["raw_path"].rpartition(b"/")[2].decode("ascii")
                return Response(status_code=307, headers={"Location": f"./{name}/"})
            raise HTTPException(error.status_code, headers=error.headers) from None

    def _is_file(self, path: str) -> bool:
        try:
            found, _ = self._files.lookup_path(path)
        except (OSError, ValueError):
            return False
        return os.path.isfile(found)
