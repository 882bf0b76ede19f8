"""The fixtures of the contract suite, and the parameters of `test_contract`."""

import os
from collections.abc import Iterator

import pytest

from tests.contract.apps import RunningApps
from tests.contract.client import Client
from tests.contract.deployed import deployed_client
from tests.contract.plugin import RESULTS, parts_of_subjects
from tests.contract.report import Result
from tests.contract.subjects import Subject


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if {"subject", "part"} <= set(metafunc.fixturenames):
        pairs = parts_of_subjects(metafunc.config)
        ids = [f"{subject.id}-{part.id}" for subject, part in pairs]
        metafunc.parametrize(("subject", "part"), pairs, ids=ids)


@pytest.fixture
def client(request: pytest.FixtureRequest, subject: Subject, apps: RunningApps) -> Iterator[Client]:
    if subject.server == "deployed":
        url = request.config.getoption("--url")
        with deployed_client(url, subject, os.environ.get("API_KEY")) as client:
            yield client
    else:
        yield apps.client(subject)


@pytest.fixture
def recorded(request: pytest.FixtureRequest) -> list[Result]:
    found: list[Result] = request.config.stash[RESULTS]
    return found
