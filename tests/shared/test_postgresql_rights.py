"""What `make db` says to a role that may not create the table: PostgreSQL 15's default."""

import re
from collections.abc import Iterator

import pytest

from tests.shared.databases import make_db
from tooling.postgresql import ROLE, Cluster, Database


@pytest.fixture
def foreign(cluster: Cluster) -> Iterator[Database]:
    """A database that belongs to the administrator."""
    cluster.run("CREATE DATABASE theirs ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0")
    database = Database(cluster, "theirs")
    # Older servers let every role create tables.
    database.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    yield database
    database.drop()


def test_the_statement_that_gives_the_right_is_told_and_is_enough(foreign: Database) -> None:
    said = make_db(foreign.url)
    assert (said.returncode, said.stderr.count("\n")) == (1, 1)
    found = re.search(r"an administrator has to run (GRANT .*)\.$", said.stderr)
    assert found, said.stderr
    assert found[1] == f'GRANT CREATE ON SCHEMA "public" TO "{ROLE}"'
    foreign.execute(found[1])
    assert "7 of them new" in make_db(foreign.url).stdout


def test_a_table_that_is_there_needs_no_right_to_create_it(foreign: Database) -> None:
    foreign.execute("CREATE TABLE greetings (lang text PRIMARY KEY, text text NOT NULL)")
    said = make_db(foreign.url)
    grant = f'GRANT SELECT, INSERT ON greetings TO "{ROLE}"'
    assert said.stderr.endswith(f"an administrator has to run {grant}.\n")
    foreign.execute(grant)
    assert "7 of them new" in make_db(foreign.url).stdout
