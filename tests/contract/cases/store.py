"""STORE: greetings from PostgreSQL, and the loss of the database."""

import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from threading import Event

import pytest

from tests.contract.cases import expect
from tests.contract.cases.slow import Slow, slowed
from tests.contract.client import Client
from tests.contract.registry import CASES, must, part, should
from tests.contract.servers import ServerProcess
from tests.contract.vocabulary import (
    AWAY,
    SEVEN,
    Capability,
    Request,
    Timed,
    TimeoutFailure,
)
from tests.contract.waiting import eventually
from tests.endurance import COUNTS
from tests.figures import HANG_UPS, attempt

LIST = Request("GET", "/greetings")

POOL_SIZE = 5
"""The default number of connections of one process."""

TEXTS = (
    "Grüß Gott",
    "Здравствуйте",
    "שָׁלוֹם",
    "ሰላም",
    "ਸਤ ਸ੍ਰੀ ਅਕਾਲ",
    "안녕하세요",
    "ᓴᐃᓐ ᐊᖏᖅ",
    "𓀀𒀀𝄞",
    "👩‍👩‍👧‍👦",
    "e\u0301 is not \u00e9",
    "\u202eolleH\u202c",
    "\u200b\u2060\ufeff",
    "\ue000\ufffe\U0010ffff",
    "'; DROP TABLE greetings; --",
    '"\\"',
    "<script>&amp;",
    "{{7*7}}",
    "%s %00 $1",
    "NULL",
    "a\nb\r\nc\td",
    "\x01\x1b[31m\x7f",
    " leading and trailing ",
    "long " * 20_000,
)


@must("STORE-1", "With PostgreSQL every case of version 1 passes.", Capability.DATABASE, version=2)
def version_1_holds_with_postgresql(client: Client) -> None:
    assert expect.json_of(client.request("GET", "/health")) == {
        "status": "ok",
        "store": "postgresql",
    }
    first = [c for c in CASES.values() if c.version == 1 and c.main.needs <= client.capabilities]
    assert {c.id for c in first} >= {"GREETINGS-1", "HELLO-1", "PAGES-1", "DOCS-3"}
    for case in first:
        if case.id in client.waived:
            with pytest.raises(AssertionError):
                case.check(client)
        else:
            case.check(client)


@must(
    "STORE-2",
    "A change in the table is seen by the next request, and any text comes back exactly.",
    Capability.DATABASE,
    version=2,
)
def a_change_is_seen_by_the_next_request(client: Client) -> None:
    database = client.database
    assert client.request("GET", "/greetings/en").json()["text"] == "Hello"
    try:
        database.execute("UPDATE greetings SET text = 'Hi' WHERE lang = 'en'")
        found = expect.json_of(client.request("GET", "/greetings/en"))
        assert found == {"lang": "en", "text": "Hi"}
    finally:
        database.execute("UPDATE greetings SET text = 'Hello' WHERE lang = 'en'")
    assert expect.json_of(client.request("GET", "/greetings")) == SEVEN


@part("STORE-2", "any text", Capability.DATABASE)
def any_text_comes_back_exactly(client: Client) -> None:
    database = client.database
    added = {f"x-text-{number}": text for number, text in enumerate(TEXTS)}
    try:
        for lang, text in added.items():
            quoted = text.replace("'", "''")
            database.execute(f"INSERT INTO greetings VALUES ('{lang}', '{quoted}')")
            found = expect.json_of(client.request("GET", f"/greetings/{lang}"))
            assert found == {"lang": lang, "text": text}
        everything = [*SEVEN, *({"lang": lang, "text": text} for lang, text in added.items())]
        everything.sort(key=lambda greeting: greeting["lang"])
        assert expect.json_of(client.request("GET", "/greetings")) == everything
    finally:
        database.execute("DELETE FROM greetings WHERE lang LIKE 'x-text-%'")
    assert expect.json_of(client.request("GET", "/greetings")) == SEVEN


