"""LIFE: start-up and shutdown."""

from contextlib import ExitStack, nullcontext

from tests.contract.cases.slow import slowed
from tests.contract.client import Client
from tests.contract.registry import must, part
from tests.contract.vocabulary import ASLEEP, CLOSED, HALF_WAY, OPENED, SLEEPY, Capability
from tests.contract.waiting import eventually
from tests.endurance import COUNTS
from tests.figures import RESTARTS, attempt

IN_FLIGHT = 12
STOPPED = (0, -15)
"""Exit codes. After a shutdown uvicorn raises the signal that it received."""


@must(
    "LIFE-1",
    "The store is opened and closed exactly once, also where the start-up fails half way, and on"
    " SIGTERM every request in flight is answered.",
    Capability.PROCESS,
    Capability.FAULT,
    version=2,
)
def the_store_is_opened_and_closed_once(client: Client) -> None:
    with slowed(client.database, 0.1) if client.store == "postgresql" else nullcontext():
        for _ in range(COUNTS.restarts):
            with attempt(RESTARTS):
                restart(client)


@part(
    "LIFE-1",
    "a start-up that fails",
    Capability.PROCESS,
    Capability.FAULT,
    Capability.DATABASE,
)
def a_failed_start_up_closes_the_store(client: Client) -> None:
    with client.process(CONTRACT_FAULT=HALF_WAY) as (_, process):
        assert process.wait(10) not in STOPPED
        assert (process.log().count(OPENED), process.log().count(CLOSED)) == (1, 1)


def restart(client: Client) -> None:
    """Starts a process and stops it while requests are in flight. All of them are answered."""
    with client.process() as (own, process), ExitStack() as stack:
        begun = [
            stack.enter_context(own.begin("GET", f"/greetings/{SLEEPY}")) for _ in range(IN_FLIGHT)
        ]
        assert eventually(lambda: process.log().count(ASLEEP) == IN_FLIGHT)
        process.terminate()
        assert [request.answer().status for request in begun] == [200] * IN_FLIGHT
        assert process.wait(10) in STOPPED
        assert (process.log().count(OPENED), process.log().count(CLOSED)) == (1, 1)
        assert "Traceback" not in process.log()


@must(
    "LIFE-2",
    "An unknown value of CONNECT_HEADERS stops the start-up with a sentence that names it.",
    Capability.PROCESS,
    version=3,
)
def an_unknown_setting_stops_the_start_up(client: Client) -> None:
    for value in ("Ignore", "TRUST", "off"):
        with client.process(CONNECT_HEADERS=value) as (_, process):
            assert process.wait(10) not in STOPPED
            sentence = f"CONNECT_HEADERS must be trust or ignore, not {value!r}."
            assert sentence in process.log()
