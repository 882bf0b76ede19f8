"""The operators, the ids and the list by themselves, and a sample of mutants that are killed."""

import ast
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from tests.mutation import report, results, survivors
from tests.mutation.__main__ import RECORD
from tests.mutation.mutants import files, mutants_of
from tests.mutation.operators import mutations
from tests.mutation.pool import Finished, Pool
from tests.mutation.run import Trial
from tests.mutation.survivors import Survivor
from tooling.frameworks import ROOT, find_frameworks

SAMPLE = ("get_greeting", "get_user", "on_problem", "page", "talk", "refuse")
"""Names of which every app has at least two, in this order of preference."""


def changes(source: str) -> set[tuple[str, str]]:
    tree = ast.parse(source)
    return {(m.operator, ast.unparse(m.apply(tree))) for m in mutations(tree)}


@pytest.mark.parametrize(
    ("operator", "source", "changed"),
    [
        ("negate", "while x:\n    y()", "while not x:\n    y()"),
        ("negate", "a = [b for b in c if b]", "a = [b for b in c if not b]"),
        ("compare", "a = b <= c", "a = b < c"),
        ("compare", "a = b is c", "a = b is not c"),
        ("boolean", "a = b or c", "a = b and c"),
        ("arithmetic", "a = b + c", "a = b - c"),
        ("number", "a = 404", "a = 405"),
        ("number", "a = 404", "a = 403"),
        ("string", "a = b'x'", "a = b'xX'"),
        ("string", "a = f'x{b}'", "a = f'xX{b}'"),
        ("constant", "a = True", "a = False"),
        ("keyword", "a = b(c, d=e)", "a = b(c)"),
        ("decorator", "@a\ndef b():\n    pass", "def b():\n    pass"),
        ("return", "def a():\n    return b", "def a():\n    return None"),
        ("statement", "a()", "pass"),
        ("statement", "a.b = c", "pass"),
        ("statement", "raise a", "pass"),
        ("handler", "try:\n    a()\nexcept B:\n    c()", "if True:\n    a()"),
        ("handler", "try:\n    a()\nfinally:\n    c()", "if True:\n    a()"),
        ("context", "with a():\n    b()", "if True:\n    b()"),
        ("unwrap", "a = b(c)", "a = c"),
        ("method", "a = b.strip('/')", "a = b"),
    ],
)
def test_an_operator_makes_its_change(operator: str, source: str, changed: str) -> None:
    assert (operator, changed) in changes(source)


@pytest.mark.parametrize(
    "source",
    [
        '"""Text."""',
        "a = b\n'''Text.'''",
        "def a(b: 'c' = d) -> 'e':\n    pass",
        "a: Literal['b']",
        "import a",
        "class A(Protocol):\n\n    @property\n    def b(self):\n        return 1",
        "a = Callable[['b', None], c]",
    ],
)
def test_what_has_no_effect_is_not_changed(source: str) -> None:
    assert changes(source) == set()


def test_a_condition_is_not_changed_twice_in_the_same_way() -> None:
    assert len(changes("if a == b:\n    pass")) == 1
    assert len(changes("if a < b:\n    pass")) == 2


def test_a_call_inside_a_type_is_changed() -> None:
    assert ("keyword", "A = Annotated[str, Path()]") in changes("A = Annotated[str, Path(b=c)]")


def test_ids_are_unique_and_every_mutant_is_a_module() -> None:
    ids = []
    for file in files():
        found = mutants_of(file)
        ids += [mutant.id for mutant in found]
        for mutant in found:
            assert mutant.code()
            assert mutant.change
    assert len(ids) == len(set(ids))
    assert {f"{framework.name}_app/app.py" for framework in find_frameworks()} < set(files())


def test_an_id_survives_edits_elsewhere() -> None:
    source = "def a():\n    return b(c)\n\nD = 1\n"
    edited = f"import x\n\nE = 1\n\ndef z():\n    return y(c)\n\n{source}"

    def places(text: str) -> list[tuple[str, str]]:
        return [(m.operator, m.scope) for m in mutations(ast.parse(text)) if m.scope in ("a", "D")]

    assert places(source) == places(edited) != []


def test_every_listed_survivor_exists_and_is_the_change_that_was_judged() -> None:
    existing = {mutant.id: mutant.change for file in files() for mutant in mutants_of(file)}
    for id, survivor in survivors.listed().items():
        assert existing.get(id) == survivor.change, id


def test_an_entry_can_be_read_again(tmp_path: Path) -> None:
    file = tmp_path / "survivors.toml"
    text = survivors.entry("a:b:c:1", "'x\\'' -> \"y\"")
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="no kind or no reason"):
        survivors.listed(file)
    file.write_text(text.replace("''\nreason = ''", "'speed'\nreason = 'so'"), encoding="utf-8")
    assert survivors.listed(file)["a:b:c:1"].change == "'x\\'' -> \"y\""
    file.write_text(file.read_text(encoding="utf-8") * 2, encoding="utf-8")
    with pytest.raises(ValueError, match="twice"):
        survivors.listed(file)


def trial(id: str, outcome: str = "survived", by: str | None = None) -> Trial:
    return Trial(id, "a -> b", outcome, by, "contract", "x", 1.0, "c0ffee")  # type: ignore[arg-type]


def test_a_list_that_is_not_true_is_told() -> None:
    tried = [
        trial("x_app/app.py:1"),
        trial("x_app/app.py:2", "killed", "HTTP-1"),
        trial("x_app/app.py:3"),
        trial("x_app/app.py:5", "timed out"),
        trial("x_app/app.py:6"),
    ]
    known = {
        id: Survivor(id, change, "speed", "so")
        for id, change in (
            ("x_app/app.py:2", "a -> b"),
            ("x_app/app.py:3", "a -> b"),
            ("x_app/app.py:4", "a -> b"),
            ("x_app/app.py:6", "a -> c"),
            ("y_app/app.py:1", "a -> b"),
        )
    }
    told = report.complaints(tried, known, ["x_app"])
    assert [line.partition(" ")[0] for line in told] == [
        f"x_app/app.py:{number}" for number in (1, 2, 4, 6)
    ]


