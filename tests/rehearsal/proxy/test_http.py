"""Bodies through the gateway: streamed both ways, and given up when either side goes away."""

import asyncio
import contextlib
import hashlib
import os
import resource
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route as Path_
from starlette.types import ASGIApp, Receive, Scope, Send

from rehearsal.proxy.upstream import Upstream
from tests.gateway import gateway
from tests.rehearsal.wire import TIMEOUT_SECONDS, dial, exchange, read_until, recording
from tests.serving import serving

MIB = 1024 * 1024


@contextmanager
def mounted(app: ASGIApp, response_seconds: float = 60.0) -> Iterator[str]:
    """The app behind a gateway, at the URL that is given."""
    with (
        serving(app) as upstream,
        behind_gateway(httpx.URL(upstream).port or 0, response_seconds) as url,
    ):
        yield url


@contextmanager
def behind_gateway(port: int, response_seconds: float = 60.0) -> Iterator[str]:
    with serving(gateway(Upstream("/app", port), response_seconds=response_seconds)) as url:
        yield f"{url}/app/"


def app_of(handler: Callable[[Request], object], *methods: str) -> Starlette:
    return Starlette(routes=[Path_("/", handler, methods=methods or ("GET",))])


async def happened(event: threading.Event) -> None:
    """Raises `TimeoutError` where it does not happen."""
    if not await anyio.to_thread.run_sync(event.wait, TIMEOUT_SECONDS):
        raise TimeoutError


def test_the_first_byte_of_an_answer_arrives_before_the_last_is_made() -> None:
    first_arrived = threading.Event()

    async def chunks() -> AsyncIterator[bytes]:
        yield b"first"
        await happened(first_arrived)
        yield b"last"

    async def handler(_: Request) -> Response:
        return StreamingResponse(chunks())

    with mounted(app_of(handler)) as url, httpx.stream("GET", url) as response:
        body = response.iter_raw()
        assert next(body) == b"first"
        first_arrived.set()
        assert b"".join(body) == b"last"


def test_the_first_byte_of_a_body_reaches_the_app_before_the_last_is_sent() -> None:
    first_arrived = threading.Event()

    async def handler(request: Request) -> Response:
        received = b""
        async for chunk in request.stream():
            received += chunk
            first_arrived.set()
        return Response(received)

    def body() -> Iterator[bytes]:
        yield b"first"
        assert first_arrived.wait(TIMEOUT_SECONDS)
        yield b"last"

    with mounted(app_of(handler, "POST")) as url:
        assert httpx.post(url, content=body()).content == b"firstlast"


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the body while it comes; Starlette would listen for a disconnect meanwhile."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    more = True
    while more:
        message = await receive()
        more = message["more_body"]
        await send({"type": "http.response.body", "body": message["body"], "more_body": more})


def test_an_answer_may_begin_before_the_body_has_ended() -> None:
    with mounted(echo) as url, dial(url) as connection:
        connection.sendall(
            b"POST /app/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nping\r\n"
        )
        assert b"ping" in read_until(connection, b"ping")
        connection.sendall(b"4\r\npong\r\n0\r\n\r\n")
        assert b"pong" in read_until(connection, b"0\r\n\r\n")


def peak_kib() -> int:
    """The most memory that this process has had resident since `fresh_peak_kib`."""
    status = Path("/proc/self/status")
    if not status.exists():  # Not Linux: since the process began.
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1])


def fresh_peak_kib() -> int:
    """Forgets what tests before have needed; gives the memory resident now. See proc(5),
    clear_refs.
    """
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return peak_kib()


def test_100_mib_each_way_pass_through_constant_memory() -> None:
    chunk = os.urandom(MIB)
    sent = hashlib.sha256()
    for _ in range(100):
        sent.update(chunk)
    expected = sent.hexdigest()

    async def handler(request: Request) -> Response:
        digest = hashlib.sha256()
        async for part in request.stream():
            digest.update(part)

        async def echo() -> AsyncIterator[bytes]:
            for _ in range(100):
                yield chunk

        return StreamingResponse(echo(), headers={"X-Digest": digest.hexdigest()})

    with mounted(app_of(handler, "POST")) as url:
        before = fresh_peak_kib()
        content = (chunk for _ in range(100))
        digest = hashlib.sha256()
        with httpx.stream("POST", url, content=content, timeout=TIMEOUT_SECONDS * 3) as response:
            assert response.headers["X-Digest"] == expected
            for part in response.iter_raw():
                digest.update(part)
        grown_kib = peak_kib() - before
    assert digest.hexdigest() == expected
    assert grown_kib < 32 * 1024


@pytest.mark.parametrize("sent_first", [b"", b"some of it"])
def test_a_client_that_hangs_up_frees_the_app(sent_first: bytes) -> None:
    begun, freed = threading.Event(), threading.Event()

    async def handler(_: Request) -> Response:
        async def chunks() -> AsyncIterator[bytes]:
            try:
                if sent_first:
                    yield sent_first
                begun.set()
                await anyio.sleep_forever()
                yield b"never"
            finally:
                freed.set()

        return StreamingResponse(chunks())

    with mounted(app_of(handler)) as url:
        connection = dial(url)
        connection.sendall(b"GET /app/ HTTP/1.1\r\nHost: a\r\n\r\n")
        assert begun.wait(TIMEOUT_SECONDS)
        if sent_first:
            read_until(connection, sent_first)
        assert not freed.is_set()
        connection.close()
        assert freed.wait(TIMEOUT_SECONDS)


