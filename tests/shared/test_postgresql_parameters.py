"""What libpq reads from a URL, files and the environment, on a real server."""

import asyncio
from pathlib import Path
from urllib.parse import quote

import pytest

from shared.greetings import UnavailableError
from tests.shared.databases import count, make_db, opened
from tooling.postgresql import ROLE, Cluster, Database


@pytest.mark.parametrize(
    "query",
    [
        "channel_binding=prefer",
        "connect_timeout=10",
        "keepalives_idle=60&keepalives_interval=10&keepalives_count=3",
        "gssencmode=disable",
        "application_name=greetings",
        "target_session_attrs=read-write",
    ],
)
def test_a_parameter_of_psql_works(query: str, prepared: Database) -> None:
    assert asyncio.run(count(f"{prepared.url}?{query}")) == 7


def test_options_select_the_schema(database: Database) -> None:
    database.execute(f"CREATE SCHEMA app AUTHORIZATION {ROLE}")
    url = f"{database.url}?options=-csearch_path%3Dapp"
    assert make_db(url).returncode == 0
    assert database.fetch("SELECT count(*) FROM app.greetings") == [(7,)]
    assert asyncio.run(count(url)) == 7


def test_a_unix_socket_works(cluster: Cluster, prepared: Database) -> None:
    user = f"{ROLE}:{quote(prepared.password, safe='')}"
    folder = quote(str(cluster.directory), safe="")
    for url in (
        f"postgresql://{user}@/prepared?host={cluster.directory}&port={cluster.port}",
        f"postgresql://{user}@{folder}:{cluster.port}/prepared",
    ):
        assert asyncio.run(count(url)) == 7


def test_the_password_may_be_in_a_password_file(
    prepared: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = prepared.cluster.port
    url = f"postgresql://{ROLE}@127.0.0.1:{port}/prepared"
    with pytest.raises(UnavailableError):
        asyncio.run(count(url))
    file = tmp_path / "passwords"
    file.write_text(f"127.0.0.1:{port}:*:{ROLE}:{prepared.password}\n")
    file.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(file))
    assert asyncio.run(count(url)) == 7


def test_everything_may_be_in_a_service_file(
    prepared: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = f"host=127.0.0.1\nport={prepared.cluster.port}\ndbname=prepared"
    file = tmp_path / "services"
    file.write_text(f"[app]\n{place}\nuser={ROLE}\npassword={prepared.password}\n")
    monkeypatch.setenv("PGSERVICEFILE", str(file))
    assert asyncio.run(count("postgresql:///?service=app")) == 7


def test_a_query_runs_without_prepared_statements(prepared: Database) -> None:
    async def statements() -> int:
        async with opened(prepared.url) as store:
            for _ in range(20):
                await store.get("en")
            connection, _ = store._unused[-1]
            cursor = await connection.execute("SELECT name, '' FROM pg_prepared_statements")
            return len(await cursor.fetchall())

    assert asyncio.run(statements()) == 0
