"""The landing page: every framework's app, what it offers, and its source."""

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from rehearsal.frameworks import Framework
from rehearsal.problem import Problem

PAGES = Path(__file__).with_name("pages")
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self' data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
_TEMPLATES = Environment(
    loader=FileSystemLoader(PAGES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)


def page(template: str, **context: object) -> HTMLResponse:
    """One of the templates in `pages/`, as an answer."""
    html = _TEMPLATES.get_template(template).render(context)
    return HTMLResponse(html, headers=SECURITY_HEADERS)


async def stylesheet(_: Request) -> Response:
    return FileResponse(PAGES / "rehearsal.css", headers=SECURITY_HEADERS)


async def problem(_: Request, error: Exception) -> Response:
    """Starlette's own refusals, in the form of all the others."""
    assert isinstance(error, HTTPException)
    return Response(
        Problem(error.status_code, error.detail).body,
        error.status_code,
        dict(error.headers or {}),
        "application/problem+json",
    )


def landing_page(frameworks: Sequence[Framework]) -> Starlette:
    """An ASGI application with the page at `/` and each app's source under `/source/<name>`."""
    sources = {framework.name: framework.folder / "app.py" for framework in frameworks}

    async def index(_: Request) -> Response:
        return page("landing.html", frameworks=frameworks)

    async def source(request: Request) -> Response:
        file = sources.get(request.path_params["name"])
        if file is None or not file.is_file():
            raise HTTPException(404, "There is no such source here.")
        return PlainTextResponse(file.read_text(encoding="utf-8"), headers=SECURITY_HEADERS)

    return Starlette(
        routes=[
            Route("/", index),
            Route("/rehearsal.css", stylesheet),
            Route("/source/{name}", source),
        ],
        exception_handlers={HTTPException: problem},
    )
