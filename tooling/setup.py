"""`python -m tooling.setup VENV`: creates or updates the environment of every other command.

`make setup` calls it, with any Python from 3.11 on. It imports only the standard library. With
`--check` it installs nothing; its exit code states whether the environment is up to date.
"""

import argparse
import errno
import hashlib
import json
import os
import platform
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from tooling.bytecode import remove_cut_files
from tooling.commands import exit_code
from tooling.errors import UsageError, check_full_disk
from tooling.files import locked
from tooling.package_index import index_variables, pip_variables

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
_SILENCE_SECONDS = 2.0
# The space for the files of one run: logs, a database, bundles.
_NEEDED_BYTES = 20_000_000


def locks() -> list[Path]:
    return [ROOT / "tests" / "requirements.txt", *sorted(ROOT.glob("*_app/requirements.txt"))]


def facts(venv: Path) -> dict[str, str]:
    """Returns the facts about an environment: its path, its Python, the machine and the locks.

    If a fact other than the locks changes, the environment must be created again.
    """
    digest = hashlib.sha256(b"\0".join(lock.read_bytes() for lock in locks()))
    return {
        "place": str(venv),
        "python": "{}.{}".format(*sys.version_info),
        "machine": f"{sys.platform} {platform.machine()}",
        "locks": digest.hexdigest(),
    }


