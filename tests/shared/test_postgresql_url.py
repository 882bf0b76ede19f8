"""A parameter that libpq does not take stops the start-up, and is named; no server is needed."""

import asyncio
from pathlib import Path

import pytest

from shared.errors import ConfigurationError
from shared.postgresql_url import parameters
from shared.stores import open_store

SECRET = "s3cret"
PLACE = f"postgresql://ada:{SECRET}@127.0.0.1:1/greetings"


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("statement_cache_size=0", "statement_cache_size"),
        ("sslmode=require&server_settings=x", "server_settings"),
        ("SSLMODE=require", "SSLMODE"),
        ("connect_timeout=soon", "connect_timeout"),
        ("keepalives_idle=1m", "keepalives_idle"),
        ("sslmode=perhaps", "sslmode"),
        ("channel_binding=perhaps", "channel_binding"),
        ("gssencmode=perhaps", "gssencmode"),
        ("target_session_attrs=perhaps", "target_session_attrs"),
        ("ssl_min_protocol_version=SSLv2", "ssl_min_protocol_version"),
        ("sslmode=verify-full&sslrootcert=/nowhere/root.crt", "sslrootcert"),
        ("sslmode=verify-ca&sslrootcert=/nowhere/root.crt", "/nowhere/root.crt"),
        ("service=nowhere", "nowhere"),
        ("port=99999", "port"),
        ("port=1,2,3", "port"),
        ("host=a,b&hostaddr=127.0.0.1", "hostaddr"),
        (f"host={'a' * 70}.example", "host"),
    ],
)
def test_a_parameter_that_cannot_work_stops_the_start_up(
    query: str, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GREETINGS_URL", f"{PLACE}?{query}")
    with pytest.raises(ConfigurationError, match=r"^GREETINGS_URL: ") as refused:
        asyncio.run(open_store())
    assert named in str(refused.value)
    assert SECRET not in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "query",
    [
        "channel_binding=prefer",
        "connect_timeout=3",
        "keepalives_idle=60&keepalives_interval=10&keepalives_count=3",
        "tcp_user_timeout=10000",
        "gssencmode=disable",
        "gssencmode=require",
        "host=127.0.0.1,127.0.0.1&port=1,2",
        "options=-csearch_path%3Dapp",
        "application_name=greetings",
        "target_session_attrs=read-write&load_balance_hosts=random",
        # Without verification libpq does without the file, and so does psql.
        "sslmode=require&sslrootcert=/nowhere/root.crt",
        "ssl=true",
    ],
)
def test_every_parameter_of_psql_is_taken(query: str) -> None:
    assert parameters(f"{PLACE}?{query}")["password"] == SECRET


@pytest.mark.parametrize(
    "query",
    [
        f"password=x&{SECRET}=y",
        f"password=x&{SECRET}",
        f"sslpassword=%zz{SECRET}",
        f"password={SECRET}%",
        f"sslmode={SECRET}%00",
    ],
)
def test_what_may_be_part_of_a_password_is_not_told(query: str) -> None:
    with pytest.raises(ConfigurationError, match="percent-encoded") as refused:
        parameters(f"postgresql://db.example/greetings?{query}")
    assert SECRET not in str(refused.value)


def test_a_service_may_name_what_verifies_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = tmp_path / "services"
    services.write_text("[app]\nsslmode=verify-full\nsslrootcert=/nowhere/root.crt\n")
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    with pytest.raises(ConfigurationError, match=r"/nowhere/root\.crt cannot be read"):
        parameters(f"{PLACE}?service=app")
