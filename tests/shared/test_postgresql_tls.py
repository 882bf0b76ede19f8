"""sslmode on a server with TLS and on one without."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import trustme

from shared.greetings import UnavailableError
from tests.shared.databases import count, opened
from tooling.postgresql import Cluster, Database

UNPRIVILEGED = 65534


@pytest.fixture(scope="module")
def root_certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("authority") / "root.crt"


@pytest.fixture(scope="module")
def with_tls(root_certificate: Path) -> Iterator[Database]:
    """A prepared database on a server that offers TLS, with a certificate for 127.0.0.1."""
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(root_certificate)
    with Cluster() as cluster:
        owner = cluster.directory.stat()
        key, chain = cluster.directory / "server.key", cluster.directory / "server.crt"
        certificate.private_key_pem.write_to_path(key)
        certificate.cert_chain_pems[0].write_to_path(chain)
        key.chmod(0o600)
        for file in (key, chain):
            os.chown(file, owner.st_uid, owner.st_gid)
        try:
            cluster.run("ALTER SYSTEM SET ssl = on")
        except psycopg.Error as error:
            pytest.skip(f"This PostgreSQL has no TLS: {error}")
        cluster.run(f"ALTER SYSTEM SET ssl_key_file = '{key}'")
        cluster.run(f"ALTER SYSTEM SET ssl_cert_file = '{chain}'")
        cluster.restart()
        database = cluster.create_database("prepared")
        database.prepare()
        yield database


def test_a_connection_is_encrypted_and_verified(with_tls: Database, root_certificate: Path) -> None:
    async def encrypted(url: str) -> bool:
        async with opened(url) as store:
            assert len(await store.all()) == 7
            connection, _ = store._unused[-1]
            return connection.pgconn.ssl_in_use

    for query in ("sslmode=require", f"sslmode=verify-full&sslrootcert={root_certificate}"):
        assert asyncio.run(encrypted(f"{with_tls.url}?{query}"))


def test_another_authority_or_another_name_is_refused(
    with_tls: Database,
    root_certificate: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    other = tmp_path / "other.crt"
    trustme.CA().cert_pem.write_to_path(other)
    named = with_tls.url.replace("127.0.0.1", "localhost")
    for url in (
        f"{with_tls.url}?sslmode=verify-full&sslrootcert={other}",
        f"{named}?sslmode=verify-full&sslrootcert={root_certificate}",
    ):
        with pytest.raises(UnavailableError):
            asyncio.run(count(url))
    assert "certificate verify failed" in caplog.text
    assert 'does not match host name "localhost"' in caplog.text
    assert with_tls.password not in caplog.text


def test_without_tls_a_server_is_not_used_where_it_is_required(
    prepared: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = tmp_path / "root.crt"
    trustme.CA().cert_pem.write_to_path(root)
    for query in ("sslmode=require", f"sslmode=verify-full&sslrootcert={root}"):
        caplog.clear()
        with pytest.raises(UnavailableError):
            asyncio.run(count(f"{prepared.url}?{query}"))
        assert "server does not support SSL, but SSL was required" in caplog.text
    assert asyncio.run(count(f"{prepared.url}?sslmode=prefer")) == 7


@contextmanager
def unprivileged() -> Iterator[None]:
    """Another user for this process, if it is root, whom no permission stops."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(UNPRIVILEGED)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_home_that_cannot_be_read_is_not_needed(
    with_tls: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0)
    monkeypatch.setenv("HOME", str(home))
    tmp_path.chmod(0o755)
    for query in ("", "?sslmode=require"):
        with unprivileged():
            with pytest.raises(PermissionError):
                os.stat(home / ".postgresql")
            assert asyncio.run(count(f"{with_tls.url}{query}")) == 7
