"""A parameter that libpq does not take stops the start-up, and is named; no server is needed."""

import asyncio
import os
from pathlib import Path
from typing import Any

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
        # The names in a URL may be encoded too, and libpq takes this one for JDBC's sake.
        ("ssl=true&server%5Fsettings=x", "server_settings"),
        ("connect_timeout=soon", "connect_timeout"),
        ("keepalives=yes", "keepalives"),
        ("keepalives_count=1.5", "keepalives_count"),
        ("keepalives_idle=1m", "keepalives_idle"),
        ("keepalives_interval=1m", "keepalives_interval"),
        ("tcp_user_timeout=1m", "tcp_user_timeout"),
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
        ("sslmode=require&application_name=greetings@host", "the @ in application_name"),
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


def test_what_libpq_says_is_told_as_one_sentence() -> None:
    with pytest.raises(ConfigurationError) as refused:
        parameters(f"{PLACE}?sslmode=perhaps")
    assert str(refused.value) == 'GREETINGS_URL: invalid sslmode value: "perhaps".'


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
        "host=a,b&hostaddr=127.0.0.1,127.0.0.2&port=1,2",
        # A label of a host name has at most 63 characters, a path may have more.
        f"host={'a' * 60},{'b' * 60}",
        f"host=/{'a' * 70}",
        "options=-csearch_path%3Dapp",
        "application_name=greetings",
        "target_session_attrs=read-write&load_balance_hosts=random",
        # Without verification libpq does without the file, and so does psql.
        "sslmode=require&sslrootcert=/nowhere/root.crt",
        "sslmode=verify-full&sslrootcert=system",
        # TLS is not used on a Unix socket, which may be an abstract one.
        "sslmode=verify-full&sslrootcert=/nowhere/root.crt&host=/run/postgresql",
        "sslmode=verify-full&sslrootcert=/nowhere/root.crt&host=%40postgresql",
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
        "password=x&hush=y",
        f"{SECRET}=y",
        f"application_name={SECRET}%FF",
        f"sslpassword=%zz{SECRET}",
        f"password={SECRET}%",
        f"sslmode={SECRET}%00",
        f"{SECRET}=a@b",
        f"{SECRET}@b",
    ],
)
def test_what_may_be_part_of_a_password_is_not_told(query: str) -> None:
    with pytest.raises(ConfigurationError, match="percent-encoded") as refused:
        parameters(f"postgresql://db.example/greetings?{query}")
    assert SECRET not in str(refused.value)


def test_a_second_at_sign_may_begin_the_rest_of_a_password() -> None:
    with pytest.raises(ConfigurationError, match="percent-encoded") as refused:
        parameters(f"postgresql://ada:x@{SECRET}@db.example/greetings")
    assert SECRET not in str(refused.value)


def test_addresses_need_no_host_names() -> None:
    url = "postgresql:///greetings?hostaddr=127.0.0.1,127.0.0.2&port=1,2"
    assert parameters(url)["hostaddr"] == "127.0.0.1,127.0.0.2"


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A service file, which is still to be written."""
    file = tmp_path / "services"
    monkeypatch.setenv("PGSERVICEFILE", str(file))
    return file


def test_the_hosts_of_a_service_are_among_the_parameters(services: Path) -> None:
    place = {
        "host": "a.example,b.example",
        "hostaddr": "127.0.0.1,127.0.0.2",
        "port": "1,2",
        "connect_timeout": "3",
    }
    lines = [f"{name}={value}" for name, value in place.items()]
    services.write_text("\n".join(["[app]", *lines, "application_name=greetings", ""]))
    assert parameters("postgresql:///?service=app") == {"service": "app", **place}


def test_a_host_of_the_url_comes_before_that_of_a_service(services: Path) -> None:
    services.write_text("[app]\nhost=a.example\n")
    assert parameters("postgresql://db.example/?service=app")["host"] == "db.example"


def test_a_service_file_need_not_be_utf8(services: Path) -> None:
    services.write_text("[app]\napplication_name=caf\xe9\n", encoding="latin-1")
    assert parameters(f"{PLACE}?service=app")["password"] == SECRET
    services.write_text("[app]\nhost=caf\xe9\n", encoding="latin-1")
    with pytest.raises(ConfigurationError, match="host is not a host name"):
        parameters("postgresql:///?service=app")


def test_without_a_host_no_certificate_is_needed() -> None:
    """The default is a Unix socket."""
    unverified = "postgresql:///db?sslmode=verify-full&sslrootcert=/nowhere/root.crt"
    assert parameters(unverified)["dbname"] == "db"
    with pytest.raises(ConfigurationError, match="sslrootcert"):
        parameters(f"{unverified}&hostaddr=127.0.0.1")


def test_the_certificate_of_an_authority_may_be_at_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ConfigurationError, match=f"{tmp_path}.*cannot be read"):
        parameters(f"{PLACE}?sslmode=verify-full")
    (tmp_path / ".postgresql").mkdir()
    (tmp_path / ".postgresql" / "root.crt").touch()
    assert parameters(f"{PLACE}?sslmode=verify-full")["sslmode"] == "verify-full"


@pytest.fixture
def closed_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home where this process may not look for a certificate, though it may be root."""
    certificate = f"{tmp_path}/.postgresql/postgresql.crt"
    stat = os.stat

    def refused(path: Any, *arguments: Any, **more: Any) -> os.stat_result:
        if path == certificate:
            raise PermissionError(path)
        return stat(path, *arguments, **more)

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(os, "stat", refused)


@pytest.mark.usefixtures("closed_home")
@pytest.mark.parametrize(
    ("query", "mode"),
    [
        ("", "disable"),
        ("?sslcertmode=allow", "allow"),
        ("?sslcert=/nowhere/client.crt", None),
    ],
)
def test_no_certificate_is_looked_for_in_a_home_that_cannot_be_read(
    query: str, mode: str | None
) -> None:
    assert parameters(f"{PLACE}{query}").get("sslcertmode") == mode


def test_a_certificate_is_looked_for_in_a_home_that_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert "sslcertmode" not in parameters(PLACE)


def test_a_service_may_name_what_verifies_the_server(services: Path) -> None:
    services.write_text("[app]\nsslmode=verify-full\nsslrootcert=/nowhere/root.crt\n")
    with pytest.raises(ConfigurationError, match=r"/nowhere/root\.crt cannot be read"):
        parameters(f"{PLACE}?service=app")
