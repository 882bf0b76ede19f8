"""The apps in this process."""

import pytest

from tests.contract.apps import RunningApps
from tests.contract.vocabulary import BARE
from tests.differential.asking import App
from tooling.frameworks import find_frameworks


@pytest.fixture(scope="session")
def running(apps: RunningApps) -> list[App]:
    return [App.of(each, apps.in_process(each, BARE).app) for each in find_frameworks()]
