"""A page is rendered without a question to the file system: Jinja would ask at each page."""

import os
from typing import Any

import pytest

from shared.pages import TEMPLATES
from tests.contract.apps import RunningApps
from tests.contract.in_process import InProcessClient
from tests.contract.vocabulary import BARE
from tooling.frameworks import find_frameworks


@pytest.fixture(params=find_frameworks(), ids=lambda framework: framework.name)
def client(request: pytest.FixtureRequest, apps: RunningApps) -> InProcessClient:
    return apps.in_process(request.param, BARE)


def test_a_page_does_not_ask_whether_its_templates_have_changed(
    client: InProcessClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert client.request("GET", "/about").status == 200
    asked: list[str] = []
    getmtime = os.path.getmtime

    def noted(path: Any) -> float:
        asked.append(f"{path}")
        return getmtime(path)

    monkeypatch.setattr(os.path, "getmtime", noted)
    assert client.request("GET", "/about").status == 200
    assert [path for path in asked if path.startswith(f"{TEMPLATES}")] == []
