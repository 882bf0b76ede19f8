"""What the tests of the store in PostgreSQL share."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shared.postgresql import PoolSettings
from shared.postgresql_greetings import PostgreSQLStore
from tooling.frameworks import ROOT

PATIENCE = PoolSettings(pool_size=2, connect_timeout=0.5, query_timeout=1.0)


def make_db(url: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """What `make db` runs."""
    return subprocess.run(
        [sys.executable, "-m", "deploy.prepare_database"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "GREETINGS_URL": url, **variables},
        capture_output=True,
        text=True,
    )


@asynccontextmanager
async def opened(url: str, settings: PoolSettings = PATIENCE) -> AsyncIterator[PostgreSQLStore]:
    store = await PostgreSQLStore.open(url, settings)
    try:
        yield store
    finally:
        await store.aclose()


async def count(url: str, settings: PoolSettings = PATIENCE) -> int:
    """Opens a store, and returns how many greetings it has."""
    async with opened(url, settings) as store:
        return len(await store.all())
