"""HEALTH: whether the application can do its work, for whoever watches it."""

import time

from tests.contract.cases import expect
from tests.contract.client import Client
from tests.contract.registry import must
from tests.contract.vocabulary import NOT_ALLOWED, Capability, Request

BOUND = 1.0
"""Seconds, of the contract."""


@must(
    "HEALTH-1",
    "GET /health tells whether the store answers, 200 or 503, within a second.",
    version=2,
)
def health_reports_the_store(client: Client) -> None:
    stores = [client.store] if client.store else ["json", "postgresql"]
    answer = client.request("GET", "/health")
    assert expect.json_of(answer) in [{"status": "ok", "store": store} for store in stores]
    head = client.request("HEAD", "/health")
    assert (head.status, head.body) == (200, b"")
    assert expect.headers_of(head) == expect.headers_of(answer)
    for method in NOT_ALLOWED:
        expect.problem(
            client.request(method, "/health"), 405, "This address does not take that method."
        )

    if Capability.DATABASE in client.capabilities:
        cluster = client.database.cluster
        with cluster.frozen():
            for timed in client.together([Request("GET", "/health")] * 3):
                expect.problem(timed.answer, 503, expect.UNAVAILABLE)
                assert timed.seconds < BOUND
        cluster.stop()
        try:
            begun = time.monotonic()
            expect.unavailable(client, "/health")
            assert time.monotonic() - begun < BOUND
        finally:
            cluster.start()
        answer = client.request("GET", "/health")
        assert expect.json_of(answer) == {"status": "ok", "store": "postgresql"}
