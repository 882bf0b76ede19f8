"""STORE=postgres: the driver of a database is in a bundle that asks for it, and in no other."""

import re
from pathlib import Path

import pytest

from deploy.__main__ import main
from deploy.contents import contents
from deploy.staging import stage
from deploy.trial import try_out
from tooling.errors import UsageError
from tooling.frameworks import Framework, find_frameworks

each_framework = pytest.mark.parametrize(
    "framework", find_frameworks(), ids=lambda framework: framework.name
)


def pins(file: Path) -> set[str]:
    return set(re.findall(r"^\S+==\S+", file.read_text(encoding="utf-8"), re.MULTILINE))


@each_framework
def test_the_driver_is_all_that_a_store_adds(framework: Framework) -> None:
    without, with_store = contents(framework), contents(framework, "postgres")
    assert without.keys() == with_store.keys()
    assert not any("postgres" in path and path.endswith(".txt") for path in with_store)
    added = pins(with_store["requirements.txt"]) - pins(without["requirements.txt"])
    assert {pin.partition("==")[0] for pin in added} == {
        "psycopg[binary]",
        "psycopg-binary",
        "tzdata",  # On Windows only.
    }
    assert pins(without["requirements.txt"]) <= pins(with_store["requirements.txt"])


@each_framework
def test_the_bundle_starts_with_the_driver_and_without_its_database(
    framework: Framework, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "build" / "bundles" / framework.name
    monkeypatch.setattr("deploy.staging.bundle_folder", lambda framework: folder)
    bundle = stage(framework, "postgres")
    try_out(bundle, "postgres")
    # Without the driver it does not, and says what is missing.
    stage(framework)
    with pytest.raises(UsageError, match="needs the package psycopg"):
        try_out(bundle, "postgres")


def test_a_store_is_refused_where_there_is_none(
    tiny: Framework, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bundle", "tiny", "--store", "mysql"]) == 1
    assert capsys.readouterr().err == (
        "bundle: tiny has no requirements for STORE=mysql; there are: none.\n"
    )


@each_framework
def test_the_stores_that_there_are_are_named(framework: Framework) -> None:
    with pytest.raises(UsageError, match="STORE=mysql; there are: postgres"):
        contents(framework, "mysql")
