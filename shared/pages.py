"""Where the pages lie, what their links begin with, and the headers that go with every HTML answer."""

import os
from pathlib import Path
from typing import Any

TEMPLATES = Path(__file__).parent / "templates"
STATIC = Path(__file__).parent / "static"

# Everything from this origin and nothing inline; `data:` is for the icons in Swagger UI's stylesheet.
# There is no frame-ancestors and no X-Frame-Options on purpose: Connect shows content in a frame.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}

DEFAULT_NAME = "Posit"
MAX_NAME = 100
"""Of the name on the about page, in characters."""

BARE_MOUNT = "shared.bare_mount"
"""In a scope: the request was for the mount without its final slash."""


def links(scope: Any) -> dict[str, str | None]:
    """What the links of a page begin with: `root` leads to the mount, `landing` to the landing page.

    Both are relative, so that they stay under whatever further prefix a proxy takes off without a word.
    Every page lies directly under the mount.

    `landing` is None without the variable `LANDING_PAGE`: a path of the server in front of this process,
    `/` for instance, or an absolute URL.
    """
    mount: str = scope["root_path"]
    root = mount.rpartition("/")[2] if scope.get(BARE_MOUNT) else "."
    landing = os.environ.get("LANDING_PAGE") or None
    if landing and landing.startswith("/"):
        landing = f"{root}/{'../' * mount.count('/')}{landing[1:]}"
    return {"root": root, "landing": landing}
