"""Whatever the shell has set, the commands of README work as without it, or one line says what to
change.

One clone has everything installed; each row runs the cheapest real command that shows it.
"""

import os
import platform
import shutil
import signal
import socket
import subprocess
import urllib.request
import urllib.response
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.front_door.checkout import Checkout, Run
from tooling.frameworks import ROOT


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A clone with everything installed, and one app: of what a shell has set the others see no
    more.
    """
    made = Checkout(ROOT, tmp_path_factory.mktemp("environment"))
    made.share_downloads()
    for app in made.folder.glob("*_app"):
        if app.name != "falcon_app":
            shutil.rmtree(app)
    succeed(made.start("make setup bundle-falcon"))
    return made


def succeed(run: Run) -> str:
    assert run.wait() == 0, run
    return str(run)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@dataclass(frozen=True)
class Row:
    """What the shell has set, and what makes that a trap."""

    name: str
    variables: dict[str, str] = field(default_factory=dict)
    before: str = ""
    """A command of the shell that comes first."""


NAMES = ("PORT", "HOST", "NAME", "STORE", "PROFILE", "SERVER", "API_KEY")
FOREIGN = [
    Row("nothing"),
    Row("every name of ours empty", dict.fromkeys(NAMES, "")),
    Row("conda's HOST", {"HOST": "x86_64-conda-linux-gnu"}),
    Row("the machine's name", {"HOST": platform.node(), "NAME": platform.node()}),
    Row("other meanings", {"STORE": "/nix/store", "PROFILE": "default", "SERVER": "mail"}),
    Row("a port that is none", {"PORT": "tcp://10.0.0.1:80"}),
    Row("Python's variables", {"PYTHONSAFEPATH": "1", "PYTHONWARNINGS": "error"}),
    Row("another Python's home", {"PYTHONHOME": "/nonexistent"}),
    Row("a plain locale", {"LC_ALL": "C"}),
    Row("a plain locale and no UTF-8", {"LC_ALL": "C", "PYTHONUTF8": "0"}),
    Row("a strict umask", before="umask 077; "),
    Row("few open files", before="ulimit -Sn 256; "),
    Row("no HOME", before="unset HOME; "),
    Row("a HOME that is not there", {"HOME": "/nonexistent"}),
    Row("a HOME that cannot be written", {"HOME": "/proc"}),
    Row(
        "a proxy that leads nowhere",
        dict.fromkeys(
            ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy"), "http://127.0.0.1:1"
        ),
    ),
    Row(
        "a real server",
        {
            "CONNECT_SERVER": "http://127.0.0.1:1",
            "CONNECT_API_KEY": "of-the-real-server",
            "CONNECT_INSECURE": "1",
            "CONNECT_CA_CERTIFICATE": "/nonexistent.pem",
            "CONNECT_IDENTITY_TOKEN": "of-the-real-server",
        },
    ),
    Row("Workbench", {"UVICORN_ROOT_PATH": "/s/0c5f/p/7e1a", "UVICORN_WORKERS": "3"}),
]


@pytest.mark.parametrize("row", FOREIGN, ids=lambda row: row.name)
def test_the_start_is_as_without_it(checkout: Checkout, row: Row) -> None:
    # The test's own port has to be given: 3939 belongs to another test.
    run = checkout.start(f"{row.before}make run PORT={free_port()}", **row.variables)
    try:
        url = run.wait_for("Ready:").split()[1]
        with direct(f"{url}falcon/greetings/en") as answer:
            assert answer.status == 200
        with direct(f"{url}falcon/") as answer:
            assert b"/s/0c5f" not in answer.read()
        run.send(signal.SIGINT)
        run.wait()
        assert "of-the-real-server" not in everything_written(checkout)
    finally:
        run.kill()


def direct(url: str) -> "urllib.response.addinfourl":
    """Loopback, whatever proxies this test's own shell has set."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    answer: urllib.response.addinfourl = opener.open(url)
    return answer


def everything_written(checkout: Checkout) -> str:
    logs = (checkout.folder / "build").glob("**/*.log")
    return "".join(log.read_text(encoding="utf-8", errors="replace") for log in logs)


