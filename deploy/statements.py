"""Our inferred statements about Connect, and what a server answers to them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urljoin, urlsplit

import httpx

Visit = Callable[[str], httpx.Response]


@dataclass(frozen=True)
class Statement:
    """One statement. The `id` never changes its meaning."""

    id: str
    sentence: str
    verdict: Literal["confirmed", "refuted", "unknown"]


def statements_of(visit: Visit, probe: str, pages: str, folder: Path) -> list[Statement]:
    """Returns each statement with its verdict.

    - `visit`: makes a GET request as the publisher, and follows no redirect.
    - `probe`: the address of `probe_app.py`, with a final slash.
    - `pages`: the address of the static pages in `folder`, with a final slash.
    """
    found = [
        *_of_requests(visit, probe),
        *_of_answers(visit, probe),
        *_of_pages(visit, pages, folder),
    ]
    return [
        Statement(id, sentence, {True: "confirmed", False: "refuted", None: "unknown"}[holds])  # type: ignore[arg-type]
        for id, sentence, holds in found
    ]


_Found = Iterator[tuple[str, str, bool | None]]


def _of_requests(visit: Visit, probe: str) -> _Found:
    answer = visit(probe + "told")
    is_json = answer.headers.get("content-type") == "application/json"
    told = answer.json() if answer.status_code == 200 and is_json else None
    mount, host = urlsplit(probe).path.rstrip("/"), urlsplit(probe).netloc
    headers = told["headers"] if told else {}
    names = told["header_names"] if told else []
    for id, sentence, holds in (
        (
            "root-path",
            "root_path is the mount, for a draft with its /_bundle<id>.",
            told and told["root_path"] == mount,
        ),
        (
            "path-included",
            "path begins with the mount, as in the ASGI specification.",
            told and told["path"] == f"{mount}/told",
        ),
        (
            "base-url",
            "RStudio-Connect-App-Base-URL ends with the same mount.",
            headers.get("rstudio-connect-app-base-url", "").rstrip("/").endswith(mount),
        ),
        ("external-host", "Host is that of the browser.", headers.get("host") == host),
        (
            "not-forwarded",
            "No X-Forwarded-* header reaches the app.",
            not any(name.startswith("x-forwarded-") for name in names),
        ),
        ("key-dropped", "The API key does not reach the app.", "authorization" not in names),
        (
            "credentials",
            "RStudio-Connect-Credentials reaches the app.",
            "rstudio-connect-credentials" in names,
        ),
        ("product", "POSIT_PRODUCT is CONNECT.", told and told["product"] == "CONNECT"),
        ("uvicorn", "The server is uvicorn.", told and told["servers"] == ["uvicorn"]),
    ):
        yield id, sentence, bool(holds) if told else None


def _of_answers(visit: Visit, probe: str) -> _Found:
    mount = urlsplit(probe).path.rstrip("/")
    bare, root, away = visit(probe.rstrip("/")), visit(probe), visit(probe + "away")
    location = urljoin(probe.rstrip("/"), bare.headers.get("location", "none"))
    yield (
        "slash",
        "The mount without its final slash is redirected to the one with it.",
        bare.is_redirect and urlsplit(location).path == f"{mount}/",
    )
    location = urljoin(probe, root.headers.get("location", "none"))
    yield (
        "docs",
        "If the app answers GET / with 404, it is redirected to docs.",
        root.is_redirect and urlsplit(location).path == f"{mount}/docs",
    )
    known = away.status_code == 307
    yield (
        "location",
        "A Location header passes unchanged.",
        away.headers.get("location") == "/elsewhere" if known else None,
    )
    yield (
        "cookie-path",
        "The cookie path / becomes the mount.",
        f"path={mount}/" in away.headers.get("set-cookie", "").lower() if known else None,
    )


def _of_pages(visit: Visit, pages: str, folder: Path) -> _Found:
    yield "static-index", "Static content opens with its page.", visit(pages).status_code == 200
    inner = [file.parent.relative_to(folder) for file in sorted(folder.glob("*/index.html"))]
    yield (
        "static-folder",
        "A folder of static content opens its index.html.",
        visit(f"{pages}{inner[0].as_posix()}/").status_code == 200 if inner else None,
    )
