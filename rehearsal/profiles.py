"""The open questions about a Connect server, as switches: each profile is one way in which it may
behave.
"""

from dataclasses import dataclass
from typing import Literal

from tooling.errors import UsageError
from tooling.processes import ServerKind

Shape = Literal["included", "stripped", "bare"]


@dataclass(frozen=True)
class Profile:
    """How apps are served, what they are told, and on what evidence."""

    name: str
    stands_for: str
    evidence: str
    shape: Shape = "included"
    server: ServerKind = "uvicorn"
    forwarded: bool = False
    """Whether `X-Forwarded-For`, `-Proto` and `-Host` reach the app."""
    external_host: bool = True
    """Whether the app sees the Host that the browser asked for, or the internal address."""


_PROFILES = (
    Profile(
        "included",
        "Connect from 2024.11 on: root_path is the mount, path begins with it.",
        "Inferred. Third-party probes of 2025.06 and 2026.07 found root_path and the base-URL"
        " header right, and a mounted static folder answered, which needs the included form. Only"
        " FastAPI was probed. That the server is uvicorn is inferred from Posit's templates.",
    ),
    Profile(
        "stripped",
        "A server that sets root_path, but hands over the path without it.",
        "Not seen on Connect; it is what hypercorn and granian do with --root-path (measured).",
        shape="stripped",
    ),
    Profile(
        "header-only",
        "Connect before 2024.11: no root_path, only RStudio-Connect-App-Base-URL tells the mount.",
        "Third party: the release note for 2024.11 is quoted as having fixed the scopes.",
        shape="bare",
    ),
    Profile(
        "hypercorn",
        "As included, but served by hypercorn: no httptools, no uvloop, other headers of its own.",
        "No evidence that Connect uses it; the server is nowhere stated.",
        server="hypercorn",
    ),
    Profile(
        "forwarded",
        "As included, and X-Forwarded-For, -Proto and -Host reach the app.",
        "Unknown: nothing was found about what Connect itself forwards.",
        forwarded=True,
    ),
    Profile(
        "internal-host",
        "As included, but the Host header is the internal address instead of the browser's.",
        "Third party: seen on servers of 2024 (Chainlit issue 1604).",
        external_host=False,
    ),
)
PROFILES = {profile.name: profile for profile in _PROFILES}
DEFAULT_PROFILE = PROFILES["included"]


def find_profile(name: str) -> Profile:
    """Raises `UsageError`, which lists the profiles, where there is none of that name."""
    if name not in PROFILES:
        raise UsageError(
            f"There is no profile {name!r}; there are: {', '.join(PROFILES)}. Set PROFILE."
        )
    return PROFILES[name]
