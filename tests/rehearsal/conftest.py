"""One rehearsal for all tests that do not change how it works."""

from collections.abc import Iterator

import pytest

from tests.rehearsal.running import Running, running


@pytest.fixture(scope="session")
def rehearsed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("rehearsal")) as it:
        yield it
