"""The pages: their files, the beginning of their links, and the headers of HTML responses."""

import os
from pathlib import Path
from typing import Any

TEMPLATES = Path(__file__).parent / "templates"
STATIC = Path(__file__).resolve().parent / "static"

# Allows resources from this origin only, and nothing inline. `data:` is for the icons in Swagger
# UI's stylesheet. frame-ancestors and X-Frame-Options are omitted, because Connect shows content in
# a frame.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'"
    ),
    "Referrer-Policy": "same-origin",
}

DEFAULT_NAME = "Posit"
MAX_NAME = 100
"""The length limit of the name on the about page, in characters."""

LACKS_SLASH = "shared.lacks_slash"
"""The key in the scope of a request for the mount without its final slash."""


def static_file(path: str) -> Path | None:
    """Returns the file at this path below `STATIC`; None if there is none.

    The path is taken as it is: the path of a file has no empty segment, and no `.` or `..`. A link
    that leads outside is no file, and neither is a pipe or device, which would block.
    """
    if {"", ".", ".."} & set(path.split("/")):
        return None
    try:
        found = (STATIC / path).resolve(strict=True)
    except (OSError, ValueError):  # The name is missing, too long, or has a NUL.
        return None
    return found if found.is_relative_to(STATIC) and found.is_file() else None


def links(scope: Any) -> dict[str, str | None]:
    """Returns the beginnings of links: `root` for the mount, `landing` for the landing page.

    Both are relative, so that they also work below a prefix that a proxy strips without announcing
    it. Every page is directly below the mount.

    `landing` is the variable `LANDING_PAGE`: a path on the server in front of this process, such as
    `/`, or an absolute URL. It is None if the variable is unset.
    """
    mount: str = scope["root_path"]
    root = mount.rpartition("/")[2] if scope.get(LACKS_SLASH) else "."
    landing = os.environ.get("LANDING_PAGE") or None
    if landing and landing.startswith("/"):
        landing = f"{root}/{'../' * mount.count('/')}{landing[1:]}"
    return {"root": root, "landing": landing}
