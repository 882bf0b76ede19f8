"""Staging: the same files give the same bytes, and no moment has half a bundle."""

import errno
import os
import shutil
import signal
import tarfile
from pathlib import Path

import pytest
from rsconnect.bundle import make_api_bundle
from rsconnect.environment import Environment
from rsconnect.models import AppModes

from deploy.__main__ import main
from deploy.contents import RECORD
from deploy.staging import bundle_lock, stage
from tests.deploy.tiny import BUNDLED, listing, make_tree, replace, run_python, snapshot, write
from tooling.files import locked
from tooling.frameworks import Framework


def test_the_bundle_holds_the_files_of_the_list_and_no_others(tiny: Framework, tree: Path) -> None:
    write(tree / "tiny_app/.env", "SECRET=1\n")
    bundle = stage(tiny)
    assert bundle == tree / "build/bundles/tiny"
    assert listing(bundle) == BUNDLED
    assert (bundle / "shared/pages.py").read_text() == (tree / "shared/pages.py").read_text()


def test_two_copies_of_a_repository_give_the_same_bundle(tmp_path: Path) -> None:
    one, other = make_tree(tmp_path / "one"), make_tree(tmp_path / "other")
    for number, file in enumerate(sorted((tmp_path / "other").rglob("*"), reverse=True)):
        os.utime(file, (number, 10**9 + number))
        file.chmod(0o700 if number % 2 else 0o755)
    umask = os.umask(0o077)
    try:
        staged = stage(other)
    finally:
        os.umask(umask)
    assert snapshot(stage(one)) == snapshot(staged)


def test_files_can_be_read_by_everybody_and_run_by_nobody(tiny: Framework, tree: Path) -> None:
    (tree / "shared/pages.py").chmod(0o700)
    modes = {mode & 0o7777 for mode, _, content in snapshot(stage(tiny)).values() if content}
    assert modes == {0o644}


def test_a_file_that_changes_without_growing_gets_another_time(tiny: Framework, tree: Path) -> None:
    """Entity tags of static files are made of time and size."""
    stylesheet = stage(tiny) / "shared/static/styles.css"
    before = stylesheet.stat()
    replace(tree / "shared/static/styles.css", "red", "tan")
    after = (stage(tiny) / "shared/static/styles.css").stat()
    assert after.st_size == before.st_size
    assert int(after.st_mtime) != int(before.st_mtime)


def test_times_lie_in_the_past(tiny: Framework) -> None:
    """A server must not send a Last-Modified that lies in the future: RFC 9110 section 8.8.2.1."""
    for _, mtime, _ in snapshot(stage(tiny)).values():
        assert 946_684_800 <= mtime < 1_483_747_200


def test_rsconnect_uploads_every_file_of_the_bundle_as_it_is_here(tiny: Framework) -> None:
    bundle = stage(tiny)
    environment = Environment.create_python_environment(str(bundle))
    archive = make_api_bundle(
        str(bundle), "tiny_app.app:app", AppModes.PYTHON_FASTAPI, environment, [], []
    )
    with archive, tarfile.open(fileobj=archive) as tar:
        assert sorted(tar.getnames()) == sorted([*BUNDLED, "manifest.json"])
        for member in tar:
            assert member.isreg()
            if member.name not in ("manifest.json", "requirements.txt"):
                file = bundle / member.name
                assert member.mode == 0o644
                assert member.mtime == file.stat().st_mtime
                extracted = tar.extractfile(member)
                assert extracted is not None
                assert extracted.read() == file.read_bytes()


def test_staging_anew_removes_what_is_gone_and_what_was_put_there(
    tiny: Framework, tree: Path
) -> None:
    bundle = stage(tiny)
    write(bundle / "notes.txt", "by hand")
    (tree / "shared/static/icons/icon.svg").unlink()
    assert listing(stage(tiny)) == [
        path for path in BUNDLED if path != "shared/static/icons/icon.svg"
    ]
    assert listing(tree / "build/bundles") == [
        ".tiny.lock",
        *(f"tiny/{path}" for path in listing(bundle)),
    ]


