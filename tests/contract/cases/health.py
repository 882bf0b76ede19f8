"""HEALTH: whether the application and its store work."""

import time
from contextlib import ExitStack

from tests.contract.cases import expect
from tests.contract.cases.slow import slowed
from tests.contract.client import Client
from tests.contract.registry import must, part
from tests.contract.vocabulary import NOT_ALLOWED, Capability, Request
from tests.contract.waiting import eventually

BOUND = 1.0
"""The seconds within which the contract requires an answer."""

BUSY = 50
"""Streams that wait for the database: many more than there are connections."""


@must(
    "HEALTH-1",
    "GET /health tells whether the store answers, 200 or 503, within a second.",
    version=2,
)
def health_reports_the_store(client: Client) -> None:
    stores = [client.store] if client.store else ["json", "postgresql"]
    answer = expect.head_like_get(client, "/health")
    assert expect.json_of(answer) in [{"status": "ok", "store": store} for store in stores]
    for method in NOT_ALLOWED:
        expect.method_not_allowed(client, method, "/health")


@part("HEALTH-1", "without the database", Capability.DATABASE)
def health_reports_that_the_database_is_unavailable(client: Client) -> None:
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


@part("HEALTH-1", "while every connection is busy", Capability.DATABASE)
def health_does_not_call_a_busy_database_unavailable(client: Client) -> None:
    """A load balancer would end a process that only has much to do."""
    with slowed(client.database, 1.0), ExitStack() as stack:
        for _ in range(BUSY):
            stack.enter_context(client.begin("GET", "/greetings/stream"))
        assert eventually(lambda: client.database.active() > 1)
        for timed in client.together([Request("GET", "/health")] * 10):
            assert expect.json_of(timed.answer) == {"status": "ok", "store": "postgresql"}
            assert timed.seconds < BOUND
