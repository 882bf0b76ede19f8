"""The four apps in this process, and what the generated requests have shown."""

from collections import Counter

import pytest

from tests.contract.apps import RunningApps
from tests.contract.vocabulary import BARE
from tests.differential.asking import App
from tooling.frameworks import find_frameworks


@pytest.fixture(scope="session")
def running(apps: RunningApps) -> list[App]:
    return [App.of(each, apps.in_process(each, BARE).app) for each in find_frameworks()]


@pytest.fixture(scope="session")
def occurred() -> Counter[str]:
    """How often each named difference has occurred."""
    return Counter()
