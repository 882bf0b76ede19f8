"""Databases for the tests of the store in PostgreSQL."""

from collections.abc import Iterator

import pytest

from tooling.postgresql import Cluster, Database


@pytest.fixture
def database(cluster: Cluster) -> Iterator[Database]:
    """An empty database."""
    database = cluster.create_database("greetings")
    yield database
    database.drop()


@pytest.fixture(scope="module")
def prepared(cluster: Cluster) -> Iterator[Database]:
    """A database with the greetings in it, which the tests of the module only read."""
    database = cluster.create_database("prepared")
    database.prepare()
    yield database
    database.drop()
