"""The canonical result: its form, and how a run compares it with the committed one."""

import copy
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.contract import canonical_result, report
from tests.contract.canonical_exchanges import KEPT, canonical_exchanges, observation
from tests.contract.committed import DIFFERENCES, compare
from tests.contract.plugin import RESULTS, SUBJECTS, parts_of_subjects
from tests.contract.registry import CASES, PARTS
from tests.contract.subjects import Subject
from tests.contract.vocabulary import BARE, Answer, Exchange, Request
from tooling.frameworks import ROOT, find_frameworks

FRAMEWORKS = find_frameworks()


def exchange(target: str = "/x", headers: Any = (), body: bytes = b"", **more: Any) -> Exchange:
    request = Request("GET", target, more.pop("asked", ()))
    return Exchange(request, BARE, True, Answer(200, list(headers), body), **more)


def steps_of(*exchanges: Exchange) -> list[dict[str, Any]]:
    return canonical_exchanges(exchanges)


def test_what_differs_from_run_to_run_is_left_out_or_replaced() -> None:
    def run(port: int, etag: str, modified: str, allow: str) -> list[dict[str, Any]]:
        headers = [("date", modified), ("connection", "close"), ("etag", f'"{etag}"')]
        headers += [("last-modified", modified), ("allow", allow)]
        again = [("If-None-Match", f'W/"{etag}"'), ("If-Modified-Since", modified)]
        body = f"at 127.0.0.1:{port}".encode()
        return steps_of(exchange(headers=headers, body=body), exchange(asked=again))

    one = run(40001, "1-2", "Thu, 26 Nov 2026 22:00:00 GMT", "GET, HEAD")
    other = run(50002, "3-4", "Fri, 27 Nov 2026 23:00:00 GMT", "HEAD,GET")
    assert one == other
    assert one[0]["answers"][0]["body"] == "at 127.0.0.1:PORT"
    assert ["allow", "GET, HEAD"] in one[0]["answers"][0]["headers"]
    assert one[1]["request"]["headers"][0] == ["If-None-Match", 'W/"ETAG"']
    assert observation("1.07 x ceil(N/P) x D") == observation("1.11 x ceil(N/P) x D")


def test_what_an_app_answers_is_kept() -> None:
    (step,) = steps_of(exchange(headers=[("server", "a")], body=b"1"))
    (other,) = steps_of(exchange(headers=[("server", "b")], body=b"1"))
    (third,) = steps_of(exchange(headers=[("server", "a")], body=b"2"))
    assert step != other
    assert step != third


def test_a_static_file_is_written_as_its_name() -> None:
    path = "static/styles.css"
    content = (ROOT / "shared" / path).read_bytes()
    length = [("content-length", f"{len(content)}")]
    whole, head = steps_of(
        exchange(f"/{path}", headers=length, body=content), exchange(f"/{path}?", headers=length)
    )
    assert whole["answers"][0]["body"] == f"(the content of shared/{path})"
    assert whole["answers"][0]["headers"] == [["content-length", "LENGTH"]]
    assert head["answers"][0]["headers"] == [["content-length", "LENGTH"]]
    (other,) = steps_of(exchange("/greetings", headers=length))
    assert other["answers"][0]["headers"] == [["content-length", f"{len(content)}"]]


def test_a_request_is_listed_once_with_each_different_answer() -> None:
    (step,) = steps_of(exchange(body=b"1"), exchange(body=b"2"), exchange(body=b"1"))
    assert [answer["body"] for answer in step["answers"]] == ["1", "2"]


def test_requests_that_are_repeated_until_something_happens_are_left_out() -> None:
    assert steps_of(exchange(repeated=True)) == []


def test_of_many_requests_the_rest_is_known_by_its_digest() -> None:
    many = [exchange(f"/{number}") for number in range(KEPT + 3)]
    changed = [*many[:-1], exchange(f"/{KEPT + 2}", body=b"other")]
    reordered = [*many[:KEPT], *reversed(many[KEPT:])]
    assert steps_of(*many)[-1]["more"] == 3
    assert steps_of(*many) != steps_of(*changed)
    assert steps_of(*many) == steps_of(*reordered)