def test_a_client_that_hangs_up_during_its_upload_frees_the_app() -> None:
    begun, freed = threading.Event(), threading.Event()

    async def handler(request: Request) -> Response:
        try:
            async for _ in request.stream():
                begun.set()
        except ClientDisconnect:
            freed.set()
        return Response()

    with mounted(app_of(handler, "POST")) as url:
        connection = dial(url)
        connection.sendall(b"POST /app/ HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\nsome")
        assert begun.wait(TIMEOUT_SECONDS)
        connection.close()
        assert freed.wait(TIMEOUT_SECONDS)


def test_200_requests_at_once_are_all_served_at_once() -> None:
    arrived: list[str] = []
    all_arrived = asyncio.Event()

    async def handler(request: Request) -> Response:
        arrived.append(request.query_params["n"])
        if len(arrived) == 200:
            all_arrived.set()
        await all_arrived.wait()
        return PlainTextResponse(arrived[-1])

    async def ask(client: httpx.AsyncClient, url: str, n: int) -> None:
        assert (await client.get(url, params={"n": n})).status_code == 200

    async def ask_all(url: str) -> None:
        limits = httpx.Limits(max_connections=None)
        async with (
            httpx.AsyncClient(timeout=TIMEOUT_SECONDS * 3, limits=limits) as client,
            asyncio.TaskGroup() as tasks,
        ):
            for n in range(200):
                tasks.create_task(ask(client, url, n))

    with mounted(app_of(handler)) as url:
        asyncio.run(ask_all(url))
    assert sorted(arrived, key=int) == [str(n) for n in range(200)]


def test_head_has_the_headers_of_get_and_no_body(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 1000)

    async def handler(_: Request) -> Response:
        return FileResponse(tmp_path / "file")

    with mounted(app_of(handler)) as url:
        answer = exchange(url, b"HEAD /app/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        head, _, body = answer.partition(b"\r\n\r\n")
        assert b"content-length: 1000" in head.lower()
        assert body == b""
        assert len(httpx.get(url).content) == 1000


@pytest.mark.parametrize("status", [204, 304])
def test_answers_without_a_body_keep_the_connection_in_step(status: int) -> None:
    async def handler(_: Request) -> Response:
        return Response(status_code=status, headers={"ETag": '"tag"'})

    with mounted(app_of(handler)) as url, httpx.Client() as client:
        for _ in range(2):
            response = client.get(url, headers={"If-None-Match": '"tag"'})
            assert (response.status_code, response.content) == (status, b"")
            assert response.headers["ETag"] == '"tag"'
            assert "Transfer-Encoding" not in response.headers


def test_an_early_refusal_of_a_large_body_reaches_the_client() -> None:
    async def handler(_: Request) -> Response:
        return PlainTextResponse("too large", 413)

    with mounted(app_of(handler, "POST")) as url:
        response = httpx.post(url, content=b"x" * 32 * MIB, timeout=TIMEOUT_SECONDS)
        assert (response.status_code, response.text) == (413, "too large")


def test_a_client_that_asks_first_is_told_to_go_on() -> None:
    with mounted(echo) as url, dial(url) as connection:
        head = (
            b"POST /app/ HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
        )
        connection.sendall(head)
        assert read_until(connection, b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"body")
        assert b"body" in read_until(connection, b"0\r\n\r\n")


def test_a_connection_serves_one_request_after_another() -> None:
    with mounted(echo) as url, dial(url) as connection:
        for body in (b"one", b"two"):
            head = b"POST /app/ HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n"
            connection.sendall(head + body)
            assert body in read_until(connection, b"0\r\n\r\n")


def test_any_method_and_a_body_on_get_pass() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        await Response(scope["method"].encode() + await request.body())(scope, receive, send)

    with mounted(app) as url:
        for method in ("GET", "PROPFIND", "DELETE"):
            assert httpx.request(method, url, content=b"!").text == f"{method}!"


def test_an_answer_cut_short_is_cut_short_for_the_client() -> None:
    cut = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n"
    with (
        recording(cut) as recorder,
        behind_gateway(recorder.port) as url,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        httpx.get(url)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 ", b"SSH-2.0-x\r\n\r\n"])
def test_an_app_that_answers_nonsense_is_a_502_problem(answer: bytes) -> None:
    with recording(answer) as recorder, behind_gateway(recorder.port) as url:
        assert_problem(httpx.get(url), 502)


def test_an_app_that_is_not_there_is_a_502_problem() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with behind_gateway(unused.getsockname()[1]) as url:
            assert_problem(httpx.get(url), 502)


def test_an_app_that_is_slow_is_a_504_problem_but_a_slow_client_is_not() -> None:
    async def handler(request: Request) -> Response:
        if await request.body() == b"hang":
            await anyio.sleep_forever()
        return Response()

    with mounted(app_of(handler, "POST"), response_seconds=0.5) as url, dial(url) as connection:
        connection.sendall(b"POST /app/ HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n1")
        # Longer than an app may take: by then another request has been given up.
        assert_problem(httpx.post(url, content=b"hang"), 504)
        connection.sendall(b"2")
        assert b" 200 " in read_until(connection, b"\r\n\r\n")


def assert_problem(response: httpx.Response, status: int) -> None:
    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json()["status"] == status
    assert "127.0.0.1" not in response.text
