"""The names of ASGI: https://asgi.readthedocs.io/en/latest/specs/main.html."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

# `Any`, because every framework has its own types for the arguments.
ASGIApp = Callable[[Any, Any, Any], Awaitable[None]]
