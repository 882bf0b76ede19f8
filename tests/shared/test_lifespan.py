"""Start-up and shutdown: under servers that speak of them, under those that do not, and when they fail."""

import os
import sys
from pathlib import Path

import pytest

from rehearsal.frameworks import Framework, find_frameworks
from rehearsal.processes import AppDidNotStartError, AppProcess
from tests.contract.model import Request
from tests.contract.sockets import Connection

each_framework = pytest.mark.parametrize(
    "framework", find_frameworks(), ids=lambda framework: framework.name
)


def environment(**more: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], **more}


@each_framework
def test_an_app_answers_under_a_server_without_lifespan(
    framework: Framework, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "uvicorn", "--lifespan", "off"]
    with AppProcess(
        framework.entrypoint, command=command, environment=environment(), log=tmp_path / "log"
    ) as process:
        process.wait_until_ready()
        connection = Connection(process.url)
        for _ in range(2):
            assert connection.send(Request("GET", "/greetings/es")).json()["text"] == "Hola"
        connection.close()


@each_framework
def test_a_store_that_cannot_be_opened_stops_the_start_and_says_why(
    framework: Framework, tmp_path: Path
) -> None:
    process = AppProcess(
        framework.entrypoint,
        environment=environment(GREETINGS_URL="mysql://user:secret@host/db"),
        log=tmp_path / "log",
    )
    with pytest.raises(AppDidNotStartError):
        process.wait_until_ready()
    log = process.log.read_text()
    assert "GREETINGS_URL: mysql stores are not supported yet" in log
    assert "secret" not in log
    assert process.stop() != 0


@each_framework
def test_a_malformed_data_file_stops_the_start_and_says_where(
    framework: Framework, tmp_path: Path
) -> None:
    (tmp_path / "bad.json").write_text('{\n"en": "Hello",\n"e": "x"}')
    (tmp_path / "sitecustomize.py").write_text(
        "from pathlib import Path\n"
        "from shared import greetings\n"
        "greetings.FILE = Path(__file__).with_name('bad.json')\n"
    )
    process = AppProcess(
        framework.entrypoint,
        environment=environment(PYTHONPATH=f"{tmp_path}{os.pathsep}{framework.folder.parent}"),
        log=tmp_path / "log",
    )
    with pytest.raises(AppDidNotStartError):
        process.wait_until_ready()
    assert 'bad.json, line 3, key "e": the key is not a language tag.' in process.log.read_text()
