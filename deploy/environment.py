"""Fresh Python environments with what one requirements.txt lists and nothing else, kept for the next time."""

import fcntl
import hashlib
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.contents import BundleError
from tooling.uv import check_disk, uv_command, uv_environment


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Holds an exclusive lock on a file, made where it is not there, and waits for whoever holds it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"Waiting for another run, which holds {file.name} ...", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def install(requirements: Path, environments: Path) -> Path:
    """The interpreter of an environment into which uv installed exactly those pins.

    Environments lie in `environments`, one for each content of the file and each Python, and are made once.
    Downloads go to `UV_CACHE_DIR`, or stay beside the environments. Raises `BundleError` where a requirement
    cannot be installed, and where an installed distribution needs one that the file does not list: there
    the server would choose a version that nobody has tried.
    """
    content = requirements.read_bytes()
    interpreter = (
        f"{platform.python_implementation()} {platform.python_version()} {sys.base_prefix}"
    )
    digest = hashlib.sha256(content + interpreter.encode()).hexdigest()[:16]
    environment = environments / digest
    python = environment / "bin" / "python"
    complete = environment / ".complete"
    with locked(environments / f"{digest}.lock"):
        if not complete.is_file():
            _uv(environments, "venv", "--clear", "--python", sys.executable, str(environment))
            _uv(environments, "pip", "sync", "--python", str(python), str(requirements))
            _uv(environments, "pip", "check", "--python", str(python))
            complete.touch()
    return python


def _uv(environments: Path, *arguments: str) -> None:
    """Raises `BundleError`, and `OSError` where the disk is full."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        done = subprocess.run(
            uv_command("--quiet", *arguments),
            env=uv_environment(Path(home), environments.parent / "uv-cache"),
            cwd=environments,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
        )
    if done.returncode:
        check_disk(done.stderr)
        raise BundleError(f"uv cannot install requirements.txt: {_in_one_line(done.stderr)}")


def _in_one_line(message: str) -> str:
    """What uv says over several lines, without the lines that it draws."""
    words = re.sub(r"[×╰│├─▶]", " ", message).split()
    return " ".join(words).removeprefix("error: ") or "it gives no reason."
