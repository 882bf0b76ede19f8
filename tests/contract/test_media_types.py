"""PAGES-13 on a system whose table of media types has other entries."""

import mimetypes
from collections.abc import Iterator

import pytest

from tests.contract.apps import RunningApps
from tests.contract.cases.pages import a_file_has_a_fixed_media_type
from tests.contract.in_process import InProcessClient
from tests.contract.vocabulary import BARE
from tooling.frameworks import find_frameworks


@pytest.fixture(params=find_frameworks(), ids=lambda framework: framework.name)
def client(request: pytest.FixtureRequest, apps: RunningApps) -> InProcessClient:
    return apps.in_process(request.param, BARE)


@pytest.fixture
def other_table() -> Iterator[None]:
    for ending in (".css", ".js", ".svg", ""):
        mimetypes.add_type("text/x-of-the-system", ending)
    yield
    mimetypes.init()


@pytest.mark.usefixtures("other_table")
def test_a_media_type_does_not_depend_on_the_system(client: InProcessClient) -> None:
    assert mimetypes.guess_type("styles.css")[0] == "text/x-of-the-system"
    a_file_has_a_fixed_media_type(client)
