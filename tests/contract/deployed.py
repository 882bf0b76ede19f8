"""An app that somebody else runs: `make test-url`."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import h11

from rehearsal.frameworks import Framework
from tests.contract.client import Client
from tests.contract.servers import LOGS, OtherServer
from tests.contract.socket_client import SocketClient
from tests.contract.sockets import Connection
from tests.contract.subjects import Subject
from tests.contract.vocabulary import Capability, Mount, Request, StoreName


def deployed_subject(
    url: str, framework: Framework | None, store: StoreName | None = None
) -> Subject:
    """The subject for `make test-url`; `url` is the content's address, with or without a final slash.

    `framework`: whose app it is, where that is known. `store`: what it was deployed with, likewise.

    Raises `ValueError` for what is not an absolute http(s) URL.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(
            f"{url!r} is not the address of an app, such as https://connect.example.org/content/1b2c/"
        )
    return Subject(
        "deployed",
        Mount("as deployed", parts.path.rstrip("/"), client_sends_prefix=True),
        framework,
        store,
    )


def record_of(url: str) -> Path:
    """Where the report about a deployed app goes: one file for each address."""
    parts = urlsplit(url)
    name = re.sub(r"[^A-Za-z0-9.]+", "-", f"{parts.netloc.rpartition('@')[2]}{parts.path}")
    return LOGS / f"{name.strip('-.')}.json"


def check_deployed(url: str, api_key: str | None) -> None:
    """Raises `ValueError`, in one sentence, where no case could be checked at that address."""
    connection = Connection(url, _authorization(api_key))
    try:
        status = connection.send(Request("GET", urlsplit(url).path or "/")).status
    except (OSError, h11.RemoteProtocolError) as error:
        raise ValueError(f"Nothing answers at {url}: {error}.") from None
    finally:
        connection.close()
    if status in (401, 403):
        key = "another API_KEY" if api_key else "API_KEY=..."
        raise ValueError(f"{url} is answered {status}, not by the app: give {key}.")


def _authorization(api_key: str | None) -> str:
    return f"Key {api_key}" if api_key else ""


@contextmanager
def deployed_client(url: str, subject: Subject, api_key: str | None) -> Iterator[Client]:
    """Connect takes API keys as `Authorization: Key`: https://docs.posit.co/connect/user/api-keys/."""
    connection = Connection(url, _authorization(api_key))
    capabilities = frozenset() if api_key else frozenset({Capability.ANONYMOUS})
    try:
        yield SocketClient(
            server=OtherServer(connection),
            mount=subject.mount,
            capabilities=capabilities,
            store=subject.store,
        )
    finally:
        connection.close()