def test_rsconnects_record_outlives_staging(tiny: Framework) -> None:
    record = stage(tiny) / RECORD / "tiny.json"
    write(record, '{"guid": 1}')
    stage(tiny)
    assert record.read_text() == '{"guid": 1}'


def test_a_run_that_was_killed_between_two_renames_is_put_right(tiny: Framework) -> None:
    bundle = stage(tiny)
    write(bundle / RECORD / "tiny.json", "{}")
    bundle.rename(bundle.with_name(".tiny.replaced"))
    assert listing(stage(tiny)) == sorted([*BUNDLED, f"{RECORD}/tiny.json"])
    assert not bundle.with_name(".tiny.replaced").exists()


KILLED = """
import os, pathlib, signal, shutil, sys
from deploy import staging as bundle
from tooling.frameworks import Framework

calls = 0

def dying(real):
    def call(*arguments, **keywords):
        global calls
        calls += 1
        if calls == int(sys.argv[3]):
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **keywords)
    return call

match sys.argv[2]:
    case "writing":
        pathlib.Path.write_bytes = dying(pathlib.Path.write_bytes)
    case "before the renames":
        bundle._put = dying(bundle._put)
    case "after the renames":
        shutil.rmtree = dying(shutil.rmtree)
bundle.stage(Framework("tiny", pathlib.Path(sys.argv[1])))
"""


@pytest.mark.parametrize(
    ("moment", "count", "left"),
    [("writing", 4, "red"), ("before the renames", 1, "red"), ("after the renames", 3, "tan")],
)
def test_a_run_that_is_killed_leaves_the_old_bundle_or_the_new_one(
    tiny: Framework, tree: Path, moment: str, count: int, left: str
) -> None:
    bundle = stage(tiny)
    write(bundle / RECORD / "tiny.json", "{}")
    replace(tree / "shared/static/styles.css", "red", "tan")
    killed = run_python(KILLED, str(tiny.folder), moment, str(count))
    assert killed.returncode == -signal.SIGKILL, killed.stderr

    assert listing(bundle) == sorted([*BUNDLED, f"{RECORD}/tiny.json"])
    assert left in (bundle / "shared/static/styles.css").read_text()

    stage(tiny)
    assert "tan" in (bundle / "shared/static/styles.css").read_text()
    assert sorted(os.listdir(bundle.parent)) == [".tiny.lock", "tiny"]


def test_a_full_disk_is_one_sentence_and_leaves_the_bundle_of_before(
    tiny: Framework,
    tree: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bundle = stage(tiny)
    before = snapshot(bundle)
    replace(tree / "shared/static/styles.css", "red", "tan")

    def full(file: Path, content: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file))

    monkeypatch.setattr(Path, "write_bytes", full)
    assert main(["bundle", "tiny"]) == 1
    assert capsys.readouterr().err == ("bundle: The disk is full: make room, and run this again.\n")
    assert snapshot(bundle) == before
    assert sorted(os.listdir(bundle.parent)) == [".tiny.lock", "tiny"]


def test_two_runs_at_once_do_not_meddle(tiny: Framework) -> None:
    """The second one waits until the first lets go of the lock."""
    stage(tiny)
    with locked(bundle_lock(tiny)):
        script = (
            "import pathlib, sys\n"
            "from deploy.staging import stage\n"
            "from tooling.frameworks import Framework\n"
            "import fcntl\n"
            "real = fcntl.flock\n"
            "def flock(lock, how):\n"
            "    if not how & fcntl.LOCK_NB: sys.exit('would wait')\n"
            "    real(lock, how)\n"
            "fcntl.flock = flock\n"
            "stage(Framework('tiny', pathlib.Path(sys.argv[1])))\n"
        )
        second = run_python(script, str(tiny.folder))
    assert second.stdout.startswith("Waiting for another run")
    assert second.stderr == "would wait\n"
    assert listing(stage(tiny)) == BUNDLED


def test_a_bundle_folder_that_was_deleted_is_made_anew(tiny: Framework, tree: Path) -> None:
    stage(tiny)
    shutil.rmtree(tree / "build")
    assert listing(stage(tiny)) == BUNDLED
