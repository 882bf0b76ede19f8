"""The store in PostgreSQL and the command that prepares it, on a real server."""

import asyncio
import logging
import os
import socket
from contextlib import aclosing
from urllib.parse import quote

import psycopg
import pytest

from deploy.prepare_database import prepare
from shared import postgresql
from shared.errors import ConfigurationError, UnavailableError
from shared.greetings import FILE, Greeting, read_greetings
from shared.health import Health, check_health
from shared.postgresql import Connection, PoolSettings
from shared.postgresql_greetings import MAX_PAGE, PostgreSQLStore
from tests.contract.waiting import eventually
from tests.shared.databases import PATIENCE, make_db, opened
from tooling.postgresql import Cluster, Database

GREETINGS = read_greetings(FILE)


def test_an_empty_database_is_prepared_and_a_prepared_one_is_left_alone(
    database: Database,
) -> None:
    first = make_db(database.url)
    assert (first.returncode, first.stderr) == (0, "")
    assert "has 7 greetings, 7 of them new." in first.stdout
    assert dict(database.fetch("SELECT lang, text FROM greetings")) == GREETINGS

    database.execute("UPDATE greetings SET text = 'Hi' WHERE lang = 'en'")
    database.execute("DELETE FROM greetings WHERE lang = 'es'")
    database.execute("INSERT INTO greetings VALUES ('fr', 'Bonjour')")
    second = make_db(database.url)
    assert "has 8 greetings, 1 of them new. 1 with another text" in second.stdout
    expected = GREETINGS | {"en": "Hi", "fr": "Bonjour"}
    assert dict(database.fetch("SELECT lang, text FROM greetings")) == expected
    for said in (first, second):
        assert database.password not in said.stdout + said.stderr


def test_two_that_prepare_at_once_both_succeed(database: Database) -> None:
    async def both() -> list[str]:
        preparing = (prepare(database.url, GREETINGS, PoolSettings()) for _ in range(2))
        return await asyncio.gather(*preparing)

    assert all("has 7 greetings" in said for said in asyncio.run(both()))


def test_a_table_that_is_locked_is_not_waited_for_without_end(
    database: Database,
) -> None:
    make_db(database.url)
    cluster = database.cluster
    with psycopg.connect(
        host=str(cluster.directory), port=cluster.port, user="postgres", dbname=database.name
    ) as other:
        other.execute("LOCK TABLE greetings")
        said = make_db(database.url, GREETINGS_QUERY_TIMEOUT="0.5")
    assert said.stderr.endswith("cannot be prepared: it did not answer in time.\n")
    assert said.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "row", ["('e', 'x')", "(E'en\\n', 'x')", "('en_US', 'x')", "('fr', '')", "('fr', NULL)"]
)
def test_the_table_takes_only_what_is_a_greeting(row: str, database: Database) -> None:
    make_db(database.url)
    with pytest.raises(Exception, match="violates"):
        database.execute(f"INSERT INTO greetings VALUES {row}")


def test_a_database_that_cannot_hold_every_script_is_refused(cluster: Cluster) -> None:
    database = cluster.create_database("narrow", encoding="LATIN1")
    said = make_db(database.url)
    assert said.returncode == 1
    assert "stores text as LATIN1" in said.stderr
    assert said.stderr.count("\n") == 1
    database.drop()


def test_a_database_that_cannot_be_had_is_one_sentence_without_the_password(
    cluster: Cluster, database: Database
) -> None:
    user, password = "greeter", "se/cr@t%"
    wrong = database.url.replace(quote(database.password, safe=""), quote(password, safe=""))
    assert wrong != database.url
    server = database.url.rpartition("@")[2].partition("/")[0]
    secret = quote(password, safe="")
    for url in (
        wrong,
        f"postgresql://{user}:{secret}@{server}/nowhere",
        f"postgresql://{user}:{secret}@127.0.0.1:1/greetings",
        f"postgresql://{user}:{secret}@127.0.0.1:99999/greetings",
        f"postgresql://{user}:{secret}@127.0.0.1:port/greetings",
        f"postgresql://{user}:{secret}@nowhere.invalid/greetings",
        f"postgresql://{user}:{password}@{server}/greetings",
        f"postgresql://{user}:{secret}@{server}/greetings?sslmode=perhaps",
        f"postgresql://{user}:{secret}@{'a' * 70}.example/greetings",
        f"mysql://{user}:{secret}@{server}/greetings",
    ):
        said = make_db(url)
        assert said.returncode == 1
        assert said.stderr.startswith("db: ")
        assert said.stderr.count("\n") == 1, said.stderr
        for hidden in (password, secret, "cr@t"):
            assert hidden not in said.stdout + said.stderr


