"""A rehearsal for the tests, in a thread, and a client of its deploy API."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import httpx

from rehearsal.server import Rehearsal, Settings
from rehearsal.storage.database import State, User
from tests.rehearsal.bundles import FILES, bundle_of
from tests.rehearsal.wire import TIMEOUT_SECONDS
from tests.serving import serving
from tooling.frameworks import ROOT, find_frameworks
from tooling.serving import listen

ENVIRONMENTS = ROOT / "build" / "rehearsal" / "environments"

# What an app is given, told as JSON; `/crash` ends the process, `/docs` is there, `/` is not.
MIRROR = b"""
import json, os

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        print("The mirror starts.", flush=True)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    route = scope["path"].removeprefix(scope["root_path"])
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        message = await receive()
        await send({"type": "websocket.send", "text": scope["root_path"] + " " + message["text"]})
        await receive()
        return
    if route == "/crash":
        os._exit(3)
    if route == "/slow":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"begun ", "more_body": True})
        while not os.path.exists(os.environ["GATE"]):
            import asyncio; await asyncio.sleep(0.01)
        await send({"type": "http.response.body", "body": b"ended"})
        return
    told = {
        "path": scope["path"], "raw_path": scope["raw_path"].decode(),
        "root_path": scope["root_path"], "pid": os.getpid(), "environment": dict(os.environ),
        "headers": [[k.decode(), v.decode(errors="replace")] for k, v in scope["headers"]],
        "directory": os.getcwd(), "version": VERSION,
    }
    status = 200 if route in ("/told", "/docs") else 404
    headers = [(b"content-type", b"application/json"), (b"set-cookie", b"a=1; Path=/")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(told).encode()})

VERSION = "%s"
"""


def mirror(version: str = "one", requirements: bytes = b"") -> bytes:
    """A bundle of the mirror."""
    code = MIRROR.replace(b"%s", version.encode())
    return bundle_of(FILES | {"main.py": code, "requirements.txt": requirements})


@dataclass(eq=False)
class Running:
    """A rehearsal that runs at `url`."""

    url: str
    rehearsal: Rehearsal
    clients: ExitStack

    def user(self, role: Literal["publisher", "viewer"]) -> User:
        return next(user for user in self.rehearsal.state.users() if user.role == role)

    @cache  # noqa: B019
    def api(self, role: Literal["publisher", "viewer"] = "publisher") -> httpx.Client:
        key = {"Authorization": f"Key {self.user(role).api_key}"}
        client = httpx.Client(base_url=f"{self.url}/__api__", headers=key, timeout=TIMEOUT_SECONDS)
        return self.clients.enter_context(client)

    def get(self, path: str, role: Literal["publisher", "viewer"] | None = None) -> httpx.Response:
        headers = {"Authorization": f"Key {self.user(role).api_key}"} if role else {}
        return httpx.get(self.url + path, headers=headers, timeout=TIMEOUT_SECONDS)

    def delete(self, guid: str) -> None:
        """Deletes content as its publisher does, by the form on its page."""
        response = httpx.post(
            f"{self.url}/dashboard/{guid}/delete",
            headers={"Origin": self.url},
            cookies={"rehearsal-session": self.user("publisher").session},
        )
        assert response.status_code == 303, response.text

    def create(self, name: str) -> str:
        guid: str = answered(self.api().post("/v1/content", json={"name": name}))["guid"]
        return guid

    def upload(self, guid: str, bundle: bytes) -> str:
        path = f"/v1/content/{guid}/bundles"
        bundle_id: str = answered(self.api().post(path, content=bundle))["id"]
        return bundle_id

    def deploy(self, guid: str, bundle_id: str | None = None, **fields: object) -> dict[str, Any]:
        """The finished task of a deployment."""
        body = {"bundle_id": bundle_id, **fields}
        started = answered(self.api().post(f"/v1/content/{guid}/deploy", json=body))
        return self.finished(started["task_id"])

    def finished(self, task_id: str) -> dict[str, Any]:
        deadline = time.monotonic() + 6 * TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            task = answered(self.api().get(f"/v1/tasks/{task_id}?wait=5"))
            if task["finished"]:
                return task
        raise TimeoutError(task)

    def deployed(self, name: str, bundle: bytes) -> str:
        """The GUID of new content with that bundle active."""
        guid = self.create(name)
        task = self.deploy(guid, self.upload(guid, bundle))
        assert task["code"] == 0, task
        return guid


def answered(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


@contextmanager
def running(directory: Path, **changes: Any) -> Iterator[Running]:
    """A rehearsal with its state in `directory`; `changes` are to its `Settings`."""
    with listen("127.0.0.1", 0) as sock:
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        settings = Settings(directory, url, environments=ENVIRONMENTS, frameworks=find_frameworks())
        rehearsal = Rehearsal(replace(settings, **changes), State(directory))
        try:
            with serving(rehearsal, sock), ExitStack() as clients:
                yield Running(url, rehearsal, clients)
        finally:
            rehearsal.state.close()
