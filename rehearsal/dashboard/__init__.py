"""The dashboard, `/dashboard/`: all content with its logs, and a switch for the user.

Every link and redirect is relative, so that it also works behind a proxy that removes a further
prefix.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    HTMLResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
)
from starlette.routing import Route

from rehearsal.access import SESSION_COOKIE, user_by_cookie
from rehearsal.hosting.hosting import Hosting
from rehearsal.profiles import PROFILES, Profile
from rehearsal.proxy.headers import origin_of
from rehearsal.proxy.problems import problem_response
from rehearsal.storage.database import Content, State, bundle_id_of
from rehearsal.storage.manifest import STATIC
from tooling.frameworks import ROOT, Framework
from tooling.stylesheets import tokens

_PAGES = Path(__file__).with_name("pages")
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
# What a page shows depends on the user. The other files are the same for everybody.
_PAGE_HEADERS = _HEADERS | {"Cache-Control": "private, no-store"}
_FILE_HEADERS = _HEADERS | {"Cache-Control": "no-cache"}
_TEMPLATES = Environment(
    loader=FileSystemLoader(_PAGES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)
_OWN_PAGE = re.compile(r"/dashboard/([0-9a-f-]{36}(/logs|/draft/[0-9]{1,15})?|profile)$")
_LOG_BYTES = 256 * 1024
_LONGEST_FORM = 4096


@dataclass(frozen=True)
class Card:
    """One app on the index: a framework of this repository, other content, or both."""

    title: str
    framework: Framework | None
    content: Content | None
    is_static: bool = False
    """Whether it consists of pages, without an API that has documentation."""

    @property
    def path(self) -> str | None:
        """The path without its first slash, but a final one; `None` if no bundle is active."""
        if self.content is None or self.content.bundle_id is None:
            return None
        return (self.content.vanity or f"/content/{self.content.guid}")[1:] + "/"


@dataclass(frozen=True)
class Dashboard:
    """The routes and pages of the dashboard."""

    state: State
    hosting: Hosting
    profile: Profile
    frameworks: Sequence[Framework]
    """The apps that are described, whether or not they are deployed."""
    site: bool = False
    """Whether `/` shows a site, to which the index then leads."""

    def routes(self) -> list[Route]:
        return [
            Route("/favicon.ico", self.no_icon),
            Route("/dashboard", self.add_slash),
            Route("/dashboard/", self.index),
            Route("/dashboard/profile", self.profile_page),
            Route("/dashboard/rehearsal.css", self.stylesheet),
            Route("/dashboard/rehearsal.js", self.script),
            Route("/dashboard/user", self.switch_user, methods=["POST"]),
            Route("/dashboard/source/{name}", self.source),
            Route("/dashboard/{guid}", self.content),
            Route("/dashboard/{guid}/logs", self.logs),
            Route("/dashboard/{guid}/delete", self.delete, methods=["POST"]),
            Route("/dashboard/{guid}/draft/{bundle_id}", self.draft),
        ]

    def _page(
        self, request: Request, template: str, status: int = 200, **context: object
    ) -> Response:
        html = _TEMPLATES.get_template(template).render(
            profile=self.profile,
            users=self.state.users(),
            user=user_by_cookie(self.state, request.scope),
            root=_root(request),
            **context,
        )
        return HTMLResponse(html, status, headers=_PAGE_HEADERS)

    async def on_http_error(self, request: Request, error: Exception) -> Response:
        """Answers with a page if the client accepts HTML, else with problem details (RFC 9457)."""
        assert isinstance(error, HTTPException)
        if "text/html" not in request.headers.get("accept", ""):
            return problem_response(error)
        user = user_by_cookie(self.state, request.scope)
        publisher = next(user for user in self.state.users() if user.role == "publisher")
        # The page offers to become the publisher if that may help.
        helps = request.url.path.startswith("/dashboard/") and user != publisher
        response = self._page(
            request,
            "problem.html",
            error.status_code,
            error=error,
            publisher=publisher if helps else None,
        )
        response.headers.update(error.headers or {})
        return response

    async def profile_page(self, request: Request) -> Response:
        return self._page(request, "profile.html", profiles=PROFILES.values())

    async def index(self, request: Request) -> Response:
        contents = self.state.contents()
        at = {content.vanity: content for content in contents}
        cards = [Card(f.title, f, at.get(f"/{f.name}")) for f in self.frameworks]
        listed = [card.content for card in cards]
        # rsconnect creates content before the upload. If the bundle is refused, it has no version.
        cards += [
            Card(content.title or content.name, None, content, self._is_static(content))
            for content in contents
            if content not in listed and self.state.bundles(content.guid)
        ]
        return self._page(request, "index.html", cards=cards, site=self.site)

    def _is_static(self, content: Content) -> bool:
        bundle = self.state.bundle(content.guid, content.bundle_id or 0)
        return bundle is not None and bundle.app_mode == STATIC

    async def add_slash(self, _: Request) -> Response:
        return RedirectResponse("dashboard/")

    async def stylesheet(self, _: Request) -> Response:
        own = (_PAGES / "rehearsal.css").read_text(encoding="utf-8")
        return Response(f"{tokens()}\n{own}", media_type="text/css", headers=_FILE_HEADERS)

    async def script(self, _: Request) -> Response:
        return FileResponse(_PAGES / "rehearsal.js", headers=_FILE_HEADERS)

    async def no_icon(self, _: Request) -> Response:
        """Answers 204, because browsers request this path for JSON, which cannot name an icon."""
        return Response(status_code=204, headers={"Cache-Control": "max-age=86400"})

    async def source(self, request: Request) -> Response:
        files = {framework.name: framework.folder / "app.py" for framework in self.frameworks}
        file = {**files, "readme": ROOT / "README.md"}.get(request.path_params["name"])
        if file is not None and file.is_file():
            return PlainTextResponse(file.read_text(encoding="utf-8"), headers=_FILE_HEADERS)
        raise HTTPException(404, "There is no such source here.")

    async def switch_user(self, request: Request) -> Response:
        """Switches the user in this browser. Accepts only forms of the dashboard's own pages."""
        _check_form(request)
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > _LONGEST_FORM:
                raise HTTPException(413, "The form is too long.")
        form = parse_qs(body.decode("ascii", "replace"))
        answer = RedirectResponse(_back(request), 303)
        user = self.state.user_by("guid", form.get("guid", [""])[0])
        if user is None:
            answer.delete_cookie(SESSION_COOKIE)
        else:
            answer.set_cookie(SESSION_COOKIE, user.session, httponly=True, samesite="lax")
        return answer

    def _managed(self, request: Request) -> Content:
        user = user_by_cookie(self.state, request.scope)
        content = self.state.content(request.path_params["guid"])
        if content is None or user is None or user.guid != content.owner_guid:
            raise HTTPException(404, "There is nothing here for this user.")
        return content

    async def content(self, request: Request) -> Response:
        content = self._managed(request)
        return self._page(
            request,
            "content.html",
            content=content,
            bundles=self.state.bundles(content.guid),
            process=self.hosting.process_of(content),
            is_static=self._is_static(content),
            variables=list(self.state.variables(content.guid)),
        )

    async def logs(self, request: Request) -> Response:
        content = self._managed(request)
        newest = next((bundle.id for bundle in self.state.bundles(content.guid)), None)
        wanted = request.query_params.get("bundle", str(content.bundle_id or newest or 0))
        log = self.hosting.log_of(content.guid, bundle_id_of(wanted))
        text = _tail(log) if log.is_file() else ""
        return self._page(request, "logs.html", content=content, bundle=wanted, text=text)

    async def draft(self, request: Request) -> Response:
        content = self._managed(request)
        bundle_id = bundle_id_of(request.path_params["bundle_id"])
        return RedirectResponse(f"../../../content/{content.guid}/_bundle{bundle_id}/", 307)

    async def delete(self, request: Request) -> Response:
        """Deletes the content with all of its versions."""
        _check_form(request)
        content = self._managed(request)
        self.state.delete_content(content.guid)
        self.hosting.stop(content.guid)
        return RedirectResponse("../", 303)


def _root(request: Request) -> str:
    """Returns the root of the rehearsal, relative to the page."""
    raw_path: bytes = request.scope["raw_path"]  # Browsers do not count an encoded slash.
    return "../" * (raw_path.count(b"/") - 1) or "./"


def _check_form(request: Request) -> None:
    """Raises `HTTPException` if the form may come from another site.

    A proxy may hide its own host from the rehearsal. In that case the header `Sec-Fetch-Site`,
    which no script can set, shows the form's origin (W3C, Fetch Metadata Request Headers).
    """
    origin = request.headers.get("origin", "")
    same = request.headers.get("sec-fetch-site") == "same-origin"
    if not same and origin.encode() != origin_of(request.scope):
        raise HTTPException(403, "Only the dashboard's own pages may send this form.")


def _back(request: Request) -> str:
    """Returns the path of the page with the form, or of the index if that is not an own page."""
    path = request.headers.get("referer", "").partition("?")[0]
    return found[1] if (found := _OWN_PAGE.search(path)) else "./"


def _tail(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(log.stat().st_size - _LOG_BYTES, 0))
        return file.read().decode("utf-8", "replace")
