"""A gateway over a table of routes, for tests that have no content."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from rehearsal.proxy.gateway import Gateway
from rehearsal.proxy.problems import refuse
from rehearsal.proxy.upstream import Upstream, is_under


async def not_found(scope: Scope, receive: Receive, send: Send) -> None:
    """The answer where nothing is mounted; an application without lifespan."""
    if scope["type"] == "lifespan":
        raise NotImplementedError
    await refuse(HTTPException(404, "Nothing is mounted at this path."), scope, receive, send)


class RoutingTable:
    """Upstreams that may change while requests run; the longest prefix that fits wins."""

    def __init__(self, *upstreams: Upstream) -> None:
        self.upstreams = {upstream.prefix: upstream for upstream in upstreams}

    def put(self, upstream: Upstream) -> None:
        self.upstreams[upstream.prefix] = upstream

    def remove(self, prefix: str) -> None:
        self.upstreams.pop(prefix, None)

    @asynccontextmanager
    async def resolve(self, scope: Scope) -> AsyncIterator[Upstream | None]:
        fitting = [prefix for prefix in self.upstreams if is_under(scope["raw_path"], prefix)]
        yield self.upstreams[max(fitting, key=len)] if fitting else None


def gateway(*upstreams: Upstream, response_seconds: float = 60.0) -> Gateway:
    """A gateway to these apps."""
    table = RoutingTable(*upstreams)
    return Gateway(table.resolve, not_found, response_seconds=response_seconds)
