"""A prefix with the name of a route: `/greetings/greetings` is the greetings, in either form."""

import pytest

from tests.contract.apps import RunningApps
from tests.contract.in_process import InProcessClient
from tests.contract.vocabulary import SEVEN, Mount
from tooling.frameworks import Framework, find_frameworks

PREFIX = "/greetings"


@pytest.fixture(
    params=[
        Mount("included", PREFIX, root_path=True, client_sends_prefix=True),
        Mount("header, included", PREFIX, base_url=True, client_sends_prefix=True),
    ],
    ids=lambda mount: mount.id,
)
def mount(request: pytest.FixtureRequest) -> Mount:
    found: Mount = request.param
    return found


@pytest.fixture(params=find_frameworks(), ids=lambda framework: framework.name)
def client(request: pytest.FixtureRequest, mount: Mount, apps: RunningApps) -> InProcessClient:
    framework: Framework = request.param
    return apps.in_process(framework, mount)


def test_the_prefix_is_removed_once(client: InProcessClient) -> None:
    assert client.request("GET", "/greetings").json() == SEVEN
    assert client.request("GET", "/greetings/en").json() == {"lang": "en", "text": "Hello"}
    assert client.request("GET", "/").status == 200
