"""Requests that schemathesis generates from the contract's document are answered as it says.

They are valid and invalid ones. The checks are schemathesis' own: the status, the content type and
the body are described, invalid data are refused, and nothing is answered 500.
"""

from itertools import product
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import Case, Response
from schemathesis.generation import GenerationMode
from schemathesis.openapi import from_dict

from shared.openapi import load_openapi
from tests.contract.apps import RunningApps
from tests.contract.client import Client
from tests.contract.vocabulary import BARE
from tests.endurance import COUNTS
from tests.figures import SCHEMATHESIS, attempt
from tooling.frameworks import Framework, find_frameworks

BOTH = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)

# An invalid operation has no `ok`.
OPERATIONS = [o.ok() for o in from_dict(load_openapi()).get_all_operations()]  # type: ignore[union-attr]
WITH_PARAMETERS = list(product((o for o in OPERATIONS if "parameters" in o.definition.raw), BOTH))
WITHOUT = [(o, BOTH[0]) for o in OPERATIONS if "parameters" not in o.definition.raw]
"""Only one request can be generated for each of these."""


@pytest.mark.parametrize("framework", find_frameworks(), ids=lambda framework: framework.name)
def test_generated_requests_are_answered_as_the_document_says(
    framework: Framework, apps: RunningApps
) -> None:
    client = apps.in_process(framework, BARE)
    for operation, mode in (*WITHOUT, *WITH_PARAMETERS):

        @seed(COUNTS.seed)
        @settings(
            max_examples=COUNTS.schemathesis_cases // len(WITH_PARAMETERS),
            database=None,
            deadline=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        )
        @given(operation.as_strategy(generation_mode=mode))
        def check(case: Case[Any]) -> None:
            with attempt(SCHEMATHESIS):
                case.validate_response(answer(client, case))

        check()


def answer(client: Client, case: Case[Any]) -> Response:
    """The app's answer to the generated request."""
    sent = requests.Request(**case.as_transport_kwargs(base_url="http://host.example")).prepare()
    assert sent.method is not None
    got = client.request(sent.method, sent.path_url, list(sent.headers.items()))
    headers: dict[str, list[str]] = {}
    for name, value in got.headers:
        headers.setdefault(name, []).append(value)
    return Response(got.status, headers, got.body, request=sent, elapsed=0.0, verify=False)
