"""A shared cache in front of an app gives no visitor the answer for another."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from tests.nginx import nginx
from tests.servers import server_process
from tests.serving import serving
from tests.varnish import varnish
from tooling.frameworks import Framework, find_frameworks

CACHE = "proxy_cache_path cache keys_zone=cache:1m;"
LOCATION = """
location {path} {{
    proxy_pass {url};
    proxy_cache cache;
    proxy_cache_valid any 1m;
}}
"""
"""Answers of every status are kept for a minute if their headers do not forbid it."""

CREDENTIALS, BASE_URL = "RStudio-Connect-Credentials", "RStudio-Connect-App-Base-URL"


@contextmanager
def nginx_cache(folder: Path, url: str) -> Iterator[str]:
    with nginx(folder, LOCATION.format(path="/", url=url), CACHE) as address:
        yield address


each_cache = pytest.mark.parametrize(
    "cache", [pytest.param(nginx_cache, id="nginx"), pytest.param(varnish, id="Varnish")]
)
Cache = Callable[[Path, str], AbstractContextManager[str]]


@pytest.fixture(
    scope="module",
    params=[
        (framework, cache) for framework in find_frameworks() for cache in (nginx_cache, varnish)
    ],
    ids=lambda param: f"{param[0].name}-{param[1].__name__}",
)
def cached(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of an app that trusts Connect's headers, behind the cache."""
    framework: Framework = request.param[0]
    cache: Cache = request.param[1]
    folder = tmp_path_factory.mktemp(framework.name)
    variables = {"CONNECT_HEADERS": "trust"}
    log = folder / "log"
    with server_process(framework.entrypoint, log=log, variables=variables) as process:
        url = process.wait_until_ready().url
        with cache(folder, url) as address:
            yield address


@each_cache
def test_the_cache_caches(cache: Cache, tmp_path: Path) -> None:
    calls = count(1)

    async def number(_: Request) -> PlainTextResponse:
        return PlainTextResponse(f"{next(calls)}")

    with (
        serving(Starlette(routes=[Route("/", number)])) as url,
        cache(tmp_path, url) as address,
    ):
        assert [httpx.get(address).text for _ in range(3)] == ["1", "1", "1"]


def test_everybody_gets_their_own_greeting(cached: str) -> None:
    for user in ("alice", "bob", None, "alice"):
        headers = {CREDENTIALS: json.dumps({"user": user})} if user else {}
        message = f"So nice to see you, {user}!" if user else "Howdy stranger!"
        for method in ("HEAD", "GET"):
            response = httpx.request(method, f"{cached}/hello", headers=headers)
        assert response.json() == {"message": message}


@pytest.mark.parametrize("page", ["/", "/about", "/docs", "/openapi.json"])
def test_every_mount_gets_its_own_page(cached: str, page: str) -> None:
    own = {prefix: get(cached, page, prefix) for prefix in ("/content/1", "/content/1/_bundle7")}
    assert len(set(own.values())) == (1 if page in ("/", "/docs") else 2)
    for prefix, text in own.items():
        assert get(cached, page, prefix) == text


def get(address: str, page: str, prefix: str) -> str:
    base_url = f"https://connect.example.org{prefix}"
    response = httpx.get(address + page, headers={BASE_URL: base_url})
    assert response.status_code == 200
    return response.text


def test_a_problem_of_one_visitor_is_not_that_of_another(cached: str) -> None:
    assert httpx.get(f"{cached}/hello", headers={CREDENTIALS: "{"}).status_code == 400
    assert httpx.get(f"{cached}/hello").status_code == 200