def test_a_module_on_the_python_path_is_not_ours(checkout: Checkout, tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("raise SystemExit('This click is broken.')")
    succeed(checkout.start("make setup bundle-falcon", PYTHONPATH=str(tmp_path)))


def test_a_port_of_the_environment_counts_where_it_is_one(checkout: Checkout) -> None:
    port = free_port()
    run = checkout.start("make run-falcon", PORT=f"{port}")
    try:
        assert f"http://127.0.0.1:{port}/" in run.wait_for("http://")
    finally:
        run.send(signal.SIGINT)
        run.wait()


def test_a_taken_port_is_one_line_whose_advice_works(checkout: Checkout) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        run = checkout.start(f"make run-falcon PORT={port}")
        assert run.wait() != 0
    (line,) = (line for line in run.lines if not line.startswith("make: ***"))
    advice = line.partition("(")[2].partition(")")[0]
    advised = checkout.start(advice)
    try:
        advised.wait_for("http://127.0.0.1:")
    finally:
        advised.send(signal.SIGINT)
        advised.wait()


def test_workbench_finds_its_prefix_in_the_links_of_a_single_app(checkout: Checkout) -> None:
    run = checkout.start(f"make run-falcon PORT={free_port()}", UVICORN_ROOT_PATH="/s/0c5f/p/7e1a")
    try:
        url = next(word for word in run.wait_for("http://").split() if word.startswith("http://"))
        for _ in range(100):
            try:
                with direct(f"{url}openapi.json") as answer:
                    assert b'"/s/0c5f/p/7e1a"' in answer.read()
                break
            except OSError:
                pass
        else:
            pytest.fail("The app did not answer.")
    finally:
        run.send(signal.SIGINT)
        run.wait()


# --- The environment that is there is of no use


@pytest.fixture
def clone(tmp_path: Path) -> Checkout:
    """A clone of its own, on a machine that has uv: there an environment is made in a second."""
    made = Checkout(ROOT, tmp_path)
    made.share_downloads()
    made.has_uv()
    return made


def test_a_python_that_is_gone_is_told_of_and_replaced(clone: Checkout) -> None:
    succeed(clone.start("make setup"))
    python = clone.folder / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to("/nonexistent/python3.11")
    told = succeed(clone.start("make setup"))
    assert "Rebuilding .venv: its Python does not exist" in told
    succeed(clone.start(".venv/bin/python -c 'import uvicorn'"))


def test_an_environment_of_another_architecture_is_told_of_and_replaced(clone: Checkout) -> None:
    succeed(clone.start("make setup"))
    python = clone.folder / ".venv" / "bin" / "python"
    python.unlink()
    # The head of a program for a machine that nobody has: ELF, e_machine 0xfffe.
    python.write_bytes(b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\xfe\xff" + bytes(60))
    python.chmod(0o755)
    told = succeed(clone.start("make setup"))
    assert "Rebuilding .venv: its Python does not start here (Exec format error)" in told
    succeed(clone.start(".venv/bin/python -c 'import uvicorn'"))


def test_a_checkout_that_was_renamed_gets_another_environment(clone: Checkout) -> None:
    succeed(clone.start("make setup"))
    clone.folder = clone.folder.rename(clone.folder.with_name("elsewhere"))
    assert "Rebuilding .venv: it was made for" in succeed(clone.start("make setup"))
    assert succeed(clone.start("make setup")) == ""


def test_an_install_that_fails_under_an_old_make_leaves_no_stamp(clone: Checkout) -> None:
    refusing = {"UV_DEFAULT_INDEX": "http://127.0.0.1:1/", "UV_CACHE_DIR": str(clone.folder / "c")}
    run = clone.start("make .SHELLFLAGS=-c setup", **refusing)
    assert run.wait() != 0
    assert not (clone.folder / ".venv" / ".ready").exists()
    assert "Traceback" not in str(run)


def test_an_awkward_path_works(tmp_path: Path) -> None:
    """With a space and an umlaut, and longer than the line that a kernel reads of a script."""
    folder = tmp_path / ("with a space, Grüße, " + "l" * 130)
    folder.mkdir()
    made = Checkout(ROOT, folder)
    made.share_downloads()
    succeed(made.start("make bundle-falcon"))


def test_a_clone_with_carriage_returns_has_the_same_bundle(
    checkout: Checkout, clone: Checkout
) -> None:
    shutil.rmtree(clone.folder)
    subprocess.run(
        ["git", "clone", "--quiet", "--config", "core.autocrlf=true", ROOT, clone.folder],
        check=True,
    )
    clone.share_downloads()
    (clone.folder / ".venv").symlink_to(checkout.folder / ".venv")
    subprocess.run(
        [checkout.folder / ".venv/bin/python", "-m", "deploy", "bundle", "falcon"],
        cwd=clone.folder,
        check=True,
        stdout=subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"]},
    )
    assert bundle(clone) == bundle(checkout)


def bundle(checkout: Checkout) -> dict[str, bytes]:
    folder = checkout.folder / "build" / "bundles" / "falcon"
    return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


# --- A name that was typed wrong


@pytest.mark.parametrize(
    "target", ["test-", "run-", "bundle-", "deploy-", "run-nosuch", "test-nosuch"]
)
def test_a_name_without_a_folder_gets_the_list(checkout: Checkout, target: str) -> None:
    run = checkout.start(f"make {target}")
    assert run.wait() != 0
    assert run.lines[0].endswith(": falcon")


# --- The checkout lies in an unusual place


def test_a_checkout_is_reached_through_a_symlink(checkout: Checkout, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(checkout.folder)
    succeed(checkout.start(f"cd '{link}' && make setup bundle-falcon"))
    succeed(checkout.start("make setup"))


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@needs_root
def test_a_checkout_belongs_to_another_user(checkout: Checkout, clone: Checkout) -> None:
    """git refuses to work there, and so must not be needed."""
    (clone.folder / ".venv").symlink_to(checkout.folder / ".venv")
    subprocess.run(["chown", "-hR", "65534", clone.folder], check=True)
    refused = clone.start("git status")
    assert refused.wait() != 0
    succeed(clone.start(".venv/bin/python -m deploy bundle falcon"))
    assert bundle(clone) == bundle(checkout)


# Mounts of a namespace of its own are gone with the command.
UNSHARE = "unshare --mount" if os.geteuid() == 0 else "unshare --map-root-user --mount"
needs_mounts = pytest.mark.skipif(
    subprocess.run(f"{UNSHARE} true", shell=True, capture_output=True).returncode != 0,
    reason="this user may not mount anything here",
)


def mounted(command: str, then: str) -> str:
    return f"{UNSHARE} bash -c '{command} && {then}'"


@needs_mounts
def test_a_checkout_may_be_read_only_but_for_what_is_made(checkout: Checkout) -> None:
    read_only = (
        "mount --bind . . && cd $PWD && mount --bind .venv .venv && mount --bind build build"
        " && mount -o remount,bind,ro $PWD"
    )
    port = free_port()
    run = checkout.start(mounted(read_only, f"! touch x 2>/dev/null && make run PORT={port}"))
    try:
        run.wait_for("Ready:")
    finally:
        run.send(signal.SIGINT)
        run.wait()


@needs_mounts
def test_a_checkout_that_cannot_be_written_at_all_says_so(checkout: Checkout) -> None:
    read_only = "mount --bind . . && mount -o remount,bind,ro . && cd $PWD"
    run = checkout.start(mounted(read_only, "make run"))
    assert run.wait() != 0
    (line,) = (line for line in run.lines if not line.startswith("make: ***"))
    assert line.startswith("make: Read-only file system: ")


@needs_mounts
@pytest.mark.parametrize("mebibytes", [1, 21, 26, 60])
def test_a_full_disk_is_one_line_and_leaves_nothing_broken(
    checkout: Checkout, mebibytes: int
) -> None:
    """`build/` is the small disk. Where it is only nearly full, a start may work."""
    disk = f"mount -t tmpfs -o size={mebibytes}m tmpfs build"
    port = free_port()
    # Ctrl-C ends `make run`; the shell goes on.
    then = f"trap : INT; make run PORT={port}; make setup"
    run = checkout.start(mounted(disk, then))
    if "Ready:" in run.wait_for("Ready:", "make: ***"):
        run.send(signal.SIGINT)
    run.wait()

    assert "Traceback" not in str(run)
    assert "EOFError" not in str(run)
    assert "  | " not in str(run)
    refusals = [line for line in run.lines if line.startswith(("make: ", "rehearsal: "))]
    assert all("disk" in line for line in refusals if not line.startswith("make: ***"))
    assert refusals or "Ready:" in str(run)
    succeed(checkout.start("make setup"))


def test_modules_are_compiled_once_though_the_shell_forbids_it(checkout: Checkout) -> None:
    """Container images set the variable, so that no `__pycache__` appears beside the sources."""
    (compiled,) = checkout.folder.glob("build/pycache/**/tooling/frameworks.*.pyc")
    compiled.unlink()
    succeed(checkout.start("make bundle-falcon", PYTHONDONTWRITEBYTECODE="1"))
    assert compiled.exists()


def test_compiled_modules_that_a_full_disk_has_cut_are_removed(checkout: Checkout) -> None:
    (compiled,) = checkout.folder.glob("build/pycache/**/tooling/frameworks.*.pyc")
    compiled.write_bytes(compiled.read_bytes()[:512])
    succeed(checkout.start("make setup"))
    assert not compiled.exists()


# --- What must not leave this machine


def test_the_password_of_a_git_remote_stays_here(checkout: Checkout) -> None:
    token = "oauth2:t0ken-of-the-remote"
    succeed(checkout.start(f"git remote set-url origin https://{token}@git.example/x.git"))
    port = free_port()
    run = checkout.start(f"make run PORT={port}")
    try:
        run.wait_for("Ready:")
        state = (checkout.folder / "build" / "rehearsal" / "state.sqlite-wal").read_bytes()
        assert b"https://git.example/x.git" in state
    finally:
        run.send(signal.SIGINT)
        run.wait()
    written = subprocess.run(
        ["grep", "-rlF", "t0ken-of-the-remote", "build"],
        cwd=checkout.folder,
        capture_output=True,
        text=True,
    )
    assert written.stdout == ""


# --- No browser


def test_without_a_chromium_its_tests_are_reported_as_not_run(checkout: Checkout) -> None:
    command = "PATH=/nonexistent .venv/bin/python -m pytest -q tests/contract/test_browser.py"
    run = checkout.start(f"{command} --app falcon", PLAYWRIGHT_BROWSERS_PATH="/nonexistent")
    assert run.wait() == 1
    assert "Not run: No Chromium for the browser tests." in str(run)
    assert "tests/contract/test_browser.py::test_the_index" in str(run)
    assert "Traceback" not in str(run)
