"""B11: the constant bytes are those of the application, or the figure is void."""

from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from comparison.bench import static
from comparison.bench.companions import Companion, find_companion
from comparison.bench.figures import QUICK, Figure
from comparison.bench.load import Load
from comparison.bench.measures import idiom
from comparison.bench.prober import Request
from comparison.bench.subjects import Subject
from comparison.bench.workloads import GREETING, Prepared, prepare
from tests.comparison.bench.applications import with_application
from tests.comparison.bench.broken import WrongBody, answering
from tests.serving import serving
from tooling.frameworks import Framework, find_frameworks

FOLDER = Path(static.__file__).parent
FIRST = Subject(find_frameworks()[0].name, "matched", "uvicorn")


@pytest.mark.parametrize("framework", with_application(FOLDER), ids=lambda f: f.name)
def test_the_constant_bytes_are_those_of_the_application(framework: Framework) -> None:
    subject = Subject(framework.name, "matched", "uvicorn")
    companion = find_companion(subject, idiom.STATIC)
    assert isinstance(companion, Companion)
    layered = replace(companion, attribute="layered")
    with (
        subject.start(core=None) as matched,
        layered.start(core=None) as behind,
        companion.start(core=None) as constant,
    ):
        for workload in idiom.WORKLOADS:
            requests = {
                name: request
                for name, running in (
                    ("matched", matched),
                    ("layered", behind),
                    ("static", constant),
                )
                if (request := prepare(workload, subject, running.port).request)
            }
            assert len(requests) == 3
            assert idiom.body_faults(subject, requests) == []


@pytest.mark.parametrize("framework", with_application(FOLDER), ids=lambda f: f.name)
def test_the_layers_of_the_constant_bytes_are_those_of_the_application(
    framework: Framework,
) -> None:
    constant, matched = (
        import_module(f"comparison.bench.static.{framework.name}").layered,
        import_module(f"{framework.folder.name}.app").app,
    )
    assert layers(constant) == layers(matched)


def layers(app: Any) -> list[tuple[str, dict[str, Any]]]:
    """The classes of `shared/` from the outermost one on, with what they were given.

    What begins with an underscore is their state: another test may have started the application.
    """
    found = []
    while type(app).__module__.startswith("shared."):
        settings = {
            name: value
            for name, value in vars(app).items()
            if name != "app" and not name.startswith("_")
        }
        found.append((type(app).__name__, settings))
        app = app.app
    assert found
    return found


def test_other_bytes_void_the_figure() -> None:
    async def respond(path: str) -> tuple[int, bytes]:
        return 200, b'{"lang": "en", "text": "Hello"}'

    with FIRST.start(core=None) as matched, serving(answering(respond)) as url:
        other: Any = Server(int(url.rpartition(":")[2]))
        figure = measure({idiom.MATCHED: matched, idiom.STATIC: other})
    assert figure.value is None
    assert figure.faults == ["The constant bytes are not those of the application."]


def test_a_wrong_body_under_load_voids_the_figure() -> None:
    wrong = WrongBody(None, "control", "uvicorn")
    with FIRST.start(core=None) as matched, wrong.start(core=None) as constant:
        figure = measure({idiom.MATCHED: matched, idiom.STATIC: constant})
    assert any("wrong body" in fault for fault in figure.faults)
    assert not figure.valid


@dataclass
class Server:
    """Is busy for a second under each load."""

    port: int
    spent: float = 0.0

    def cpu_seconds(self) -> float:
        return self.spent


def test_an_application_that_costs_twice_as_much_has_the_ratio_one_half(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    servers: Any = {
        idiom.STATIC: Server(1),
        idiom.LAYERED: Server(2),
        idiom.MATCHED: Server(3),
    }
    completed = {1: 5000, 2: 4000, 3: 2500}

    def load(port: int, *_: object) -> Load:
        for server in servers.values():
            server.spent += 1.0 if server.port == port else 0
        return Load("wrk", [], 1.0, completed[port], 0, 0, 16 / completed[port], 16, 0.1)

    request = Request(GREETING.target, expected=b'{"lang":"en","text":"Hello"}')
    monkeypatch.setattr(idiom, "prepare", lambda *_: Prepared(request))
    monkeypatch.setattr(idiom, "Prober", Mock())
    monkeypatch.setattr(idiom, "closed_loop", load)
    figure = measure(servers)
    assert figure.faults == []
    assert figure.value == pytest.approx(0.5)
    assert figure.extra["CPU us/request"] == pytest.approx(
        {"static": 200, "layered": 250, "matched": 400}
    )


def test_a_framework_without_such_an_application_has_no_value_and_says_why() -> None:
    figures = idiom.run(Subject("none", "matched", "uvicorn"), QUICK)
    assert len(figures) == len(idiom.WORKLOADS)
    assert {figure.value for figure in figures} == {None}
    assert "static/none.py" in figures[0].note


def measure(running: dict[str, Any]) -> Figure:
    return idiom.measure(FIRST, GREETING, running, QUICK, [])
