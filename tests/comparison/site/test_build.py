"""The build: what it refuses, what it writes, and that a further framework needs no change."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from comparison.bench.analysis import Table, summarize
from comparison.bench.readme import ROWS, _find, _leader
from comparison.site.advice import advise
from comparison.site.applications import HEADINGS, Application
from comparison.site.build import build, render
from comparison.site.contract_cases import Contract, section_of
from comparison.site.decision import decision
from comparison.site.figures import Figures, _lead, summary_of
from comparison.site.model import RESULTS, Page, Site
from comparison.site.notes import notes_of
from comparison.site.profiles import read_profiles
from rehearsal.profiles import PROFILES
from tests.comparison.site.bench_results import document
from tests.contract import cases as cases
from tests.contract.registry import CASES
from tooling.errors import UsageError
from tooling.frameworks import ROOT, Framework, find_frameworks

MAX_PAGE = 300_000
MAX_SITE = 5_000_000
RECORDED = ("contract", "upgrade", "endurance", "figures.html")
"""The pages that show the frameworks of a recorded result."""
MAX_SECONDS = 5.0
"""Of processor time: what the issue of this site allows, whatever else the machine does."""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The committed results, and invented figures."""
    folder = tmp_path_factory.mktemp("results")
    shutil.copytree(RESULTS, folder, dirs_exist_ok=True)
    (folder / "bench.json").write_text(json.dumps(document()), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def built(results: Path) -> Mapping[str, bytes]:
    """Every file of the site."""
    begun = time.process_time()
    files = render(Site(results=results))
    assert time.process_time() - begun < MAX_SECONDS
    return files


def html_of(files: Mapping[str, bytes]) -> dict[str, str]:
    return {name: text.decode() for name, text in files.items() if name.endswith(".html")}


def text_of(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


# --- What it writes


def test_a_setting_adds_links_to_the_lines_in_the_repository(results: Path) -> None:
    base = "https://git.example/us/ours/blob/0123abc/"
    pages = html_of(render(Site(results=results, repository=base)))
    for framework in find_frameworks():
        section = Application(framework).section("Live")
        path = f"{base}{framework.folder.name}/app.py"
        link = f'<a href="{path}#L{section.first}-L{section.last}" data-outside>'
        assert link in pages["side-by-side.html"]
        assert (
            f'<a href="{path}" data-outside>' in pages[f"src/{framework.folder.name}/app.py.html"]
        )


def test_the_site_is_small(built: Mapping[str, bytes]) -> None:
    assert {name: len(text) for name, text in built.items() if name.endswith(".html")}
    for name, text in built.items():
        assert not name.endswith(".html") or len(text) < MAX_PAGE, name
    assert sum(map(len, built.values())) < MAX_SITE


def test_another_process_writes_the_same_bytes(
    built: Mapping[str, bytes], results: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "comparison.site", "--results", str(results), "--output"]
    environ = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "LC_ALL": "C"}
    subprocess.run([*command, str(tmp_path / "site")], cwd=ROOT, env=environ, check=True)
    files = [file for file in (tmp_path / "site").rglob("*") if file.is_file()]
    written = {file.relative_to(tmp_path / "site").as_posix(): file.read_bytes() for file in files}
    assert written == built


def test_nothing_is_inline_and_nothing_leads_elsewhere(built: Mapping[str, bytes]) -> None:
    for name, html in html_of(built).items():
        tags = re.findall(r"<[a-z][^<>]*>", html)
        assert not [tag for tag in tags if re.search(r" (style|on[a-z]+)=", tag)], name
        assert [tag for tag in tags if tag.startswith("<script") and " src=" not in tag] == [], name
        assert "<style" not in html, name
        for address in re.findall(r' (?:href|src|action)="([^"]*)"', "".join(tags)):
            assert not re.match(r"[a-z]+:|/", address), (name, address)
        assert "script-src 'self'" in html
        assert "'unsafe" not in html
    for name, text in built.items():
        if name.endswith((".css", ".js")):
            assert b"://" not in text, name


def test_only_the_common_tokens_and_those_of_code_name_a_colour(
    built: Mapping[str, bytes],
) -> None:
    for name in ("site.css", "columns.css"):
        rules = re.sub(r":root \{.*?\n\}", "", built[name].decode(), flags=re.DOTALL)
        assert re.findall(r"#[0-9a-f]{3,8}\b(?![^{]*\{)|rgb|hsl", rules) == [], name
    own = (ROOT / "rehearsal/dashboard/pages/rehearsal.css").read_text("utf-8")
    assert re.findall(r"#[0-9a-f]{3,8}\b", own) == []


def test_what_an_attack_costs_stands_by_application_and_server_and_is_marked_if_not_held(
    results: Path, tmp_path: Path
) -> None:
    shutil.copytree(results, tmp_path, dirs_exist_ok=True)
    first, second = [framework.name for framework in find_frameworks()][:2]

    def cost(app: str, value: float, exposed: str = "") -> dict[str, Any]:
        found = {"attack": "pings", "app": app, "server": "uvicorn", "value": value}
        return found | {"unit": "MiB", "allowed": 16.0, "exposed": exposed}

    soak = {
        "date": "2026-11-27",
        "commit": "c0ffee",
        "counts": {"everything": False},
        "tried": {"attacks": 2, "restarts": 1000},
        "held": {"attacks": 1, "restarts": 1000},
        "measures": [cost(first, 2.5), cost(second, 114.0, "It has no limit.")],
    }
    (tmp_path / "soak.json").write_text(json.dumps(soak), encoding="utf-8")
    text = text_of(render(Site(results=tmp_path))["endurance.html"].decode())
    assert "pings MiB 16 2.50 114 ! " in text
    assert "! uvicorn: It has no limit." in text
    assert "restarts 1,000 1,000" in text
    assert "make soak SOAK=short" in text


def test_a_measured_row_is_a_reason_here_where_it_is_one_in_readme() -> None:
    site = Site()
    recorded = site.result("bench.json")
    assert recorded
    summary = summary_of(recorded)
    leaders = {(row.matter, _leader(_find(summary, row))) for row in ROWS if row.matter}
    readme = {(matter, leader) for matter, leader in leaders if leader}
    here = {
        (reason.text.partition(" (")[0], f"{each.application.name} matched")
        for each in advise(decision(site), Contract.of(site), site.applications)
        for reason in each.reasons
        if (reason.evidence or "").startswith("figures")
    }
    assert here == readme


def test_the_share_of_the_mutants_that_were_killed_stands_side_by_side(
    built: Mapping[str, bytes],
) -> None:
    recorded = json.loads((RESULTS / "mutation.json").read_text("utf-8"))
    text = text_of(built["endurance.html"].decode())
    rates = [each["rate"] for each in (*recorded["apps"].values(), recorded["shared"])]
    cells = ["not all tried" if rate is None else f"{100 * rate:.1f} %" for rate in rates]
    assert f"of those that a request can tell {' '.join(cells)}" in text
    for survivor in recorded["survivors"]:
        assert survivor["reason"] in text


def test_every_note_of_the_readmes_stands_at_one_section(built: Mapping[str, bytes]) -> None:
    html = built["side-by-side.html"].decode()
    for framework in find_frameworks():
        notes = notes_of(Application(framework))
        assert len(notes) > 5
        for note in notes:
            line = f'src/{framework.folder.name}/README.md.html#L{note.line}"'
            assert html.count(line) == 1, note


def test_every_case_stands_at_one_section(built: Mapping[str, bytes]) -> None:
    text = text_of(built["side-by-side.html"].decode())
    recorded = json.loads((RESULTS / "contract.json").read_text("utf-8"))["cases"]
    assert [case["id"] for case in recorded] == list(CASES)
    for id in CASES:
        assert len(re.findall(rf"{id} [A-Z/{{]", text)) >= 1, id


@pytest.mark.parametrize(
    ("case_id", "section"),
    [
        ("HELLO-1", "Hello"),
        ("PAGES-12", "Pages"),
        ("DOCS-1", "Documentation"),
        ("STORE-7", "Start-up and shutdown"),
        ("STREAM-1", "Greetings"),
        ("CACHE-1", "The application"),
        ("NEW-1", "The application"),
    ],
)
def test_the_group_of_a_case_decides_its_section(case_id: str, section: str) -> None:
    assert section_of(case_id) == section


def test_the_profiles_are_those_of_the_rehearsal() -> None:
    read = [(each.name, each.stands_for, each.evidence) for each in read_profiles()]
    assert read == [(each.name, each.stands_for, each.evidence) for each in PROFILES.values()]


def test_the_decision_table_has_five_groups_and_every_row_a_cell_for_each(results: Path) -> None:
    groups = decision(Site(results=results))
    assert len(groups) == 5
    rows = [row for group in groups for row in group.rows]
    assert 25 <= len(rows) <= 35
    assert {len(row.cells) for row in rows} == {len(find_frameworks())}
    for row in rows:
        for cell in row.cells:
            assert cell.evidence or "not " in cell.text or cell.text == "no companions", row


def test_without_figures_the_pages_say_how_to_measure(tmp_path: Path) -> None:
    files = html_of(render(Site(results=tmp_path)))
    assert "not measured yet: make bench" in text_of(files["index.html"])
    assert "Not measured yet: make bench" in text_of(files["figures.html"])
    assert "not recorded yet: make releases" in text_of(files["index.html"])
    assert "is not recorded yet: make test-all" in text_of(files["side-by-side.html"])


def test_a_figure_whose_gate_failed_is_void_and_a_run_that_does_not_hold_gives_no_number(
    built: Mapping[str, bytes], tmp_path: Path
) -> None:
    reason = "The client used 97% of its core."
    assert f"void Round 1: {reason}" in text_of(built["index.html"].decode())
    assert f"void: Round 1: {reason}" in text_of(built["figures-latency.html"].decode())
    (tmp_path / "bench.json").write_text(json.dumps(document(again=1.2)), encoding="utf-8")
    void = html_of(render(Site(results=tmp_path)))
    assert "void The control differs from itself." in text_of(void["index.html"])
    assert "This run does not hold." in text_of(void["figures.html"])
    assert "Nothing: the run does not hold." in text_of(void["figures.html"])
    assert "<svg" not in void["figures-capacity.html"]


def recorded(document: dict[str, Any], tmp_path: Path) -> Site:
    (tmp_path / "bench.json").write_text(json.dumps(document), encoding="utf-8")
    return Site(results=tmp_path)


def test_the_first_is_ahead_by_a_factor_above_1_whichever_side_is_better(tmp_path: Path) -> None:
    for name, worse, more in (("/greetings", "quart", True), ("mistake", "falcon", False)):
        table = Table("B1", "m", "uvicorn", name, "requests/s" if more else "ms", [])
        table.pairs = [
            {"first": "falcon", "second": "quart", "interval": {"low": 2.0, "high": 4.0}},
            {"first": "quart", "second": "falcon", "interval": {"low": 0.125, "high": 0.2}},
        ]
        best = "falcon" if worse == "quart" else "quart"
        lead = "2 to 4 times the next" if more else "the next: 2 to 4 times that"
        assert _lead(table, best) == lead


def test_a_pair_says_of_each_figure_whether_it_separates_the_two(
    built: Mapping[str, bytes], results: Path
) -> None:
    rows = {row.title: row for row in Figures.of(Site(results=results)).rows("speed")}
    last = len(find_frameworks()) - 1
    assert rows["Processor time of a request"].verdicts[0, last] == "undecided"
    one, *_, other = [Application(framework) for framework in find_frameworks()]
    text = text_of(built[f"{one.name}-vs-{other.name}.html"].decode())
    assert re.search(
        rf"Requests per second [^.]*? decided: {other.title} is 1\.\d+ to 1\.\d+ times {one.title}",
        text,
    )
    assert "place 1" not in text
    assert "times the next" not in text


def test_a_process_that_was_killed_is_not_shown_as_one_that_stopped(tmp_path: Path) -> None:
    made = document()
    note = "More than 5 s: the process was killed."
    figure = {"measure": "B8", "name": "exit, 50 streams", "unit": "s", "value": 5.0}
    figure |= {"samples": 1, "faults": [], "note": note, "extra": {}}
    figures = {f"{framework.name} matched": [figure] for framework in find_frameworks()}
    block = {**made["blocks"][0], "measure": "B8", "module": "stopping", "figures": figures}
    made["blocks"].append({**block, "key": "0 stopping uvicorn"})
    made["summary"] = summarize(made, []).as_json()
    front = text_of(html_of(render(recorded(made, tmp_path)))["index.html"])
    assert front.count(f"5 {note}") == len(find_frameworks())


def test_a_control_of_too_few_rounds_decides_nothing(tmp_path: Path) -> None:
    made = document(again=1.2)
    made["blocks"] = [block for block in made["blocks"] if block["round"] < 2]
    made["summary"] = summarize(made, []).as_json()
    page = html_of(render(recorded(made, tmp_path)))["figures.html"]
    (table,) = re.findall(r'<h2 id="again">.*?</table>', page, re.DOTALL)
    assert "2 rounds decide nothing" in table
    assert ">yes<" not in table


# --- What it refuses


def changed(tmp_path: Path, old: str, new: str) -> Application:
    """An application with one change in its source."""
    framework = find_frameworks()[0]
    folder = tmp_path / framework.folder.name
    folder.mkdir()
    text = (framework.folder / "app.py").read_text("utf-8")
    assert text.count(old) == 1
    (folder / "app.py").write_text(text.replace(old, new), encoding="utf-8")
    return Application(Framework(framework.name, folder))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("# --- Hello\n", "# --- Hi\n", "the heading is 'Hi', expected 'Hello'."),
        ("# --- Hello\n", "\n", "the heading is 'Live', expected 'Hello'."),
        ("# --- The application\n", "\n", "the heading 'The application' is missing."),
        ("# --- Live\n", "# --- Health\n", "the heading is 'Health', expected 'Live'."),
        (
            "\napp = connect.Mount",
            "\n# --- More\n\napp = connect.Mount",
            "the heading 'More' is none of the common ones.",
        ),
    ],
    ids=["differs", "absent", "last absent", "order", "further"],
)
def test_headings_that_differ_end_the_build_with_one_line(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    application = changed(tmp_path, old, new)
    with pytest.raises(UsageError, match=re.escape(message)) as raised:
        _ = application.sections
    assert "\n" not in str(raised.value)
    assert str(raised.value).startswith(f"{application.path}:")


def test_the_sections_are_the_source_without_its_head() -> None:
    for framework in find_frameworks():
        application = Application(framework)
        assert tuple(section.title for section in application.sections) == HEADINGS
        for section in application.sections:
            lines = application.lines[section.first - 1 : section.last]
            assert tuple(lines) == section.lines
            assert lines[0].strip()
            assert lines[-1].strip()


@pytest.mark.parametrize(
    ("link", "message"),
    [
        ("none.html", "index.html: none.html leads nowhere."),
        ("src/none.html#L1", "index.html: src/none.html#L1 leads nowhere."),
        ("side-by-side.html#none", "index.html: side-by-side.html has no anchor none."),
        ("/side-by-side.html", "index.html: /side-by-side.html is not relative."),
        ("https://example.org/", "index.html: https://example.org/ is not relative."),
    ],
)
def test_a_link_that_leads_nowhere_ends_the_build_and_the_old_site_remains(
    link: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "index.html").write_text("the old one")

    def few(site: Site) -> list[Page]:
        return [Page("index.html", "", ""), Page("side-by-side.html", "", "")]

    def broken(self: object, page: Page) -> str:
        return f'<a href="{link}"></a>' if page.address == "index.html" else '<h1 id="top"></h1>'

    monkeypatch.setattr("comparison.site.build.find_pages", few)
    monkeypatch.setattr("comparison.site.rendering.Renderer.render", broken)
    with pytest.raises(UsageError, match=re.escape(message)):
        build(Site(), folder)
    assert (folder / "index.html").read_text() == "the old one"
    assert [file.name for file in tmp_path.iterdir()] == ["site"]


def test_a_result_that_is_no_json_ends_the_build_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "releases.json").write_text("{")
    with pytest.raises(UsageError, match=r"releases.json is not a result"):
        render(Site(results=tmp_path))


