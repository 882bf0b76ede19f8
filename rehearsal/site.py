"""What stands at `/`: a directory of static files, or a redirection to the dashboard."""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope


class Site(StaticFiles):
    """The files of a directory; `index.html` for the directory itself."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory=directory, html=True)

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        # The directory is replaced when the site is built again.
        response.headers["Cache-Control"] = "no-cache"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response


async def to_dashboard(_: Request) -> Response:
    """Answers `/` if there is no directory."""
    return RedirectResponse("dashboard/")
