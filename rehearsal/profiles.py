"""Profiles: possible behaviours of a Connect server where its real behaviour is not known."""

from dataclasses import dataclass
from typing import Literal

from tooling.errors import UsageError
from tooling.processes import ServerKind

Shape = Literal["included", "stripped", "header-only"]


@dataclass(frozen=True)
class Profile:
    """How apps are served, which headers they receive, and the evidence for this behaviour."""

    name: str
    stands_for: str
    evidence: str
    shape: Shape = "included"
    server: ServerKind = "uvicorn"
    forwarded: bool = False
    """Whether `X-Forwarded-For`, `-Proto` and `-Host` reach the app."""
    external_host: bool = True
    """Whether the app receives the Host header of the browser, or the internal address."""
    processes: int = 1
    """How many processes serve a bundle."""
    sticky: bool = False
    """Whether a browser's requests go to one process. Otherwise the processes take turns."""


_PROFILES = (
    Profile(
        "included",
        "Connect from 2024.11 on: root_path is the mount, and path begins with it.",
        "Inferred. Third-party probes of 2025.06 and 2026.07 found root_path and the base-URL"
        " header right, and a mounted static folder answered, which needs the included form. Only"
        " FastAPI was probed. That the server is uvicorn is inferred from Posit's templates.",
    ),
    Profile(
        "stripped",
        "A server that sets root_path and passes the path without it.",
        "Not seen on Connect. hypercorn and granian do this with --root-path (measured).",
        shape="stripped",
    ),
    Profile(
        "header-only",
        "Connect before 2024.11: no root_path, only RStudio-Connect-App-Base-URL has the mount.",
        "Third party: according to a quoted release note, 2024.11 fixed the scopes.",
        shape="header-only",
    ),
    Profile(
        "hypercorn",
        "As included, but served by hypercorn: no httptools, no uvloop, other headers of its own.",
        "No evidence that Connect uses it. No source names the server.",
        server="hypercorn",
    ),
    Profile(
        "forwarded",
        "As included, and X-Forwarded-For, -Proto and -Host reach the app.",
        "Unknown: no source states which headers Connect itself forwards.",
        forwarded=True,
    ),
    Profile(
        "internal-host",
        "As included, but the Host header is the internal address instead of the browser's.",
        "Third party: seen on servers of 2024 (Chainlit issue 1604).",
        external_host=False,
    ),
    Profile(
        "sticky",
        "As included, with two processes; a cookie leads a browser back to its process.",
        "Third party: a changelog says that 2026.06 added sticky sessions for ASGI content. That a"
        " cookie does it is inferred.",
        processes=2,
        sticky=True,
    ),
    Profile(
        "not-sticky",
        "As included, with two processes that take turns.",
        "Documented: Connect starts more processes under load. The order is inferred.",
        processes=2,
    ),
)
PROFILES = {profile.name: profile for profile in _PROFILES}
DEFAULT_PROFILE = PROFILES["included"]


def find_profile(name: str) -> Profile:
    """Returns the profile of that name. Raises `UsageError`, which lists the profiles."""
    if name not in PROFILES:
        raise UsageError(
            f"There is no profile {name!r}; there are: {', '.join(PROFILES)}. Set PROFILE."
        )
    return PROFILES[name]