@must(
    "STORE-3",
    "Requests wait for the database side by side: N of them, on P connections of which each takes"
    " D for a query, are answered within 1.25 x ceil(N/P) x D.",
    Capability.DATABASE,
    version=2,
)
def queries_run_side_by_side(client: Client) -> None:
    number, delay = 4 * POOL_SIZE, 1.0
    rounds = math.ceil(number / POOL_SIZE)
    client.together([LIST] * POOL_SIZE)
    with slowed(client.database, delay):
        # The first time connections may have to be opened, which takes long on a busy machine.
        for _ in range(3):
            answers = client.together([LIST] * number)
            assert all(expect.json_of(timed.answer) == SEVEN for timed in answers)
            took = max(timed.seconds for timed in answers)
            assert rounds * delay <= took
            if took <= 1.25 * rounds * delay or took > 2.5 * rounds * delay:
                break  # Twice as long is not the machine's doing.
    client.observe(f"{took / (rounds * delay):.2f} x ceil(N/P) x D")
    assert took <= 1.25 * rounds * delay


@must(
    "STORE-4",
    "With the database down the app starts and says so in its log; greetings are answered 503"
    " with Retry-After, everything else works, and within 2 s of its return they are there again.",
    Capability.DATABASE,
    Capability.PROCESS,
    version=2,
)
def the_app_starts_without_its_database(client: Client) -> None:
    cluster = client.database.cluster
    with ExitStack() as stack:
        cluster.stop()
        try:
            own, process = stack.enter_context(client.process())
            assert running(process), process.log()
            for target in ("/greetings", "/greetings/en", "/greetings/stream", "/health"):
                expect.unavailable(own, target)
            for target in ("/", "/about", "/docs", "/openapi.json", "/static/styles.css", "/hello"):
                assert own.request("GET", target).status == 200
            expect.problem(
                own.request("GET", "/greetings/e"),
                422,
                "lang must be a language tag, such as en or zh-Hant.",
            )
            assert process.log().count("PostgreSQL at 127.0.0.1") == 1
            assert "cannot be used" in process.log()
        finally:
            cluster.start()
        assert eventually(lambda: own.repeatedly().request("GET", "/greetings").status == 200, 2.0)
        assert expect.json_of(own.request("GET", "/greetings")) == SEVEN
        assert "can be used again" in process.log()


@part("STORE-4", "a greeting that cannot be had", Capability.FAULT)
def a_store_that_does_not_answer_is_a_problem(client: Client) -> None:
    expect.unavailable(client, f"/greetings/{AWAY}")
    assert client.request("GET", "/greetings/en").status == 200


def running(process: ServerProcess) -> bool:
    try:
        process.wait(0)
    except TimeoutFailure:
        return True
    return False


QUERY_TIMEOUT = 2.0


@must(
    "STORE-5",
    "A database that is stopped, restarted, frozen or that loses its connections under load is"
    " answered 503 within the query timeout and a second, comes back within 2 s, and no"
    " connection is left over.",
    Capability.DATABASE,
    Capability.PROCESS,
    version=2,
)
def the_app_recovers_from_a_lost_database(client: Client) -> None:
    database, cluster = client.database, client.database.cluster
    settings = {"GREETINGS_QUERY_TIMEOUT": str(QUERY_TIMEOUT), "GREETINGS_CONNECT_TIMEOUT": "1"}
    before = database.connections()
    with client.process(**settings) as (own, _):

        def lost(meanwhile: Callable[[], None]) -> None:
            """The database is lost and returns while requests are sent."""
            with load(own) as answers:
                assert eventually(lambda: len(answers) > 10)
                meanwhile()
                back = len(answers)
                answered = lambda: any(t.answer.status == 200 for t in answers[back:])  # noqa: E731
                assert eventually(answered, 2.0)
            statuses = {timed.answer.status for timed in answers}
            # Not 503 where only connections are lost: a query is repeated on another one.
            assert {200} <= statuses <= {200, 503}
            assert max(timed.seconds for timed in answers) < QUERY_TIMEOUT + 1

        def killed() -> None:
            for _ in range(3):
                time.sleep(0.1)
                database.kill_connections()

        def stopped() -> None:
            cluster.stop("immediate")
            time.sleep(0.2)
            cluster.start()

        def frozen() -> None:
            with cluster.frozen():
                # Longer than an answer may take: an app that waits for the database fails the case.
                time.sleep(QUERY_TIMEOUT + 1.2)

        # Slowed, so that queries run at that moment.
        with slowed(database, 0.02):
            lost(killed)
            lost(frozen)
        for meanwhile in (cluster.restart, stopped):
            lost(meanwhile)
        # The shared processes have lost their connections too.
        assert database.connections() <= POOL_SIZE + 1 + before
        with slowed(database, 0) as slow:
            assert whole(own, slow)