def stamp(venv: Path) -> dict[str, str]:
    """Returns the facts that were recorded at completion; empty if it was not completed."""
    try:
        written: dict[str, str] = json.loads((venv / ".ready").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return written


def unusable(venv: Path, recorded: Mapping[str, str]) -> str | None:
    """Returns why the environment must be created again; None if an update is enough."""
    python = venv / "bin" / "python"
    if not python.exists():
        return f"its Python does not exist ({os.path.realpath(python)})"
    if not recorded:
        return "it was not completed"
    try:
        now = facts_of_its_python(venv)
    except OSError as error:
        return f"its Python does not start here ({error.strerror})"
    if not now:
        return "its Python does not start here"
    if recorded.keys() != now.keys():
        return "another version of this repository made it"
    for fact in ("place", "machine", "python"):
        if recorded[fact] != now[fact]:
            return f"it was made for {recorded[fact]}, and this is {now[fact]}"
    return None


# --- Creation


def set_up(venv: Path) -> None:
    """Raises `UsageError`, `OSError`."""
    recorded = stamp(venv)
    variables = {**os.environ, **index_variables(os.environ)}
    exists = venv.is_dir() and any(venv.iterdir())
    reason = unusable(venv, recorded) if exists else None
    if exists and not reason and recorded == facts_of_its_python(venv):
        return  # Another run created it meanwhile.
    if reason and venv.is_symlink():
        raise UsageError(
            f"{relative(venv)} leads to {os.path.realpath(venv)}, which is not emptied, although"
            f" {reason}. Remove the link: the next run creates an environment."
        )
    (venv / ".ready").unlink(missing_ok=True)
    if reason or not exists:
        begun = f"Rebuilding {relative(venv)}: {reason}" if reason else f"Creating {relative(venv)}"
        say(f"{begun}, with Python {platform.python_version()}")
        create(venv, variables)
    install(venv, variables)
    written = facts_of_its_python(venv)
    if not written:
        raise UsageError(f"the Python in {relative(venv)} does not start.")
    # Renamed, so that a full disk leaves no incomplete file.
    partial = venv / ".ready.partial"
    partial.write_text(json.dumps(written), encoding="utf-8")
    partial.rename(venv / ".ready")


def facts_of_its_python(venv: Path) -> dict[str, str]:
    """Returns the facts that the environment's Python reports, or none. Raises `OSError`."""
    command = [str(venv / "bin" / "python"), "-m", "tooling.setup", "--facts", str(venv)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    found: dict[str, str] = json.loads(done.stdout) if done.returncode == 0 else {}
    return found


def create(venv: Path, variables: Mapping[str, str]) -> None:
    """Creates an empty environment with uv, or without uv by `venv`, which includes pip."""
    venv.mkdir(parents=True, exist_ok=True)
    # The folder itself is kept, because it may be a mount point.
    for entry in venv.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    if uv := shutil.which("uv"):
        make = ["venv", "--quiet", "--no-config", "--allow-existing", "--python"]
        run([uv, *make, sys.executable, str(venv)], variables, "Creating it")
        return
    try:
        # Ctrl-C leaves temporary files in the environment, where the next run deletes them.
        temporary = {**variables, "TMPDIR": str(venv)}
        run([sys.executable, "-m", "venv", str(venv)], temporary, "Creating it")
    except UsageError as error:
        raise UsageError(
            f"{sys.executable} has no working venv module: install it (Debian: apt install"
            " python3-venv),"
            f" or install uv.\n{error}"
        ) from None


def install(venv: Path, variables: Mapping[str, str]) -> None:
    """Installs exactly the packages of the locks.

    Uses the environment's own uv, else the user's, else one that pip installs.
    """
    python = str(venv / "bin" / "python")
    own = venv / "bin" / "uv"
    uv = str(own) if own.exists() else shutil.which("uv")
    if uv is None:
        pip = [python, "-m", "pip", "install", "--no-cache-dir", "--disable-pip-version-check"]
        run([*pip, "uv"], {**variables, **pip_variables(variables)}, "Installing uv")
        uv = str(own)
    say("Installing what is listed in " + " ".join(relative(lock) for lock in locks()))
    # uv replaces itself during the installation, and therefore runs from a copy.
    bootstrap = str(shutil.copy2(uv, venv / "uv-bootstrap"))
    try:
        sync = [bootstrap, "pip", "sync", "--no-config", "--python", python]
        run([*sync, *map(str, locks())], variables, "Installing")
    finally:
        Path(bootstrap).unlink(missing_ok=True)


def run(command: Sequence[str], variables: Mapping[str, str], doing: str) -> None:
    """Runs a command. From the third second on, prints its output, or the elapsed time.

    Raises `UsageError` with the output if the command fails.
    """
    begun = time.monotonic()
    with subprocess.Popen(
        command,
        env=dict(variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        assert process.stdout is not None
        output: list[str] = []
        for line in _lines(process.stdout):
            seconds = time.monotonic() - begun
            if line is not None:
                output.append(line)
            if seconds >= _SILENCE_SECONDS and (line is None or not line.startswith((" +", " -"))):
                say(f"  {seconds:3.0f} s  {line.strip() if line else f'{doing} ...'}")
    if process.returncode:
        told = "\n".join(output)
        check_full_disk(told)
        raise UsageError(f"{doing} failed; {Path(command[0]).name} says:\n{told}".rstrip())


def _lines(pipe: IO[bytes]) -> Iterator[str | None]:
    """Yields each line of the output, and None after two seconds without output.

    In this thread alone: another one would still read while an interrupt closes the pipe.
    """
    unfinished = b""
    while True:
        if not select.select([pipe], [], [], _SILENCE_SECONDS)[0]:
            yield None
            continue
        chunk = os.read(pipe.fileno(), 65_536)
        *lines, unfinished = (unfinished + chunk).split(b"\n")
        if not chunk and unfinished:
            lines.append(unfinished)
        for line in lines:
            yield line.decode(errors="replace")
        if not chunk:
            return


# --- The command line


def say(text: str) -> None:
    print(text, flush=True)


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def check_disk() -> None:
    """Raises `OSError` if `build/` cannot be written or has no space."""
    BUILD.mkdir(exist_ok=True)
    (BUILD / ".writable").touch()
    if shutil.disk_usage(BUILD).free < _NEEDED_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(BUILD))


def main() -> int:
    """Returns the exit code: 0, or 1 after an error, and from `--check` where there is work."""
    parser = argparse.ArgumentParser(prog="python -m tooling.setup", description=__doc__)
    parser.add_argument("venv", type=Path)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--facts", action="store_true")
    options = parser.parse_args()
    venv = ROOT / options.venv

    def command() -> None:
        if options.facts:
            print(json.dumps(facts(venv)))
            return
        check_disk()
        for folder in ("pycache", "environments", "rehearsal"):
            remove_cut_files(BUILD / folder)
        if not options.check:
            with locked(BUILD / ".setup.lock"):
                set_up(venv)
        elif stamp(venv) != facts(venv):
            raise UsageError("The environment is not up to date.")

    return exit_code("make", command)


if __name__ == "__main__":
    sys.exit(main())