def test_rates_count_what_was_killed_and_leave_out_what_is_equivalent() -> None:
    mutants = [m for file in ("quart_app/app.py", "shared/hello.py") for m in mutants_of(file)]
    own = [mutant.id for mutant in mutants if mutant.app]
    tried = [
        *(trial(id, "killed", "HTTP-1") for id in own[:7]),
        trial(own[7], "timed out"),
        trial(own[8]),
        trial(own[9]),
        trial(own[10], "died"),
    ]
    known = {
        own[8]: Survivor(own[8], "a -> b", "equivalent", "so"),
        own[9]: Survivor(own[9], "a -> b", "servers", "so"),
    }
    found = report.count(mutants, {each.id: each for each in tried}, known)
    counts = found.apps["quart"]
    assert (counts.mutants, counts.untried) == (11, len(own) - 11)
    assert (counts.by_contract, counts.by_tests, counts.timed_out, counts.killed) == (7, 0, 1, 8)
    assert (counts.equivalent, counts.survivors, counts.unlisted) == (1, 2, 1)
    assert counts.rate is None
    assert report.below_goal(found) == []
    document = report.document(found, tried, known)
    assert [each["id"] for each in document["survivors"]] == sorted([own[8], own[9]])
    assert document["apps"]["quart"]["killed"] == 8
    assert document["tried"] == {"c0ffee": 11}
    assert found.shared.mutants == 0
    whole = report.count(mutants[:11], {each.id: each for each in tried}, known)
    assert whole.apps["quart"].rate == 8 / 10
    assert "80.0 %" in report.table(whole)


def test_an_app_below_the_goal_is_told() -> None:
    mutants = mutants_of("quart_app/app.py")
    tried = {mutant.id: trial(mutant.id) for mutant in mutants}
    (told,) = report.below_goal(report.count(mutants, tried, {}))
    assert told == "quart: 0.0 % were killed, less than 95 %."


def test_a_trial_is_kept_until_the_code_changes(tmp_path: Path) -> None:
    file = tmp_path / "mutation.json"
    assert results.read(file, []) == {}
    first, second, third = mutants_of("quart_app/app.py")[:3]
    kept = replace(trial(first.id, "killed", "HTTP-1"), change=first.change)
    results.write(file, {"commit": "x"}, [kept, trial(second.id)])
    # The second is of another change, and the third was not tried.
    assert results.read(file, [first, second, third]) == {first.id: kept}
    text = file.read_text(encoding="utf-8").replace(
        results.fingerprint("quart", "contract"), "another"
    )
    file.write_text(text, encoding="utf-8")
    assert results.read(file, [first, second, third]) == {}


def test_the_recorded_counts_add_up_and_reach_the_goal() -> None:
    recorded = json.loads(RECORD.read_text(encoding="utf-8"))
    assert set(recorded["apps"]) == {framework.name for framework in find_frameworks()}
    shared = recorded["shared"]
    for counts in (*recorded["apps"].values(), shared, *shared["files"].values()):
        assert counts["mutants"] == counts["killed"] + counts["equivalent"] + counts["survivors"]
    for counts in recorded["apps"].values():
        assert (counts["rate"] is None) == (counts["untried"] > 0)
        assert counts["rate"] is None or counts["rate"] >= report.GOAL
    assert sum(recorded["tried"].values()) == sum(
        counts["mutants"] for counts in (*recorded["apps"].values(), shared)
    )


def finished(call: object, timeout: float = 10.0) -> Finished:
    pool = Pool(1)
    pool.start("a", call, timeout)  # type: ignore[arg-type]
    (found,) = pool.wait()
    assert pool.is_idle
    return found


def test_a_process_that_is_too_slow_or_dies_is_no_result() -> None:
    assert finished(lambda: {"by": "x"}).result == {"by": "x"}
    slow = finished(lambda: time.sleep(60), timeout=0.05)
    assert (slow.result, slow.timed_out) == (None, True)
    busy = finished(lambda: next(number for number in count() if number < 0), timeout=1)
    assert (busy.result, busy.timed_out) == (None, True)
    assert busy.seconds < 2.5
    dead = finished(lambda: os._exit(1))
    assert (dead.result, dead.timed_out) == (None, False)


def sample() -> list[str]:
    """Two mutants of each app, chosen by the name of the function, not by its code."""
    chosen = []
    for framework in find_frameworks():
        found = mutants_of(f"{framework.folder.name}/app.py")
        for name in SAMPLE:
            ids = [m.id for m in found if m.mutation.scope.rpartition(".")[2] == name]
            returned = [id for id in ids if ":return:" in id or ":statement:" in id]
            chosen += returned[:1]
            if len([id for id in chosen if id.startswith(framework.folder.name)]) == 2:
                break
    return chosen


def test_a_sample_of_mutants_is_killed() -> None:
    """In processes of its own: the apps of this one must not be imported yet, nor changed."""
    ids = sample()
    assert len(ids) == 2 * len(find_frameworks())
    options = [option for id in ids for option in ("--id", id)]
    file = ROOT / "build" / "mutation-sample.json"
    found = subprocess.run(
        [sys.executable, "-m", "tests.mutation", "--again", *options, "--report", str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    outcomes = {m["id"]: m["outcome"] for m in json.loads(file.read_text())["trials"]}
    assert outcomes == dict.fromkeys(ids, "killed")
