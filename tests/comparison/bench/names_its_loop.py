"""An application that answers the name of the event loop on which it runs.

It imports Sanic, which imports uvloop and httptools on every server.
"""

import asyncio

import sanic  # noqa: F401

from tests.comparison.bench.broken import answering


async def respond(path: str) -> tuple[int, bytes]:
    loop = type(asyncio.get_running_loop())
    return 200, loop.__module__.partition(".")[0].encode()


app = answering(respond)
