"""`python -m deploy.staging NAME`: stage one framework's bundle and try it before it leaves the house.

`make bundle-<name>` calls it. What it leaves in `build/bundles/<name>/` is what rsconnect uploads.
"""

import argparse
import ctypes
import errno
import hashlib
import os
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import httpx

from deploy.contents import RECORD, contents
from deploy.contents import BundleError as BundleError
from deploy.environment import install, locked
from deploy.inspection import Upload, inspect, shown
from tooling.frameworks import Framework, UnknownFrameworkError, find_framework
from tooling.processes import AppDidNotStartError, AppProcess, connect_environment

_EXCEPTION = re.compile(r"(?:\w+\.)*(\w*(?:Error|Exception)): (.+)")


# --- Staging


def bundle_folder(framework: Framework) -> Path:
    """`build/bundles/<name>` of the repository that the framework lies in, whether it is there or not."""
    return framework.folder.parent / "build" / "bundles" / framework.name


def bundle_lock(framework: Framework) -> Path:
    """The file to hold a lock on while a bundle is made or read."""
    return bundle_folder(framework).with_name(f".{framework.name}.lock")


def stage(framework: Framework, store: str | None = None) -> Path:
    """Puts the framework's files into its bundle folder and gives that folder.

    With the requirements of the extra `store`, where one is named.

    The folder always holds either the bundle of before or the new one, whenever this process ends. The same
    files give the same bytes, modes and times. rsconnect's record of earlier deployments stays where it is.
    Raises `BundleError`, and `OSError` where the disk is full or not to be written.
    """
    with locked(bundle_lock(framework)):
        return stage_locked(framework, store)


def stage_locked(framework: Framework, store: str | None = None) -> Path:
    """As `stage`, for a caller that holds the lock on `bundle_lock` already."""
    bundle = bundle_folder(framework)
    staging = bundle.with_name(f".{framework.name}.staging")
    replaced = bundle.with_name(f".{framework.name}.replaced")
    if replaced.exists() and not bundle.exists():
        replaced.rename(bundle)
    for left in (staging, replaced):
        shutil.rmtree(left, ignore_errors=True)
    try:
        _write(staging, contents(framework, store))
        if (bundle / RECORD).is_dir():
            shutil.copytree(bundle / RECORD, staging / RECORD)
        _put(staging, bundle, replaced)
    finally:
        for left in (staging, replaced):
            shutil.rmtree(left, ignore_errors=True)
    return bundle


def _write(folder: Path, files: dict[str, Path]) -> None:
    folder.mkdir()
    for path, source in sorted(files.items()):
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        content = source.read_bytes()
        file.write_bytes(content)
        file.chmod(0o644)
        os.utime(file, (mtime := _mtime(content), mtime))
    for directory in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
        directory.chmod(0o755)
        os.utime(directory, (_EPOCH, _EPOCH))


_EPOCH = 946_684_800  # 2000-01-01T00:00:00Z


def _mtime(content: bytes) -> int:
    """A time of modification, in seconds, that a file has from its content: one between 2000 and 2016.

    Reproducible bytes need a time that does not come from the clock. One and the same for all would not do:
    the frameworks make a file's entity tag from its time and size, so that after a deployment that changes
    a colour in the stylesheet, browsers would be told 304, and Python checks its caches by the same two.
    """
    return _EPOCH + int.from_bytes(hashlib.sha256(content).digest()[:4]) % 2**29


def _put(new: Path, place: Path, replaced: Path) -> None:
    """Renames a folder to a place where another one may be, in one step where the system can do that."""
    if not place.exists():
        new.rename(place)
    elif not _exchange(new, place):
        # A run that ends between these two leaves the folder of before under its second name.
        place.rename(replaced)
        new.rename(place)


def _exchange(one: Path, other: Path) -> bool:
    """Whether the two could be exchanged: Linux can, on most file systems (renameat2(2)), and so can macOS."""
    libc = ctypes.CDLL(None, use_errno=True)
    if sys.platform == "linux" and hasattr(libc, "renameat2"):
        at_fdcwd, rename_exchange = -100, 2
        return not libc.renameat2(
            at_fdcwd, os.fsencode(one), at_fdcwd, os.fsencode(other), rename_exchange
        )
    if sys.platform == "darwin":
        rename_swap = 2
        return not libc.renamex_np(os.fsencode(one), os.fsencode(other), rename_swap)
    return False


# --- Trying it