@contextmanager
def load(client: Client) -> Iterator[list[Timed]]:
    """Sends twice as many requests at once as there are connections, repeatedly.

    Yields the list of the answers, which grows.
    """
    answers: list[Timed] = []
    enough = Event()

    def request() -> None:
        while not enough.is_set():
            answers.extend(client.together([LIST] * 2 * POOL_SIZE))

    with ThreadPoolExecutor(1) as executor:
        running = executor.submit(request)
        try:
            yield answers
        finally:
            enough.set()
            running.result()


def whole(client: Client, slow: Slow) -> bool:
    """Whether as many queries as the pool has connections still run at the same time.

    The database counts them. On a busy machine the queries may not overlap, so that they take
    longer in the next round; a connection that is lost is missing in every round.
    """
    return any(side_by_side(client, slow, delay) for delay in (0.3, 1.2, 4.8))


def side_by_side(client: Client, slow: Slow, delay: float) -> bool:
    slow.sleep(delay)
    with ThreadPoolExecutor(1) as executor:
        answers = executor.submit(client.together, [LIST] * POOL_SIZE)
        assert eventually(lambda: answers.done() or client.database.active() >= POOL_SIZE)
        found = not answers.done()
        assert all(timed.answer.status == 200 for timed in answers.result())
    return found


@must(
    "STORE-6",
    "Clients that hang up during their query cost the pool no connection.",
    Capability.DATABASE,
    version=2,
)
def a_client_that_hangs_up_releases_its_connection(client: Client) -> None:
    with attempt(HANG_UPS, COUNTS.hang_ups):
        hang_up(client, COUNTS.hang_ups // 100)


def hang_up(client: Client, rounds: int) -> None:
    """In each round 100 clients leave during their query. No connection is lost in all of them."""
    asked = 0
    with slowed(client.database, 0.03) as slow, ExitStack() as stack:
        for _ in range(rounds):
            begun = [stack.enter_context(client.begin("GET", "/greetings")) for _ in range(100)]
            asked += eventually(lambda: client.database.active() > 0, 1.0)
            for request in begun:
                request.hang_up()
        assert asked
        # Requests wait for a connection in order: after this one no earlier request waits. A
        # request that waits longer than the query timeout is answered 503.
        polling = client.repeatedly()
        assert eventually(lambda: polling.request("GET", "/greetings").status == 200, 60)
        assert eventually(lambda: not any(client.database.active() for _ in range(10)))
        # Checked before `slowed` kills the connections: the pool replaces those.
        assert whole(client, slow)
    assert expect.json_of(client.request("GET", "/greetings")) == SEVEN


@should(
    "STORE-7",
    "The query of a client that has hung up is ended in the database.",
    Capability.DATABASE,
    version=2,
)
def the_query_of_a_client_that_hung_up_is_cancelled(client: Client) -> None:
    with slowed(client.database, 30):
        with client.begin("GET", "/greetings") as request:
            assert eventually(lambda: client.database.active() > 0)
            request.hang_up()
        ended = eventually(lambda: client.database.active() == 0, 1.0)
    client.observe("ended" if ended else "goes on to its end")
    assert ended
