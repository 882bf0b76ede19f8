"""PgBouncer in transaction mode between the store and its database.

PgBouncer gives each transaction another connection of the server. A prepared statement is therefore
not there when it is to be executed, with `max_prepared_statements=0` and before PgBouncer 1.21.
"""

import asyncio

import pytest

from shared.postgresql import PoolSettings
from tests.pgbouncer import CONNECTIONS, pgbouncer
from tests.shared.databases import make_db, opened
from tooling.postgresql import Database

CLIENTS = 16
SETTINGS = PoolSettings(pool_size=CLIENTS, query_timeout=10.0)


@pytest.mark.parametrize("setting", ["", "max_prepared_statements = 0"])
def test_many_clients_share_a_few_connections(database: Database, setting: str) -> None:
    with pgbouncer(database, setting) as url:
        assert "7 of them new" in make_db(url).stdout

        async def ask() -> None:
            async with opened(url, SETTINGS) as store:

                async def client() -> None:
                    for _ in range(20):
                        assert len(await store.all()) == 7
                        assert await store.get("en") is not None
                        assert len([greeting async for greeting in store.each()]) == 7

                await asyncio.gather(*(client() for _ in range(CLIENTS)))
                assert database.connections() <= CONNECTIONS

        asyncio.run(ask())