def verify(bundle: Path) -> Upload:
    """Looks at a bundle, then starts it as a server would; gives what would be uploaded.

    It is installed into an environment of its own from its own `requirements.txt`, imported through its
    entry point with the bundle as the working directory, and asked for `/` and `/greetings` under uvicorn on
    loopback. Environments and logs go to the folder `build` that the bundle lies in, two levels up.
    Raises `BundleError`.
    """
    upload = inspect(bundle)
    try_out(bundle)
    return upload


# A database at which nothing listens: the driver has to be there, and greetings cannot be.
_TRIALS = {"postgres": ({"GREETINGS_URL": "postgresql://127.0.0.1:1/greetings"}, 503)}


def try_out(bundle: Path, store: str | None = None) -> None:
    """The second half of `verify`; for a bundle with the driver of a database, without such a database."""
    settings, greetings = _TRIALS.get(store or "", ({}, 200))
    build = bundle.parent.parent
    python = install(bundle / "requirements.txt", build / "environments")
    entrypoint = f"{bundle.name}_app.app:app"
    # Python's caches must not land in the bundle, where they would be uploaded.
    caches = {"PYTHONPYCACHEPREFIX": str(build / "pycache")}
    app = AppProcess(
        entrypoint,
        log=build / "logs" / f"bundle-{bundle.name}.log",
        environment=connect_environment("http://127.0.0.1", bundle.name, caches | settings),
        directory=bundle,
        command=(str(python), "-m", "uvicorn"),
    )
    with app:
        try:
            app.wait_until_ready()
        except AppDidNotStartError as error:
            reason = _reason(app.last_lines(1000)) or str(error)
            raise BundleError(f"{entrypoint} does not start from its bundle: {reason}") from None
        with httpx.Client(base_url=app.url, trust_env=False, timeout=30) as client:
            for path, status in (("/", 200), ("/greetings", greetings)):
                _check_answer(client, path, status, app.log)


def _check_answer(client: httpx.Client, path: str, status: int, log: Path) -> None:
    try:
        answer = f"{client.get(path).status_code}"
    except httpx.HTTPError as error:
        answer = f"nothing ({error})"
    if answer != f"{status}":
        raise BundleError(
            f"From its bundle the app answers GET {path} with {answer} instead of {status}; its log is"
            f" {shown(log)}."
        )


def _reason(log: Sequence[str]) -> str | None:
    """The sentence for which an app did not start, from its server's log."""
    for line in reversed(log):
        if missing := re.search(r"No module named '?([\w.]+)", line):
            return f"requirements.txt lists nothing that provides the module {missing[1]}."
        if unloadable := re.search(r"Error loading ASGI app\. (.+)", line):
            return unloadable[1]
        if exception := _EXCEPTION.fullmatch(line.strip()):
            return f"{exception[1]}: {exception[2]}"
    return None


# --- The command


def make(framework: Framework, store: str | None = None) -> Path:
    """Stages and verifies a bundle, saying how far it is; the caller holds the lock on `bundle_lock`."""
    bundle = stage_locked(framework, store)
    print(inspect(bundle), flush=True)
    print("Installing its requirements and starting it ...", flush=True)
    try_out(bundle, store)
    print(
        f"{framework.entrypoint} starts, and answers GET / and GET /greetings as it should.",
        flush=True,
    )
    return bundle


def explain(error: OSError) -> str:
    """One sentence for what the system refuses."""
    # What copies a whole folder goes on after the first error, and keeps the words of each.
    words = [f"[Errno {number}]" for number in (errno.ENOSPC, errno.EDQUOT)]
    if error.errno in (errno.ENOSPC, errno.EDQUOT) or any(word in str(error) for word in words):
        return "The disk is full: make room, and run this again; no bundle was left half made."
    return f"{error.strerror or error}: {error.filename or 'no file named'}."


def main(arguments: Sequence[str] | None = None) -> int:
    """Gives the exit code: 0, or 1 after having said what is wrong."""
    parser = argparse.ArgumentParser(prog="python -m deploy.staging", description=__doc__)
    parser.add_argument("name", help="of the framework")
    parser.add_argument("--store", help="the database whose driver the bundle brings: postgres")
    options = parser.parse_args(arguments)
    try:
        framework = find_framework(options.name)
        with locked(bundle_lock(framework)):
            make(framework, options.store)
    except (BundleError, UnknownFrameworkError) as error:
        print(f"bundle: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"bundle: {explain(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
