"""Runs the contract against a deployed app: `make test-url`."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import h11

from tests.contract.client import Client
from tests.contract.servers import RECORDS, OtherServer
from tests.contract.socket_client import SocketClient
from tests.contract.sockets import Connection
from tests.contract.subjects import Subject
from tests.contract.vocabulary import Capability, Mount, Request, StoreName
from tooling.frameworks import Framework


def deployed_subject(
    url: str, framework: Framework | None, store: StoreName | None = None
) -> Subject:
    """The subject for an app at any URL.

    - `url`: the address of the content, with or without a final slash.
    - `framework`: the framework of the app, if it is known.
    - `store`: the store with which the app was deployed, if it is known.

    Raises `ValueError` if `url` is not an absolute http or https URL.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(
            f"{url!r} is not the address of an app, such as"
            " https://connect.example.org/content/1b2c/"
        )
    return Subject(
        "deployed",
        Mount("as deployed", parts.path.rstrip("/"), client_sends_prefix=True),
        framework,
        store,
    )


def record_of(url: str) -> Path:
    """The path of the report about a deployed app: one file for each URL."""
    parts = urlsplit(url)
    name = re.sub(r"[^A-Za-z0-9.]+", "-", f"{parts.netloc.rpartition('@')[2]}{parts.path}")
    return RECORDS / f"{name.strip('-.')}.json"


def check_deployed(url: str, api_key: str | None) -> None:
    """Raises `ValueError`, in one sentence, if no case can be checked at the URL."""
    connection = Connection(url, _authorization(api_key))
    try:
        status = connection.send(Request("GET", urlsplit(url).path or "/")).status
    except (OSError, h11.RemoteProtocolError) as error:
        raise ValueError(f"Nothing answers at {url}: {error}.") from None
    finally:
        connection.close()
    if status in (401, 403):
        key = "another API_KEY" if api_key else "an API_KEY"
        raise ValueError(f"{url} is answered {status}, not by the app: export {key}.")


def _authorization(api_key: str | None) -> str:
    return f"Key {api_key}" if api_key else ""


@contextmanager
def deployed_client(url: str, subject: Subject, api_key: str | None) -> Iterator[Client]:
    """A client that sends the API key, if there is one, with every request.

    Connect accepts `Authorization: Key`: https://docs.posit.co/connect/user/api-keys/.
    """
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
