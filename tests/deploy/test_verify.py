"""Verifying: what is wrong with a bundle is found before it leaves, and said in one sentence."""

import random
import shutil
from pathlib import Path

import pytest

from deploy.__main__ import main
from deploy.inspection import Upload, inspect
from deploy.staging import stage
from deploy.trial import try_out
from tests.deploy.tiny import BUNDLED, FILES, PINS, replace, snapshot, write
from tooling.errors import UsageError
from tooling.frameworks import Framework, find_frameworks


def verify(bundle: Path) -> Upload:
    upload = inspect(bundle)
    try_out(bundle)
    return upload


def refusal(bundle: Path) -> str:
    with pytest.raises(UsageError) as raised:
        verify(bundle)
    message = str(raised.value)
    assert "\n" not in message
    return message


def test_the_command_stages_measures_and_tries_the_bundle(
    tiny: Framework, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bundle", "tiny"]) == 0
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert lines[0].startswith("build/bundles/tiny: 11 files, ")
    assert lines[0].endswith(" as uploaded (gzip); the largest:")
    assert len(lines[1:-2]) == 10
    assert lines[1].split() == [str(len(FILES["tiny_app/app.py"])), "B", "tiny_app/app.py"]
    assert lines[-1] == "tiny_app.app:app starts, and answers GET / and GET /greetings correctly."
    assert said.err == ""


def test_verifying_leaves_no_trace_in_the_bundle(tiny: Framework) -> None:
    bundle = stage(tiny)
    before = snapshot(bundle)
    upload = verify(bundle)
    assert snapshot(bundle) == before
    assert sorted(upload.sizes) == BUNDLED


def test_the_same_requirements_are_installed_once(
    tiny: Framework, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = stage(tiny)
    verify(bundle)

    def forbidden(*arguments: object, **keywords: object) -> None:
        raise AssertionError(arguments)

    monkeypatch.setattr("tooling.environments.run_lines", forbidden)
    verify(bundle)


# --- What does not start


def test_a_module_that_no_requirement_provides_is_named(tiny: Framework, tree: Path) -> None:
    write(tree / "tiny_app/app.py", "import pytest\n")
    assert refusal(stage(tiny)) == (
        "tiny_app.app:app does not start from its bundle:"
        " requirements.txt lists nothing that provides the module pytest."
    )


def test_nothing_of_the_repository_can_be_imported(tiny: Framework, tree: Path) -> None:
    write(tree / "tiny_app/app.py", "import importlib\n\nimportlib.import_module('other_app')\n")
    assert refusal(stage(tiny)).endswith("nothing that provides the module other_app.")


def test_a_requirement_of_a_requirement_that_is_not_listed_is_named(
    tiny: Framework, tree: Path
) -> None:
    pins = [pin for pin in PINS.splitlines() if not pin.startswith("click")]
    write(tree / "tiny_app/requirements.txt", "\n".join(pins))
    message = refusal(stage(tiny))
    assert message.startswith("uv cannot install requirements.txt: ")
    assert "uvicorn" in message
    assert "click" in message


def test_a_requirement_that_cannot_be_had_is_named(
    tiny: Framework, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_OFFLINE", "1")
    write(tree / "tiny_app/requirements.txt", f"{PINS}no-such-distribution==1\n")
    message = refusal(stage(tiny))
    assert message.startswith("uv cannot install requirements.txt: ")
    assert "no-such-distribution" in message


def test_a_server_that_is_not_listed_is_named(tiny: Framework, tree: Path) -> None:
    write(tree / "tiny_app/requirements.txt", "# nothing\n")
    assert refusal(stage(tiny)).endswith("nothing that provides the module uvicorn.")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("api = None\n", 'Attribute "app" not found in module "tiny_app.app".'),
        ("raise ValueError('no such colour')\n", "ValueError: no such colour"),
        (
            FILES["tiny_app/app.py"].replace(
                'send({"type": "lifespan.startup.complete"})',
                'send({"type": "lifespan.startup.failed",'
                r' "message": "...\nshared.x.StoreError: gone"})',
            ),
            "StoreError: gone",
        ),
    ],
)
def test_an_entry_point_that_does_not_start_gives_its_reason(
    tiny: Framework, tree: Path, code: str, reason: str
) -> None:
    write(tree / "tiny_app/app.py", code)
    assert refusal(stage(tiny)) == f"tiny_app.app:app does not start from its bundle: {reason}"


def test_a_file_that_is_missing_at_a_request_is_an_answer_that_is_not_200(
    tiny: Framework, tree: Path
) -> None:
    replace(tree / "tiny_app/app.py", "styles.css", "gone.css")
    assert refusal(stage(tiny)) == (
        "From its bundle the app answers GET / with 500 instead of 200;"
        " its log is build/logs/bundle-tiny.log."
    )


# --- What must not leave


def test_a_bundle_that_is_too_large_names_its_largest_files(tiny: Framework, tree: Path) -> None:
    photo = tree / "shared/static/photo.jpg"
    photo.write_bytes(random.Random(0).randbytes(1_100_000))
    message = refusal(stage(tiny))
    assert message.startswith("build/bundles/tiny has 1.10 MB as uploaded, more than 1.00 MB; the")
    assert "are shared/static/photo.jpg (1.10 MB), " in message


def test_a_requirement_that_rsconnect_would_leave_out_is_found(tiny: Framework, tree: Path) -> None:
    write(tree / "tiny_app/requirements.txt", f"{PINS}rsconnect-python==1.32.0\n")
    assert refusal(stage(tiny)) == ("rsconnect would upload requirements.txt with other content.")


def test_a_folder_that_rsconnect_would_leave_out_is_found(tmp_path: Path, tiny: Framework) -> None:
    """rsconnect leaves out what looks like an environment at the top, by the interpreter in it."""
    write(tiny.folder.parent / "shared/bin/python", "")
    assert refusal(stage(tiny)).startswith("rsconnect would leave shared/")


def test_a_project_that_rsconnect_cannot_read_is_named(tiny: Framework, tree: Path) -> None:
    replace(tree / "tiny_app/pyproject.toml", "[project]", "[project")
    assert refusal(stage(tiny)).startswith("rsconnect cannot bundle build/bundles/tiny: ")


# --- The command


def test_an_unknown_framework_is_told_which_there_are(
    tiny: Framework, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bundle", "nosuch"]) == 1
    assert capsys.readouterr().err == "bundle: There is no nosuch_app/ here; there are: tiny.\n"


def test_no_framework_is_told_how_to_name_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["bundle"])
    assert "the following arguments are required: name" in capsys.readouterr().err


def test_a_refusal_is_one_line_and_an_exit_code(
    tiny: Framework, tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tree / "tiny_app/requirements.txt").unlink()
    assert main(["bundle", "tiny"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("bundle: tiny_app/requirements.txt does not exist.")
    assert said.err.count("\n") == 1


@pytest.mark.parametrize("framework", find_frameworks(), ids=lambda framework: framework.name)
def test_every_app_here_starts_from_its_bundle(framework: Framework, tmp_path: Path) -> None:
    root = framework.folder.parent
    for name in (framework.folder.name, "shared"):
        shutil.copytree(root / name, tmp_path / name)
    verify(stage(Framework(framework.name, tmp_path / framework.folder.name)))
