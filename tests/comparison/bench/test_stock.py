"""The stock applications: one for each framework, its own code only, and the same answers."""

import ast
import json
from pathlib import Path

import httpx
import pytest

from comparison.bench import stock
from tests.comparison.bench.applications import with_application
from tests.servers import server_process
from tooling.frameworks import ROOT, Framework

FOLDER = Path(stock.__file__).parent
GREETINGS = json.loads((ROOT / "shared/greetings.json").read_text("utf-8"))

each_framework = pytest.mark.parametrize(
    "framework", with_application(FOLDER), ids=lambda f: f.name
)


@each_framework
def test_a_stock_application_imports_nothing_of_ours(framework: Framework) -> None:
    tree = ast.parse((FOLDER / f"{framework.name}.py").read_bytes())
    modules = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert framework.contract["distribution"] in modules
    assert not modules & {"shared", "tooling", "comparison", framework.folder.name}


@each_framework
def test_a_stock_application_names_the_documentation_that_it_follows(framework: Framework) -> None:
    docstring = ast.get_docstring(ast.parse((FOLDER / f"{framework.name}.py").read_bytes()))
    assert docstring is not None
    assert "https://" in docstring


@each_framework
def test_a_stock_application_answers_what_the_contract_says_of_good_requests(
    framework: Framework, tmp_path: Path
) -> None:
    application = f"comparison.bench.stock.{framework.name}:app"
    with server_process(application, log=tmp_path / "log", variables={}) as process:
        url = process.wait_until_ready().url
        with httpx.Client(base_url=url) as client:
            listed = [{"lang": lang, "text": text} for lang, text in sorted(GREETINGS.items())]
            assert client.get("/greetings").json() == listed
            assert client.get("/greetings/en").json() == {"lang": "en", "text": GREETINGS["en"]}
            assert client.get("/hello").json() == {"message": "Howdy stranger!"}
            credentials = {"RStudio-Connect-Credentials": '{"user": "ana", "groups": []}'}
            answer = client.get("/hello", headers=credentials)
            assert answer.json() == {"message": "So nice to see you, ana!"}
