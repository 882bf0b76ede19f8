"""Which store is opened, and what is said where none can be."""

import asyncio
import subprocess
import sys

import pytest

from shared.errors import ConfigurationError
from shared.postgresql import PoolSettings
from shared.postgresql_url import address
from shared.stores import open_store
from tooling.frameworks import ROOT, Framework, find_frameworks


@pytest.mark.parametrize("framework", find_frameworks(), ids=lambda framework: framework.name)
def test_without_a_database_its_driver_is_not_loaded(framework: Framework) -> None:
    module, _, attribute = framework.entrypoint.partition(":")
    code = f"""
import asyncio, sys
from {module} import {attribute} as app

async def main():
    events = asyncio.Queue()
    for event in ("startup", "shutdown"):
        events.put_nowait({{"type": f"lifespan.{{event}}"}})
    answers = []
    async def send(message):
        answers.append(message["type"])
    await app({{"type": "lifespan", "asgi": {{"version": "3.0"}}, "state": {{}}}}, events.get, send)
    assert answers == ["lifespan.startup.complete", "lifespan.shutdown.complete"], answers

asyncio.run(main())
sys.exit("psycopg" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={"PATH": ""}, check=True)


def test_an_address_of_another_kind_is_refused_without_being_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GREETINGS_URL", "postgre://ada:secret@db.example/greetings")
    with pytest.raises(ConfigurationError, match="must begin with postgresql://") as refused:
        asyncio.run(open_store())
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
def test_without_the_driver_the_start_up_says_what_to_install(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GREETINGS_URL", f"{scheme}://db.example/greetings")
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.delitem(sys.modules, "shared.postgresql")
    with pytest.raises(ConfigurationError, match=r"needs the package psycopg.*STORE=postgres"):
        asyncio.run(open_store())


def test_a_database_that_does_not_answer_stops_no_start_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREETINGS_URL", "postgresql://127.0.0.1:1/greetings")

    async def kind() -> str:
        store = await open_store()
        try:
            return store.kind
        finally:
            await store.aclose()

    assert asyncio.run(kind()) == "postgresql"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("GREETINGS_POOL_SIZE", value) for value in ("0", "-1", "1001", "2.5", "many", " ")),
        *(("GREETINGS_CONNECT_TIMEOUT", value) for value in ("0", "nan", "inf", "-1", "1s")),
        *(("GREETINGS_QUERY_TIMEOUT", value) for value in ("0.01", "3601", "soon")),
    ],
)
def test_a_setting_out_of_its_range_is_named(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=f"{name} must be"):
        PoolSettings.from_environment()


def test_settings_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert PoolSettings.from_environment() == PoolSettings(5, 2.0, 5.0)
    monkeypatch.setenv("GREETINGS_POOL_SIZE", "7")
    monkeypatch.setenv("GREETINGS_CONNECT_TIMEOUT", "1")
    monkeypatch.setenv("GREETINGS_QUERY_TIMEOUT", "2.5")
    assert PoolSettings.from_environment() == PoolSettings(7, 1.0, 2.5)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://ada:secret@db.example:6432/greetings", "db.example:6432/greetings"),
        ("postgres://ada:sec%40ret@db.example/greetings", "db.example/greetings"),
        ("postgresql://db.example/greetings?user=ada&password=secret", "db.example/greetings"),
        ("postgresql://ada:secret@/greetings?host=/run/postgresql", "/greetings"),
    ],
)
def test_a_database_is_named_without_its_user_and_password(url: str, expected: str) -> None:
    assert address(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ada:se@cret@db.example/greetings",
        "postgresql://ada:1/secret@db.example/greetings",
        "postgresql://ada:1?secret@db.example/greetings",
        "postgresql://ada:1#secret@db.example/greetings",
        "postgresql://ada:sec[ret@db.example/greetings",
        "mysql://ada:secret@db.example/greetings",
    ],
)
def test_a_password_with_characters_that_end_it_is_refused_and_not_told(url: str) -> None:
    with pytest.raises(ConfigurationError, match="percent-encoded") as refused:
        address(url)
    assert "secret" not in str(refused.value)
    assert "cret" not in str(refused.value)
