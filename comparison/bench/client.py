"""One request at a time, for checks before and after a measurement."""

import http.client
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def fetch(
    port: int, target: str, headers: Iterable[tuple[str, str]] = (), seconds: float = 30.0
) -> Answer:
    """Sends GET on a connection of its own. Raises `OSError`, `http.client.HTTPException`."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        connection.request("GET", target, headers=dict(headers))
        response = connection.getresponse()
        return Answer(response.status, tuple(response.getheaders()), response.read())
    finally:
        connection.close()


def fetch_status(port: int, target: str) -> int | None:
    """Returns the status of the answer; None if nothing answers."""
    try:
        return fetch(port, target).status
    except (OSError, http.client.HTTPException):
        return None
