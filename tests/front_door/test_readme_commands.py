"""Every command between README's fences is run as it is printed there, in README's order, by one
user.

Only what README itself marks as a placeholder is replaced: the example's hosts, and `...` for a
key. The server is the rehearsal that README's own `make rehearse` starts.
"""

import json
import re
import shutil
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.front_door.checkout import PORT, START_SECONDS, Checkout, Run, is_taken
from tooling.frameworks import ROOT, find_frameworks
from tooling.postgresql import Cluster, Database

README = (ROOT / "README.md").read_text(encoding="utf-8")


def fences(text: str) -> list[str]:
    """What stands between fences of commands; those of another language name it."""
    found = re.findall(r"^ *```(\w*)\n(.*?)^ *```$", text, re.DOTALL | re.MULTILINE)
    return [fence for language, fence in found if not language]


COMMANDS = [
    (block, line)
    for block, fence in enumerate(fences(README))
    for line in (line.partition("  #")[0].strip() for line in fence.splitlines())
    if line
]
"""The number of the fence, and a line of it without its comment."""

CHECK_US = len(fences(README.partition("### You have a Connect server")[0]))
"""The number of the fence there."""

ELSEWHERE = {
    "make run": "tests/front_door/test_make_run.py",
    "make test-all": ".ci/run",
    "make soak": ".ci/run",
    "make test-quart": ".ci/run",
    "make test-in-process PYTHON=3.13": ".ci/run",
}
"""What takes too long here, and the file that runs it."""


class Terminal:
    """A user's shell in a fresh clone: what is exported stays so for the commands that follow."""

    def __init__(self, checkout: Checkout, database: Database) -> None:
        self.checkout = checkout
        self._database = database
        self._exported: dict[str, str] = {}
        self.deployed = ""
        """The address of what was deployed last."""
        self.rehearsal = checkout.start("make rehearse")
        told = str(self.rehearsal.wait_for("CONNECT_API_KEY="))
        self.rehearsal.wait_for("Ready:")
        self._key = told.partition("CONNECT_API_KEY=")[2].strip()

    def filled(self, line: str) -> str:
        """With this server and this key where README has a placeholder."""
        for placeholder, value in {
            "https://connect.example.org/content/6f1c2b9e/": self.deployed,
            "https://connect.example.org": f"http://127.0.0.1:{PORT}",
            "<the publisher's key>": self._key,
            "API_KEY=...": f"API_KEY={self._key}",
            "postgresql://user:password@db.example.org:5432/greetings": self._database.url,
        }.items():
            line = line.replace(placeholder, value)
        return line

    def start(self, line: str) -> Run:
        return self.checkout.start(line, **self._exported)

    def export(self, line: str) -> None:
        names = re.findall(r"([A-Z_]+)=", line)
        shown = self.start(f"{line}; env")
        assert shown.wait() == 0, shown
        settings = dict(text.split("=", 1) for text in shown.lines if "=" in text)
        self._exported |= {name: settings[name] for name in names}

    def run(self, line: str) -> str:
        """To its end, which must be a good one; gives what it printed."""
        run = self.start(line)
        assert run.wait(START_SECONDS) == 0, run
        text = re.sub(r"\x1b\[[0-9;]*m", "", str(run))  # rsconnect writes in colours.
        if found := re.findall(r"(http://\S+/content/\S+?/(?:_bundle\d+/)?)(?:\s|$)", text):
            self.deployed = found[-1]
        return text

    def answer(self, path: str) -> Any:
        """What the application answers that was deployed last, to its publisher."""
        headers = {"Authorization": f"Key {self._key}"}
        with urllib.request.urlopen(
            urllib.request.Request(f"{self.deployed}{path}", headers=headers)
        ) as answer:
            return json.load(answer)


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory, cluster: Cluster) -> Iterator[Terminal]:
    if is_taken(PORT):
        pytest.fail(f"Something listens on port {PORT}: stop it, `make rehearse` needs that port.")
    checkout = Checkout(ROOT, tmp_path_factory.mktemp("readme"))
    checkout.share_downloads()
    checkout.has_uv()
    made = Terminal(checkout, cluster.create_database("greetings"))
    yield made
    made.rehearsal.send(signal.SIGINT)
    made.rehearsal.wait()
    assert checkout.left() == []


@pytest.mark.parametrize(("block", "line"), COMMANDS, ids=[f"{n}-{line}" for n, line in COMMANDS])
def test_a_command_of_readme_works(terminal: Terminal, block: int, line: str) -> None:
    if line in ELSEWHERE:
        file = (ROOT / ELSEWHERE[line]).read_text(encoding="utf-8")
        assert line.partition("3.13")[0] in file
        return
    command = terminal.filled(line)
    if block == CHECK_US and line.startswith("export "):
        # Another reader, who has deployed nothing from here yet.
        shutil.rmtree(terminal.checkout.folder / "build" / "bundles")
    if line == "make rehearse":
        return  # It runs since the beginning.
    if line.startswith("export "):
        terminal.export(command)
    elif line.startswith("make run-"):
        starts_and_stops(terminal, command)
    elif line.startswith("diff "):
        cuts_nothing(terminal.start(command), terminal.checkout.folder)
    else:
        check(terminal, line, terminal.run(command))


def starts_and_stops(terminal: Terminal, command: str) -> None:
    run = terminal.start(command)
    try:
        url = re.search(r"http://\S+", run.wait_for("http://"))
        assert url
        run.wait_for("startup complete")
        with urllib.request.urlopen(f"{url[0]}health") as answer:
            assert json.load(answer) == {"status": "ok", "store": "postgresql"}
        run.send(signal.SIGINT)
        run.wait()
    finally:
        run.kill()


def cuts_nothing(run: Run, folder: Path) -> None:
    """`diff` says with 1 that the files differ, and `less` shows that all the same."""
    assert run.wait() == 0, run
    shown = [line.expandtabs() for line in run.lines]
    for name in ("quart", "sanic"):
        for line in (folder / f"{name}_app" / "app.py").read_text(encoding="utf-8").splitlines():
            assert any(line in text for text in shown), line


def check(terminal: Terminal, line: str, output: str) -> None:
    """What a command has to say besides that it succeeded."""
    if line.startswith("make deploy-site"):
        assert "The site is deployed: http" in output.splitlines()[-1]
    elif line == "make deploy-branch":
        assert "The branch connect has " in output.splitlines()[-1]
    elif line.startswith("make deploy-"):
        assert "is deployed and keeps the contract: http" in output.splitlines()[-1]
    elif line.startswith("make check-connect"):
        for framework in find_frameworks():
            assert f"{framework.name}: kept" in output
        assert "refuted" not in output
    if "--draft" in line:
        assert "/_bundle" in terminal.deployed
    if line.startswith(".venv/bin/rsconnect deploy"):
        assert "Direct content URL" in output or "successfully deployed" in output.lower()
        assert len(terminal.answer("greetings")) == 7
    if line.startswith("make rehearse-logs"):
        assert "Application startup complete" in output
    if line == "make lock":
        # The versions that are locked still fulfil what is asked for: nothing changes.
        assert terminal.run("git status --porcelain") == ""