def test_what_rsconnect_recorded_survives_the_next_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = {"path": "a.py", "lines": []}
    pages = [Page(name, "", "source.html", context) for name in ("index.html", "sources.html")]
    monkeypatch.setattr("comparison.site.build.find_pages", lambda site: pages)
    record = tmp_path / "site" / "rsconnect-python" / "site.json"
    record.parent.mkdir(parents=True)
    record.write_text("{}")
    build(Site(), tmp_path / "site")
    assert record.read_text() == "{}"
    assert (tmp_path / "site" / "index.html").is_file()


# --- A further framework

STARLETTE = '''"""Greetings in Starlette."""

from starlette.applications import Starlette

# --- Start-up and shutdown

api = Starlette()

# --- Greetings

GREETINGS = "/greetings"

# --- Hello

HELLO = "/hello"

# --- Live

LIVE = "/live"

# --- Health

HEALTH = "/health"

# --- Pages

PAGES = "/"

# --- Documentation

DOCS = "/docs"

# --- Refusals

REFUSALS = 404

# --- The application

app = connect.Mount(Lifespan(Security(Files(api), websockets={"/live"})), path="included")
'''
STARLETTE_PROJECT = """[project]
name = "starlette-app"
version = "1"
dependencies = ["starlette>=1"]

[tool.contract]
title = "Starlette"
distribution = "starlette"
"""


