"""What README says of the frameworks is so."""

import asyncio
import os
import re
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from shared.pages import STATIC
from tests.contract import cases as cases
from tests.contract.registry import CASES
from tests.contract.sockets import Connection
from tests.contract.vocabulary import Request
from tests.servers import server_process
from tooling.frameworks import ROOT, Framework, find_frameworks
from tooling.processes import ServerKind

README = (ROOT / "README.md").read_text(encoding="utf-8")

# A framework that README does not speak of yet is none of this module's business.
FRAMEWORKS = [framework for framework in find_frameworks() if f"| {framework.title} |" in README]
each_framework = pytest.mark.parametrize("framework", FRAMEWORKS, ids=lambda f: f.name)

SHOULD_ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in README.splitlines()
    if re.match(r"\| [A-Z]+-[0-9]+ \|", line)
]
"""Of the second table: ID, meaning, and a cell for each framework."""


def cells(row: str) -> dict[str, str]:
    """A row of the decision table, by framework."""
    titles, values = (
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in README.splitlines()
        if line.startswith(("| | FastAPI", f"| {row}"))
    )
    return dict(zip(titles[1:], values[1:], strict=True))


@each_framework
def test_the_table_counts_the_lines_of_the_application(framework: Framework) -> None:
    lines = (framework.folder / "app.py").read_text(encoding="utf-8").splitlines()
    assert cells("its lines")[framework.title] == str(len([line for line in lines if line.strip()]))


@each_framework
def test_the_table_counts_the_packages_of_the_lock(framework: Framework) -> None:
    lock = (framework.folder / "requirements.txt").read_text(encoding="utf-8")
    names = set(re.findall(r"^([A-Za-z0-9._-]+)(?:\[.*?\])?==", lock, re.MULTILINE))
    assert cells("packages installed")[framework.title] == str(len(names))


@each_framework
def test_the_table_of_should_cases_says_who_differs(framework: Framework) -> None:
    (header,) = (line for line in README.splitlines() if line.startswith("| | | "))
    titles = [cell.strip() for cell in header.strip("|").split("|")]
    assert {row[0]: row[titles.index(framework.title)] for row in SHOULD_ROWS} == {
        id: "no" if id in framework.contract["waivers"] else "yes"
        for id in CASES
        if any(id in described.contract["waivers"] for described in FRAMEWORKS)
    }


def test_a_should_case_is_described_in_a_few_words() -> None:
    for id, meaning, *_ in SHOULD_ROWS:
        assert 4 <= len(meaning.split()) <= 7, f"{id}: {meaning}"


@each_framework
@pytest.mark.parametrize(
    ("server", "custom"), [("uvicorn", "with the prefix"), ("hypercorn", "without it")]
)
def test_without_the_mount_layer_one_of_the_two_customs_is_answered_404(
    server: ServerKind, custom: str, framework: Framework, tmp_path: Path
) -> None:
    with server_process(
        f"{framework.name}_app.app:api",
        server=server,
        root_path="/content/1b2c",
        variables={"PATH": os.environ["PATH"]},
        log=tmp_path / "log",
    ) as process:
        process.wait_until_ready()
        connection = Connection(process.url)
        answers = {
            target: connection.send(Request("GET", target)).status
            for target in ("/", "/greetings", "/static/styles.css")
        }
        connection.close()
    if cells("routes the path behind a prefix")[framework.title] == custom:
        assert set(answers.values()) == {200}
    elif framework.title == "FastAPI":
        # README: "FastAPI for a mounted `StaticFiles`", which the application does not have.
        assert set(answers.values()) == {200}
    else:
        assert set(answers.values()) == {404}


def test_fastapi_answers_404_for_a_mounted_static_files_without_the_prefix() -> None:
    api = FastAPI()
    api.mount("/static", StaticFiles(directory=STATIC))

    async def status(prefix: str) -> int:
        transport = httpx.ASGITransport(api, root_path="/content/1b2c")
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return (await client.get(f"{prefix}/static/styles.css")).status_code

    assert asyncio.run(status("/content/1b2c")) == 200
    assert asyncio.run(status("")) == 404
