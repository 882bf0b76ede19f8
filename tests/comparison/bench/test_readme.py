"""README's measured rows are those of the recorded run."""

import re
from pathlib import Path

import pytest

from comparison.bench import results
from comparison.bench.readme import (
    ROWS,
    choice,
    idiom_cost,
    part,
    second_process,
    table,
    write_application_readme,
    write_readme,
)
from comparison.bench.report import summary_of
from tests.comparison.bench.documents import figures_of, full_run
from tooling.errors import UsageError
from tooling.frameworks import ROOT, find_frameworks

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_readme_is_in_step_with_the_recorded_run() -> None:
    """README has no rows only as long as nothing is recorded."""
    measured, chosen = part(README, "measured"), part(README, "choice")
    assert measured is not None
    assert chosen is not None
    if not measured and not chosen:
        assert not results.RECORD.exists(), "A run is recorded: make bench-readme"
        return
    document = results.read(results.RECORD)
    summary = summary_of(document)
    assert measured == table(document, summary), "make bench-readme"
    assert chosen == choice(document, summary), "make bench-readme"
    assert part(README, "second process") == second_process(document, summary), "make bench-readme"
    for framework in find_frameworks():
        text = (framework.folder / "README.md").read_text(encoding="utf-8")
        assert part(text, "idiom") == idiom_cost(document, summary, framework), "make bench-readme"


def test_the_rows_are_written_between_the_comments_and_again_without_a_change(
    tmp_path: Path,
) -> None:
    file = tmp_path / "README.md"
    file.write_text(README, encoding="utf-8")
    write_readme(file, full_run())
    filled = file.read_text(encoding="utf-8")
    write_readme(file, full_run())
    assert file.read_text(encoding="utf-8") == filled
    written = part(filled, "measured")
    assert written
    row = next(line for line in written.splitlines() if "requests/s on" in line)
    titles = re.findall(r"[A-Z]\w+", written.splitlines()[0])
    cells = dict(zip(titles, row.strip("| ").split(" | ")[1:], strict=True))
    assert {found.title for found in find_frameworks()} == {*cells}
    assert cells["Falcon"].endswith(", 1")
    assert cells["Quart"].endswith(", 2-3")
    assert re.fullmatch(r"40\d \(\d+ to \d+\), 4|39\d \(\d+ to \d+\), 4", cells["FastAPI"])


def test_each_sentence_rests_on_a_measured_row() -> None:
    document = full_run()
    sentences = choice(document, summary_of(document)).splitlines()
    assert len(sentences) == len(find_frameworks()) + 1
    falcon = next(line for line in sentences if "Choose Falcon" in line)
    assert falcon.startswith("- Choose Falcon if throughput counts (requests/s on `/greetings`: ")
    for line in sentences[:-1]:
        assert any(measured.label in line for measured in ROWS), line


def test_what_is_not_separated_says_so_and_what_is_alone_in_words_is_a_reason() -> None:
    """Falcon is first in every row, FastAPI last; Quart and Sanic cannot be told apart."""
    document = full_run()
    fastapi, quart = choice(document, summary_of(document)).splitlines()[:2]
    assert "if parameters are to be validated from the types or" in fastapi
    assert "No measured row is a reason: its best is" in fastapi
    assert "if a query has to end when its client leaves (STORE-7) or" in quart
    assert ". No measured row is a reason: its best is" in quart
    for name in ("falcon", "sanic"):
        for figure in figures_of(document, "capacity", f"{name} matched"):
            figure["value"] = 600.0
    for number, figure in enumerate(figures_of(document, "capacity", "quart matched")):
        figure["value"] = 600.0 + number % 2
    shared = next(
        line for line in choice(document, summary_of(document)).splitlines() if "Quart" in line
    )
    assert " or throughput counts (requests/s on `/greetings`: " in shared
    assert "It is not separated from Falcon and Sanic there" in shared


def test_a_second_place_is_told_instead_of_the_best_one() -> None:
    document = full_run()
    for figure in figures_of(document, "capacity", "fastapi matched"):
        figure["value"] *= 700 / 400
    fastapi = choice(document, summary_of(document)).splitlines()[0]
    assert "No measured row is a reason. It is second in requests/s on `/greetings`: " in fastapi


def test_a_place_that_all_share_is_not_the_best() -> None:
    document = full_run()
    for block in document["blocks"]:
        if (block["module"], block["server"]) == ("start", "uvicorn"):
            for subject, (figure,) in block["figures"].items():
                figure |= {"name": "process to first answer, with bytecode", "unit": "ms"}
                figure["value"] = 500.0 + (block["round"] + len(subject)) % 2
    quart = choice(document, summary_of(document)).splitlines()[1]
    assert "its best is requests/s on `/greetings`: " in quart


def test_the_cost_of_the_idiom_is_written_into_the_readme_of_the_application(
    tmp_path: Path,
) -> None:
    framework = find_frameworks()[0]
    file = tmp_path / "README.md"
    file.write_text((framework.folder / "README.md").read_text("utf-8"), encoding="utf-8")
    document = full_run()
    for figure in figures_of(document, "idiom", f"{framework.name} matched"):
        figure.update(name="/about, constant bytes / matched", unit="ratio of CPU", value=0.5)
        figure["extra"] = {"CPU us/request": {"static": 10.0, "layered": 16.0, "matched": 20.0}}
    write_application_readme(file, framework, document)
    written = part(file.read_text(encoding="utf-8"), "idiom")
    assert written is not None
    assert "| `/about` | 10 | 16 | 20 | 0.5 (0.5 to 0.5) |" in written


def test_a_run_that_did_not_measure_the_layers_has_no_column_for_them() -> None:
    document, framework = full_run(), find_frameworks()[0]
    for figure in figures_of(document, "idiom", f"{framework.name} matched"):
        figure.update(name="/about, constant bytes / matched", unit="ratio of CPU", value=0.5)
        figure["extra"] = {"CPU us/request": {"static": 10.0, "matched": 20.0}}
    written = idiom_cost(document, summary_of(document), framework)
    assert "| | constant bytes | this application | ratio |" in written
    assert "| `/about` | 10 | 20 | 0.5 (0.5 to 0.5) |" in written


def test_a_readme_without_the_comments_is_refused_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "README.md"
    file.write_text("# Nothing\n", encoding="utf-8")
    with pytest.raises(UsageError, match="lacks the comment"):
        write_readme(file, full_run())
    assert file.read_text(encoding="utf-8") == "# Nothing\n"


def test_a_void_figure_is_written_as_void() -> None:
    document = full_run()
    for block in document["blocks"]:
        if block["module"] == "capacity":
            block["figures"]["falcon matched"][0]["faults"] = ["3 requests failed."]
    summary = summary_of(document)
    line = next(row for row in table(document, summary).splitlines() if "requests/s on" in row)
    assert " void " in line
    assert "Choose Falcon if throughput" not in choice(document, summary)