def test_a_long_text_is_known_by_its_digest() -> None:
    one, other = steps_of(exchange(body=b"x" * 9000)), steps_of(exchange(body=b"x" * 8999 + b"y"))
    assert one != other
    assert len(json.dumps(one)) < 2000


def document(outcome: report.Outcome = "pass", status: int = 200) -> dict[str, Any]:
    results, subjects = [], [Subject("in process", BARE, each) for each in FRAMEWORKS]
    for subject in subjects:
        request = {"method": "GET", "target": "/x", "mount": "bare"}
        seen = [{"request": request, "answers": [{"status": status, "body": "x"}]}]
        found = report.result(PARTS["HTTP-4"], subject, outcome, exchanges=seen)
        results.append(found)
    return canonical_result.document_of(results, subjects)


def test_the_text_is_a_line_for_each_row_and_is_read_back() -> None:
    text = canonical_result.text_of(document())
    assert json.loads(text) == document()
    assert sum('"case": "HTTP-4"' in line for line in text.splitlines()) == len(FRAMEWORKS) + 1
    assert text == canonical_result.text_of(document())


def test_equal_answers_are_kept_once() -> None:
    found = document()
    assert len(found["answers"]) == 1
    (row,) = found["exchanges"]
    assert set(row["answers"]) == {framework.name for framework in FRAMEWORKS}


def test_the_order_in_which_workers_finish_does_not_matter() -> None:
    subjects = [Subject("in process", BARE, each) for each in FRAMEWORKS]
    results = [
        report.result(PARTS[case], subject, "pass")
        for subject in subjects
        for case in ("HTTP-4", "HTTP-5")
    ]
    forwards = canonical_result.document_of(results, subjects)
    backwards = canonical_result.document_of(results[::-1], subjects[::-1])
    assert canonical_result.text_of(forwards) == canonical_result.text_of(backwards)


def test_nothing_differs_from_itself() -> None:
    assert canonical_result.differences(document(), document()) == []


def test_the_first_differing_cells_are_named() -> None:
    lines = canonical_result.differences(document(), document("waived"))
    first = FRAMEWORKS[0].name
    assert lines[0] == (
        f"HTTP-4, {first} on in process: outcome 'pass' is committed, 'waived' was found"
    )


def test_a_differing_answer_is_named_with_its_request() -> None:
    (line, *_) = canonical_result.differences(document(), document(status=404))
    assert line.endswith("GET /x: status 200 is committed, 404 was found")


def test_of_many_differing_cells_the_number_is_told() -> None:
    found = document()
    committed = copy.deepcopy(found)
    committed["cells"] = [{**row, "case": f"X-{n}"} for n, row in enumerate(found["cells"])] * 3
    lines = canonical_result.differences(committed, found)
    assert len(lines) <= 6
    assert lines[-1].startswith("and ")


def test_another_version_is_named() -> None:
    committed = document()
    name = FRAMEWORKS[0].name
    committed["apps"][name]["version"] = "0.0.1"
    (line,) = canonical_result.differences(committed, document())
    assert f"{name} 0.0.1" in line


@pytest.mark.parametrize("outcome", ["fail", "skipped"])
def test_a_run_with_a_failure_is_not_complete(outcome: report.Outcome) -> None:
    subject, part = Subject("in process", BARE, FRAMEWORKS[0]), PARTS["HTTP-4"]
    passed = report.result(part, subject, "pass")
    assert canonical_result.complete([passed], [(subject, part)]) == [passed]
    assert (
        canonical_result.complete([report.result(part, subject, outcome)], [(subject, part)])
        is None
    )


def test_a_run_of_a_part_is_not_complete() -> None:
    subject = Subject("in process", BARE, FRAMEWORKS[0])
    pairs = [(subject, PARTS["HTTP-4"]), (subject, PARTS["HTTP-5"])]
    only = [report.result(PARTS["HTTP-4"], subject, "pass")]
    assert canonical_result.complete(only, pairs) is None