def test_the_password_is_in_no_log_no_error_and_no_repr(
    cluster: Cluster, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    make_db(database.url)
    told = []

    async def ask() -> None:
        async with opened(database.url) as store:
            assert len(await store.all()) == len(GREETINGS)
            told.append(repr(store) + repr(vars(store)))
            cluster.stop("immediate")
            try:
                await store.all()
            except UnavailableError as error:
                told.append(f"{error!r} {error.__cause__!r}")
            finally:
                cluster.start()

    with caplog.at_level(logging.DEBUG):
        asyncio.run(ask())
        for url in (f"{database.url}?sslmode=perhaps", database.url.replace("greetings", "a@b")):
            with pytest.raises(ConfigurationError) as refused:
                asyncio.run(PostgreSQLStore.open(url, PATIENCE))
            told.append(str(refused.value))
    assert "cannot be used" in caplog.text
    assert len(told) == 4
    for hidden in (database.password, quote(database.password, safe="")):
        assert hidden not in caplog.text + "".join(told)


def test_greetings_come_in_the_order_of_their_code_points_in_pages_of_any_number(
    database: Database,
) -> None:
    make_db(database.url)
    database.execute(
        "INSERT INTO greetings SELECT 'x-' || number, 'Hello ' || number"
        f" FROM generate_series(1, {3 * MAX_PAGE}) AS number"
    )
    database.execute("INSERT INTO greetings VALUES ('EN', 'HELLO'), ('en-GB', 'Ay up')")

    async def ask() -> tuple[list[Greeting], list[Greeting]]:
        async with opened(database.url) as store, aclosing(store.each()) as each:
            return await store.all(), [greeting async for greeting in each]

    everything, one_by_one = asyncio.run(ask())
    assert one_by_one == everything
    langs = [greeting.lang for greeting in everything]
    assert langs == sorted(langs)
    assert len(langs) == len(GREETINGS) + 3 * MAX_PAGE + 2


def test_an_empty_table_is_no_error(database: Database) -> None:
    make_db(database.url)
    database.execute("DELETE FROM greetings")

    async def ask() -> None:
        async with opened(database.url) as store:
            assert await store.all() == []
            assert await store.get("en") is None
            assert [greeting async for greeting in store.each()] == []
            await store.check()

    asyncio.run(ask())


def test_a_database_that_was_not_prepared_is_told_with_the_remedy(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    async def ask() -> None:
        async with opened(database.url) as store:
            with pytest.raises(UnavailableError):
                await store.all()
            await prepare(database.url, GREETINGS, PoolSettings())
            assert len(await store.all()) == len(GREETINGS)

    asyncio.run(ask())
    assert (
        'it lacks a table (make db prepares it): relation "greetings" does not exist' in caplog.text
    )


def test_connections_are_opened_when_they_are_needed_and_all_are_closed(
    database: Database,
) -> None:
    make_db(database.url)

    async def ask() -> list[int]:
        async with opened(database.url) as store:
            counted = [await asyncio.to_thread(database.connections)]
            await asyncio.gather(*(store.all() for _ in range(20)))
            counted.append(await asyncio.to_thread(database.connections))
        return counted

    assert asyncio.run(ask()) == [1, PATIENCE.pool_size + 1]
    assert eventually(lambda: database.connections() == 0)  # A backend ends after its client.


def test_neither_a_query_nor_the_end_waits_for_a_database_that_stands_still(
    cluster: Cluster, database: Database
) -> None:
    make_db(database.url)

    async def ask() -> None:
        loop = asyncio.get_running_loop()
        async with opened(database.url) as store:
            await asyncio.gather(store.all(), store.all())
            with cluster.frozen():
                begun = loop.time()
                failed = await asyncio.gather(
                    *(store.all() for _ in range(5)), return_exceptions=True
                )
                assert all(isinstance(error, UnavailableError) for error in failed)
                assert loop.time() - begun < PATIENCE.query_timeout + 1
                begun = loop.time()
                await store.aclose()
                assert loop.time() - begun < PATIENCE.query_timeout + 1

    asyncio.run(ask())
    assert eventually(lambda: database.connections() == 0)  # A backend ends after its client.


def test_the_database_is_not_away_while_every_connection_is_busy(database: Database) -> None:
    make_db(database.url)

    async def ask() -> None:
        async with opened(database.url, PoolSettings(pool_size=2, query_timeout=20.0)) as store:
            query = "SELECT pg_sleep(10)::text, ''"
            busy = [asyncio.create_task(store._connections.fetch(query)) for _ in range(4)]
            await asyncio.sleep(0.1)
            for _ in range(20):
                assert await check_health(store) == Health("ok", "postgresql")
            assert not any(task.done() for task in busy)
            for task in busy:
                task.cancel()
            await asyncio.wait(busy)

    asyncio.run(ask())


def test_with_twice_the_requests_that_the_database_serves_as_many_as_it_serves_succeed(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """A request that waited too long for a connection is refused before it has one."""
    make_db(database.url)
    settings = PoolSettings(pool_size=2, query_timeout=2.0)
    seconds, served = 0.1, 20  # A query, and how many of them two connections serve in a second.

    async def ask() -> int:
        async with opened(database.url, settings) as store:
            query = f"SELECT pg_sleep({seconds})::text, ''"
            asked = []
            for _ in range(2 * served * 6):
                asked.append(asyncio.create_task(store.fetch(query)))
                await asyncio.sleep(1 / (2 * served))
            # Those of the first three seconds have filled the queue.
            answers = await asyncio.gather(*asked, return_exceptions=True)
            late = answers[len(answers) // 2 :]
            assert {type(answer) for answer in late} == {list, UnavailableError}
            return sum(isinstance(answer, list) for answer in late)

    assert asyncio.run(ask()) > 3 * served * 0.6
    assert "cannot be used" not in caplog.text


def test_a_connection_that_is_lost_during_a_query_is_replaced_for_it(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if it was lost after the store has looked at it."""
    make_db(database.url)
    monkeypatch.setattr(Connection, "quiet", lambda self: True)
    monkeypatch.setattr(postgresql, "UNUSED", 60.0)

    async def ask() -> None:
        async with opened(database.url) as store:
            for _ in range(3):
                assert len(await store.all()) == len(GREETINGS)
                await asyncio.to_thread(database.kill_connections)

    asyncio.run(ask())


def test_what_does_not_arrive_is_given_up_before_the_query_times_out(database: Database) -> None:
    make_db(database.url)

    async def ask() -> int:
        async with opened(database.url) as store:
            await store.all()
            connection, _ = store._connections._unused[-1]
            with socket.socket(fileno=os.dup(connection.fileno())) as own:
                return own.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)

    assert asyncio.run(ask()) == 2000 < 1000 * PoolSettings.query_timeout
