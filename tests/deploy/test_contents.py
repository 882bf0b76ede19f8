"""The list: what an app needs, and what it must not need."""

from pathlib import Path

import pytest

from deploy.contents import BundleError, contents
from tests.deploy.tiny import BUNDLED, FILES, replace, write
from tooling.frameworks import Framework, find_frameworks


def refusal(framework: Framework) -> str:
    with pytest.raises(BundleError) as raised:
        contents(framework)
    return str(raised.value)


def test_the_list_is_what_the_entry_point_imports_and_the_data_that_those_modules_name(
    tiny: Framework,
) -> None:
    assert sorted(contents(tiny)) == BUNDLED


def test_hidden_files_caches_and_tests_stay_at_home(tiny: Framework, tree: Path) -> None:
    for path in (
        ".env",
        "tiny_app/.env",
        "tiny_app/.DS_Store",
        "tiny_app/.ruff_cache/x",
        "tiny_app/__pycache__/app.cpython-311.pyc",
        "tiny_app/tests/test_app.py",
        "shared/static/.env",
        "shared/static/__pycache__/x.pyc",
        "shared/.env",
        "shared/notes.txt",
    ):
        write(tree / path, "SECRET=1\n")
    assert sorted(contents(tiny)) == BUNDLED


@pytest.mark.parametrize(
    ("statement", "needed"),
    [
        ("from . import helper", "tiny_app/helper.py"),
        ("from .helper import help", "tiny_app/helper.py"),
        ("import tiny_app.helper", "tiny_app/helper.py"),
        ("def late():\n    import shared.helper", "shared/helper.py"),
        ("import shared.deep.helper as h", "shared/deep/__init__.py"),
    ],
)
def test_imports_are_followed_wherever_they_stand_and_however_they_are_written(
    tiny: Framework, tree: Path, statement: str, needed: str
) -> None:
    for path in (needed, "shared/deep/helper.py") if "deep" in needed else (needed,):
        write(tree / path, "")
    write(tree / "tiny_app/app.py", f"{statement}\n")
    assert needed in contents(tiny)


@pytest.mark.parametrize(
    "named",
    [
        'FILE = Path(__file__).parent / "data" / "unused.txt"',
        'HERE = Path(__file__).resolve().parent\nFILE = HERE / "data/unused.txt"',
        'FILE = pathlib.Path(__file__).with_name("data")',
        'open(Path(__file__).parent.parent / "shared" / "data" / "unused.txt")',
    ],
)
def test_data_is_followed_however_a_module_names_it(
    tiny: Framework, tree: Path, named: str
) -> None:
    write(tree / "shared/data/unused.txt", "data")
    write(tree / "shared/asgi.py", f"import pathlib\nfrom pathlib import Path\n{named}\n")
    assert "shared/data/unused.txt" in contents(tiny)


def test_a_file_that_nothing_leads_to_is_refused_by_name(tiny: Framework, tree: Path) -> None:
    write(tree / "tiny_app/scratch.ipynb", "{}")
    assert refusal(tiny).startswith("tiny_app/scratch.ipynb is not on the list")


@pytest.mark.parametrize("link", ["tiny_app/linked.py", "tiny_app/linked", "shared/static/linked"])
def test_a_symlink_is_refused_by_name(tiny: Framework, tree: Path, link: str) -> None:
    target = "shared/asgi.py" if link.endswith(".py") else "shared/templates"
    (tree / link).symlink_to(tree / target)
    assert refusal(tiny).startswith(f"{link} is a symlink")


def test_a_folder_of_modules_that_is_a_symlink_is_refused_by_name(
    tiny: Framework, tree: Path
) -> None:
    (tree / "shared").rename(tree / "elsewhere")
    (tree / "shared").symlink_to("elsewhere")
    assert refusal(tiny).startswith("shared is a symlink")


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("import tests.test_tiny", "tests.test_tiny is imported, which is outside the bundle"),
        ("from other_app.app import app", "other_app.app is imported, which is outside the bundle"),
        ("from shared.nowhere import x", "shared.nowhere is imported, but is not there."),
        (
            "X = Path(__file__).parent / 'gone.json'",
            "tiny_app/gone.json is named, but is not there.",
        ),
        (
            "X = Path(__file__).parent.parent / 'tests'",
            "tests is named, which is outside the bundle",
        ),
        ("X = Path(__file__).parents[3] / 'x'", "what lies beside a module must be named"),
        ("print(Path(__file__).parent)", "what lies beside a module must be named"),
        ("X = os.path.dirname(__file__) + '/x'", "what lies beside a module must be named"),
        ("def broken(:", "not Python: invalid syntax."),
    ],
)
def test_what_leads_out_of_the_bundle_is_refused_with_its_line(
    tiny: Framework, tree: Path, statement: str, reason: str
) -> None:
    write(tree / "tiny_app/app.py", f"import os\nfrom pathlib import Path\n{statement}\n")
    assert refusal(tiny).startswith(f"tiny_app/app.py, line 3: {reason}")


@pytest.mark.parametrize("name", ["pyproject.toml", "requirements.txt"])
def test_an_app_without_its_lock_or_its_project_is_refused(
    tiny: Framework, tree: Path, name: str
) -> None:
    (tree / "tiny_app" / name).unlink()
    assert refusal(tiny) == f"tiny_app/{name} is not there."


def test_an_app_without_a_module_of_that_name_is_refused(tiny: Framework, tree: Path) -> None:
    (tree / "tiny_app/app.py").unlink()
    assert refusal(tiny) == "The entry point's module tiny_app.app is not there."


def test_what_is_on_the_list_is_there_under_the_path_that_it_has_in_the_repository(
    tiny: Framework, tree: Path
) -> None:
    moved = {"pyproject.toml", "requirements.txt"}
    for path, source in contents(tiny).items():
        assert source == tree / (f"tiny_app/{path}" if path in moved else path)


def test_a_module_may_name_another_one_in_a_comment(tiny: Framework, tree: Path) -> None:
    replace(tree / "tiny_app/app.py", FILES["tiny_app/app.py"][:10], '"""import tests.')
    assert sorted(contents(tiny)) == BUNDLED


@pytest.mark.parametrize("framework", find_frameworks(), ids=lambda framework: framework.name)
def test_every_app_here_ships_its_own_folder_and_shared_and_nothing_else(
    framework: Framework,
) -> None:
    paths = set(contents(framework))
    tops = {path.partition("/")[0] for path in paths}
    assert tops == {f"{framework.name}_app", "shared", "pyproject.toml", "requirements.txt"}
    assert {"shared/greetings.json", "shared/templates/index.html"} < paths
    assert ("shared/openapi.yaml" in paths) == ("shared/openapi.py" in paths)
