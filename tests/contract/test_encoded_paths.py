"""Paths of static files whose names need percent-encoding; no file there has such a name."""

from pathlib import Path

import pytest

from shared import pages
from tests.contract.apps import RunningApps
from tests.contract.in_process import InProcessClient
from tests.contract.vocabulary import BARE
from tooling.frameworks import find_frameworks


@pytest.fixture(params=find_frameworks(), ids=lambda framework: framework.name)
def client(request: pytest.FixtureRequest, apps: RunningApps) -> InProcessClient:
    return apps.in_process(request.param, BARE)


def test_the_path_of_a_file_is_decoded_before_the_file_is_looked_for(
    client: InProcessClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def static_file(path: str) -> Path | None:
        asked.append(path)
        return None

    monkeypatch.setattr(pages, "static_file", static_file)
    assert client.request("GET", "/static/a%20b/%C3%A9.css").status == 404
    assert asked == ["a b/é.css"]