def test_results_of_other_tests_are_no_part_of_the_canonical_result() -> None:
    subject, part = Subject("in process", BARE, FRAMEWORKS[0]), PARTS["HTTP-4"]
    passed = report.result(part, subject, "pass")
    in_a_browser = replace(passed, server="uvicorn, browser", outcome="fail")
    assert canonical_result.complete([in_a_browser, passed], [(subject, part)]) == [passed]


class Config:
    """What the plugin reads of a run: its options and its results."""

    def __init__(self, *cases: str, **options: object) -> None:
        self.stash = pytest.Stash()
        self.stash[SUBJECTS] = [Subject("in process", BARE, each) for each in FRAMEWORKS]
        self.stash[RESULTS] = [
            report.result(part, subject, "pass")
            for subject, part in parts_of_subjects(cast(pytest.Config, self))
            if not cases or part.case_id in cases
        ]
        self._options = options

    def getoption(self, name: str) -> object:
        return self._options.get(name.strip("-"))

    def finish(self) -> tuple[int, list[str]]:
        """Ends the run. Returns its exit code, and what it prints of the comparison."""
        session = SimpleNamespace(config=self, exitstatus=0)
        compare(cast(pytest.Session, session))
        return session.exitstatus, self.stash.get(DIFFERENCES, [])


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own for the committed result."""
    monkeypatch.setattr(canonical_result, "ROOT", tmp_path)
    monkeypatch.setattr(canonical_result, "FILE", tmp_path / "results" / "contract.json")
    return canonical_result.FILE


def test_a_whole_run_is_recorded_and_then_agrees_with_the_record(file: Path) -> None:
    assert Config(record=True).finish() == (0, [])
    recorded = file.read_bytes()
    assert Config().finish() == (0, [])
    assert Config(record=True).finish() == (0, [])
    assert file.read_bytes() == recorded


def test_a_run_that_differs_from_the_record_fails_with_the_command_that_records_it(
    file: Path,
) -> None:
    Config(record=True).finish()
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace('"outcome": "pass"', '"outcome": "waived"', 1), encoding="utf-8")
    code, lines = Config().finish()
    assert code == pytest.ExitCode.TESTS_FAILED
    assert lines[0] == "results/contract.json is not what the contract suite found:"
    assert "outcome 'waived' is committed, 'pass' was found" in lines[1]
    assert lines[-1].endswith("record it: make contract-record")
    assert len(lines) == 3


def test_a_record_of_another_python_is_not_compared_and_the_run_says_so(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Config(record=True).finish()
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace('"outcome": "pass"', '"outcome": "waived"', 1), encoding="utf-8")
    monkeypatch.setattr(canonical_result, "PYTHON", "3.99")
    code, (line,) = Config().finish()
    assert code == 0
    assert line.endswith("and is not compared with Python 3.99.")


@pytest.mark.parametrize("text", [None, "", "{}", "no JSON"])
def test_a_record_that_cannot_be_read_fails_a_whole_run(file: Path, text: str | None) -> None:
    if text is not None:
        file.parent.mkdir()
        file.write_text(text, encoding="utf-8")
    code, lines = Config().finish()
    assert code == pytest.ExitCode.TESTS_FAILED
    assert lines


@pytest.mark.parametrize("options", [{"app": "x"}, {"server": ["uvicorn"]}, {"url": "http://x"}])
def test_a_run_of_a_part_compares_nothing(file: Path, options: dict[str, object]) -> None:
    assert Config(**options).finish() == (0, [])
    assert Config("HTTP-4").finish() == (0, [])


def test_nothing_is_recorded_from_a_part_of_the_suite(file: Path) -> None:
    code, lines = Config("HTTP-4", record=True).finish()
    assert code == pytest.ExitCode.TESTS_FAILED
    assert lines == ["Nothing is recorded: it needs the whole suite, without a failure."]
    assert not file.exists()


def test_the_committed_result_is_complete_and_of_moderate_size() -> None:
    committed = canonical_result.read()
    assert {row["case"] for row in committed["cells"]} == set(CASES)
    assert {row["app"] for row in committed["cells"]} == {each.name for each in FRAMEWORKS}
    assert canonical_result.FILE.stat().st_size < 2_000_000