@pytest.fixture(scope="module")
def with_a_fifth(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The pages of a tree with one more folder, and figures of all frameworks in it."""
    tree = tmp_path_factory.mktemp("tree")
    folders = ("comparison", "shared", "tooling", "deploy", "tests", "rehearsal")
    ignored = shutil.ignore_patterns("__pycache__", "swagger-ui")
    for folder in (*folders, *(framework.folder.name for framework in find_frameworks())):
        shutil.copytree(ROOT / folder, tree / folder, ignore=ignored)
    (tree / "starlette_app").mkdir()
    (tree / "starlette_app" / "app.py").write_text(STARLETTE)
    (tree / "starlette_app" / "pyproject.toml").write_text(STARLETTE_PROJECT)
    program = (
        "import json; from pathlib import Path;"
        "from tests.comparison.site.bench_results import document;"
        "Path('comparison/results/bench.json').write_text(json.dumps(document()))"
    )
    for command in (["-c", program], ["-m", "comparison.site", "--apps", "./"]):
        subprocess.run([sys.executable, *command], cwd=tree, check=True)
    site = tree / "build" / "site"
    return {
        file.relative_to(site).as_posix(): file.read_text("utf-8") for file in site.rglob("*.html")
    }


def test_a_further_framework_appears_on_every_page(with_a_fifth: dict[str, str]) -> None:
    pages = {name: html for name, html in with_a_fifth.items() if not name.startswith("src/")}
    pairs = [name for name in pages if "-vs-" in name]
    assert len(pairs) == 10
    assert len([name for name in pairs if "starlette" in name]) == 4
    for name, html in pages.items():
        of_others = "-vs-" in name and "starlette" not in name
        if not of_others and not name.startswith(RECORDED):
            assert "starlette" in text_of(html).lower(), name
    assert 'href="./starlette/"' in pages["index.html"]
    assert 'id="with-starlette"' in pages["side-by-side.html"]
    assert "starlette matched" in text_of(pages["figures.html"])
    assert "make deploy-starlette" in text_of(pages["deploy.html"])
    assert "src/starlette_app/app.py.html" in with_a_fifth


def test_no_page_says_how_many_frameworks_there_are_but_by_counting(
    with_a_fifth: dict[str, str],
) -> None:
    for name, html in with_a_fifth.items():
        if not name.startswith(("src/", "contract")):
            said = re.sub(r"Four handlers", "", text_of(html))
            assert not re.search(r"\bfour\b", said, re.IGNORECASE), name
            assert "five frameworks" in said, name
