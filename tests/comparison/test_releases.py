"""`make releases`: the index that it asks, and what it reads there."""

from datetime import date
from pathlib import Path

import pytest

from comparison.releases import index_of, releases_of
from tooling.errors import UsageError


def test_the_index_is_the_one_that_is_configured(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path), "XDG_CONFIG_DIRS": str(tmp_path)}
    named = {"UV_DEFAULT_INDEX": "ours=https://index.example.org/simple/"}
    assert index_of(home | named) == "https://index.example.org/simple"
    pip = {"PIP_INDEX_URL": "https://mirror.example.org/simple"}
    assert index_of(home | pip) == "https://mirror.example.org/simple"


def test_a_release_is_as_old_as_its_first_file_and_withdrawn_ones_are_left_out() -> None:
    def file(name: str, day: str, **more: object) -> dict[str, object]:
        return {"filename": name, "upload-time": f"{day}T00:00:00Z", **more}

    files = [
        file("app-2.0-py3-none-any.whl", "2026-05-02"),
        file("app-2.0.tar.gz", "2026-05-01"),
        file("app-2.1-py3-none-any.whl", "2026-06-01", yanked=True),
        file("app-3.0rc1-py3-none-any.whl", "2026-06-02"),
        file("app-1.0-py3-none-any.whl", "2024-01-01"),
    ]
    found = releases_of(files, date(2026, 11, 26))
    assert [(each["version"], each["date"]) for each in found] == [("2.0", "2026-05-01")]


def test_no_address_of_an_index_is_assumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("comparison.releases.index_variables", lambda environ: {})
    with pytest.raises(UsageError, match="set UV_DEFAULT_INDEX"):
        index_of({})
