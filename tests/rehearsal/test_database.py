"""Every app with PostgreSQL, deployed by the real rsconnect, behind the rehearsal's proxy."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from deploy.contents import RECORD
from deploy.staging import stage
from tests.contract.registry import CASES
from tests.contract.servers import OtherServer
from tests.contract.socket_client import SocketClient
from tests.contract.sockets import Connection
from tests.contract.vocabulary import Capability, Mount, Request
from tests.rehearsal.running import Running
from tests.rehearsal.test_rsconnect import RSCONNECT
from tooling.frameworks import Framework, find_frameworks
from tooling.postgresql import Cluster, Database

# Those for which nobody has to stop the app, and STORE-1, which is the rest of the contract once
# more.
CASE_IDS = ("STORE-1", "STORE-2", "STORE-3", "STORE-6", "HEALTH-1", "LIVE-1", "LIVE-2", "STREAM-1")

each_framework = pytest.mark.parametrize(
    "framework", find_frameworks(), ids=lambda framework: framework.name
)


@pytest.fixture
def prepared(cluster: Cluster) -> Iterator[Database]:
    """A database with the greetings in it."""
    database = cluster.create_database("greetings")
    database.prepare()
    yield database
    database.drop()


@each_framework
def test_the_contract_holds_with_a_database_behind_the_proxy(
    framework: Framework,
    rehearsed: Running,
    prepared: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    folder = tmp_path / "build" / "bundles" / framework.name
    monkeypatch.setattr("deploy.staging.bundle_folder", lambda framework: folder)
    bundle = stage(framework, "postgres")
    command = (RSCONNECT, "deploy", "fastapi", "--entrypoint", framework.entrypoint)
    done = subprocess.run(
        [*command, "--environment", "GREETINGS_URL", "--new", bundle],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "RSCONNECT_DISABLE_VERSION_CHECK": "1",
            "CONNECT_SERVER": rehearsed.url,
            "CONNECT_API_KEY": rehearsed.user("publisher").api_key,
            "GREETINGS_URL": prepared.url,
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    (record,) = (bundle / RECORD).glob("*.json")
    guid = json.loads(record.read_text(encoding="utf-8"))[rehearsed.url]["app_guid"]

    connection = Connection(rehearsed.url)
    request.addfinalizer(connection.close)
    client = SocketClient(
        server=OtherServer(connection, prepared),
        mount=Mount("deployed", f"/content/{guid}", client_sends_prefix=True),
        capabilities=frozenset({Capability.DATABASE, Capability.ANONYMOUS}),
        store="postgresql",
        waived=frozenset(framework.contract["waivers"]),
    )
    for case_id in CASE_IDS:
        CASES[case_id].check(client)

    for text in ("Hi", "Ahoy", "Hello"):
        prepared.execute(f"UPDATE greetings SET text = '{text}' WHERE lang = 'en'")
        asked = client.together([Request("GET", "/greetings/en")] * 8)
        assert [timed.answer.json()["text"] for timed in asked] == [text] * 8

    said = [done.stdout, *(log.read_text(errors="replace") for log in logs(rehearsed))]
    for secret in (prepared.password, quote(prepared.password, safe="")):
        assert not any(secret in text for text in said)
    rehearsed.delete(guid)


def logs(it: Running) -> list[Path]:
    """What the rehearsal keeps of the output of apps and deployments."""
    return [*it.rehearsal.settings.directory.rglob("*.log")]
