"""`python -m rehearsal.bundle NAME`: stage one framework's bundle and try it before it leaves the house.

`make bundle-<name>` calls it. What it leaves in `build/bundles/<name>/` is what rsconnect uploads.
"""

import ctypes
import errno
import hashlib
import os
import platform
import re
import shutil
import sys
import tarfile
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from rsconnect.bundle import make_api_bundle
from rsconnect.environment import Environment
from rsconnect.exception import RSConnectException
from rsconnect.models import AppModes
from rsconnect.pyproject import resolve_pyproject_deploy_target

from rehearsal.bundle_contents import BundleError as BundleError
from rehearsal.bundle_contents import contents, needed_files
from rehearsal.bundle_environment import install, locked
from rehearsal.frameworks import Framework, UnknownFrameworkError, find_framework
from rehearsal.processes import AppDidNotStartError, AppProcess, connect_environment

MAX_UPLOAD = 1_000_000
"""Bytes of the archive that rsconnect uploads."""

RECORD = "rsconnect-python"
"""The folder where rsconnect keeps which content it deployed a bundle to; it never uploads it."""

_PIN = re.compile(r"[A-Za-z0-9._-]+(\[[A-Za-z0-9._,-]+\])?==[^\s;]+\s*(;.*)?")
_EXCEPTION = re.compile(r"(?:\w+\.)*(\w*(?:Error|Exception)): (.+)")


# --- Staging


def bundle_folder(framework: Framework) -> Path:
    """`build/bundles/<name>` of the repository that the framework lies in, whether it is there or not."""
    return framework.folder.parent / "build" / "bundles" / framework.name


def bundle_lock(framework: Framework) -> Path:
    """The file to hold a lock on while a bundle is made or read."""
    return bundle_folder(framework).with_name(f".{framework.name}.lock")


def stage(framework: Framework) -> Path:
    """Puts the framework's files into its bundle folder and gives that folder.

    The folder always holds either the bundle of before or the new one, whenever this process ends. The same
    files give the same bytes, modes and times. rsconnect's record of earlier deployments stays where it is.
    Raises `BundleError`, and `OSError` where the disk is full or not to be written.
    """
    with locked(bundle_lock(framework)):
        return stage_locked(framework)


def stage_locked(framework: Framework) -> Path:
    """As `stage`, for a caller that holds the lock on `bundle_lock` already."""
    bundle = bundle_folder(framework)
    staging = bundle.with_name(f".{framework.name}.staging")
    replaced = bundle.with_name(f".{framework.name}.replaced")
    if replaced.exists() and not bundle.exists():
        replaced.rename(bundle)
    for left in (staging, replaced):
        shutil.rmtree(left, ignore_errors=True)
    try:
        _write(staging, contents(framework))
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


# --- Looking at it


@dataclass(frozen=True)
class Upload:
    """A bundle as rsconnect uploads it."""

    bundle: Path
    sizes: dict[str, int]
    """Bytes of each file before compression, without the manifest."""
    size: int
    """Bytes of the compressed archive."""

    def largest(self, count: int) -> list[tuple[str, int]]:
        return sorted(self.sizes.items(), key=lambda item: (-item[1], item[0]))[:count]

    def __str__(self) -> str:
        total = sum(self.sizes.values())
        lines = [
            f"{_shown(self.bundle)}: {len(self.sizes)} files, {_size(total)},"
            f" {_size(self.size)} as uploaded (gzip); the largest:"
        ]
        lines += [f"  {_size(size):>8}  {path}" for path, size in self.largest(10)]
        return "\n".join(lines)


def _size(size: int) -> str:
    """In units of 1000: as people count uploads, and as the limit is meant."""
    if size >= 999_950:
        return f"{size / 1_000_000:.2f} MB"
    return f"{size / 1000:.1f} kB" if size >= 1000 else f"{size} B"


def _shown(path: Path) -> str:
    return path.relative_to(path.parents[2]).as_posix()


def inspect(bundle: Path) -> Upload:
    """Looks at a bundle without running it; raises `BundleError` for whatever must not leave like that.

    That is: a file that the entry point does not need, or does without; a symlink; a requirement that is
    not a pin; another Python than this one; a `[tool.rsconnect]` table that makes `rsconnect deploy
    pyproject` deploy something else than `rsconnect deploy fastapi`; a file that rsconnect would leave out
    or change; more than `MAX_UPLOAD`.
    """
    try:
        pyproject = tomllib.loads((bundle / "pyproject.toml").read_text(encoding="utf-8"))
    except ValueError as error:
        raise BundleError(f"{bundle.name}_app/pyproject.toml is not TOML: {error}.") from None
    entrypoint = _check_pyproject(bundle.name, pyproject)
    _check_pins((bundle / "requirements.txt").read_text(encoding="utf-8"))
    files = _check_list(bundle, entrypoint)
    upload = _check_archive(bundle, files)
    if upload.size > MAX_UPLOAD:
        largest = ", ".join(f"{path} ({_size(size)})" for path, size in upload.largest(10))
        raise BundleError(
            f"{_shown(bundle)} has {_size(upload.size)} as uploaded, more than {_size(MAX_UPLOAD)};"
            f" the largest files are {largest}."
        )
    return upload


def _check_pyproject(name: str, pyproject: dict[str, object]) -> str:
    """The entry point that a bundle's `pyproject.toml` names."""
    project, tool = pyproject.get("project", {}), pyproject.get("tool", {})
    assert isinstance(project, dict)
    assert isinstance(tool, dict)
    # Without it the server takes the version that rsconnect happens to run with.
    _check_python(name, project.get("requires-python", ""))
    table = tool.get("rsconnect", {})
    wanted = {
        "app_mode": "python-fastapi",
        "entrypoint": f"{name}_app.app:app",
        # Its default is pyproject.toml itself: the server would resolve its lower bounds anew.
        "requirements_file": "requirements.txt",
    }
    for key, value in wanted.items():
        if table.get(key) != value:
            raise BundleError(
                f'{name}_app/pyproject.toml: [tool.rsconnect] needs {key} = "{value}", not'
                f" {table.get(key, 'nothing')}."
            )
    return wanted["entrypoint"]


def _check_python(name: str, requires: str) -> None:
    if not requires:
        raise BundleError(f"{name}_app/pyproject.toml has no requires-python in [project].")
    try:
        accepted = platform.python_version() in SpecifierSet(requires)
    except InvalidSpecifier:
        raise BundleError(
            f"{name}_app/pyproject.toml: requires-python is no version specifier: {requires}."
        ) from None
    if not accepted:
        raise BundleError(
            f"{name}_app/pyproject.toml asks for Python {requires}, and this is {platform.python_version()}:"
            f" try it with another one, make bundle-{name} PYTHON=..."
        )


def _requirements(text: str) -> list[tuple[int, str]]:
    """The lines of a requirements.txt that say something, with their numbers."""
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    return [(number, line) for number, line in enumerate(lines, 1) if line]


def _check_pins(text: str) -> None:
    for number, requirement in _requirements(text):
        if not _PIN.fullmatch(requirement):
            raise BundleError(
                f"requirements.txt, line {number}: {requirement} is not a pin, name==version, and that is"
                " all that means the same on every server; run `make lock`."
            )


def _check_list(bundle: Path, entrypoint: str) -> dict[str, Path]:
    """The files of a bundle, which is a subset of the repository and so has a list of its own."""
    package = entrypoint.partition(".")[0]
    listed = needed_files(bundle, entrypoint)
    listed |= {"pyproject.toml", "requirements.txt", f"{package}/README.md"}
    files = {}
    for directory, folders, names in os.walk(bundle):
        if Path(directory) == bundle and RECORD in folders:
            folders.remove(RECORD)
        links = [name for name in folders if Path(directory, name).is_symlink()]
        for name in [*names, *links]:
            file = Path(directory, name)
            path = file.relative_to(bundle).as_posix()
            if path not in listed or file.is_symlink():
                raise BundleError(
                    f"{_shown(bundle)} holds {path}, which is not on its list: nothing that {entrypoint}"
                    f" imports leads to it; `make bundle-{bundle.name}` stages it anew."
                )
            files[path] = file
    return files


def _check_archive(bundle: Path, files: dict[str, Path]) -> Upload:
    """Makes the archive with rsconnect's own functions, as `rsconnect deploy pyproject` does.

    rsconnect leaves out some folders by their names (`renv/`, `packrat/`, whatever holds a `bin/python`), and
    lines of the requirements that contain its own name.
    """
    try:
        target = resolve_pyproject_deploy_target(bundle / "pyproject.toml")
        environment = Environment.create_python_environment(
            str(bundle), requirements_file=target.requirements_file
        )
        archive = make_api_bundle(
            str(bundle), target.entrypoint, AppModes.PYTHON_FASTAPI, environment, [], []
        )
    except RSConnectException as error:
        raise BundleError(f"rsconnect cannot bundle {_shown(bundle)}: {error.message}") from None
    with archive, tarfile.open(fileobj=archive) as tar:
        for path, file in sorted(files.items()):
            try:
                member = tar.extractfile(path)
            except KeyError:
                raise BundleError(f"rsconnect would leave {path} out of the upload.") from None
            if member is None or not _same(path, member.read(), file.read_bytes()):
                raise BundleError(f"rsconnect would upload {path} with another content.")
        if more := {*tar.getnames()} - {*files, "manifest.json"}:
            raise BundleError(f"rsconnect would upload {min(more)}, which is not in the bundle.")
        sizes = {path: file.stat().st_size for path, file in files.items()}
        return Upload(bundle, sizes, archive.seek(0, os.SEEK_END))


def _same(path: str, uploaded: bytes, staged: bytes) -> bool:
    if path == "requirements.txt":  # rsconnect takes the indentation off its comments.
        pins = [[pin for _, pin in _requirements(text.decode())] for text in (uploaded, staged)]
        return pins[0] == pins[1]
    return uploaded == staged


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


def try_out(bundle: Path) -> None:
    """The second half of `verify`."""
    build = bundle.parent.parent
    python = install(bundle / "requirements.txt", build / "environments")
    entrypoint = f"{bundle.name}_app.app:app"
    # Python's caches must not land in the bundle, where they would be uploaded.
    caches = {"PYTHONPYCACHEPREFIX": str(build / "pycache")}
    app = AppProcess(
        entrypoint,
        log=build / "logs" / f"bundle-{bundle.name}.log",
        environment=connect_environment("http://127.0.0.1", bundle.name, caches),
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
            for path in ("/", "/greetings"):
                _check_answer(client, path, app.log)


def _check_answer(client: httpx.Client, path: str, log: Path) -> None:
    try:
        answer = f"{client.get(path).status_code}"
    except httpx.HTTPError as error:
        answer = f"nothing ({error})"
    if answer != "200":
        raise BundleError(
            f"From its bundle the app answers GET {path} with {answer} instead of 200; its log is"
            f" {_shown(log)}."
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


def make(framework: Framework) -> Path:
    """Stages and verifies a bundle, saying how far it is; the caller holds the lock on `bundle_lock`."""
    bundle = stage_locked(framework)
    print(inspect(bundle), flush=True)
    print("Installing its requirements and starting it ...", flush=True)
    try_out(bundle)
    print(f"{framework.entrypoint} starts and answers GET / and GET /greetings.", flush=True)
    return bundle


def explain(error: OSError) -> str:
    """One sentence for what the system refuses."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "The disk is full: make room, and run this again; no bundle was left half made."
    return f"{error.strerror or error}: {error.filename or 'no file named'}."


def main(arguments: Sequence[str] | None = None) -> int:
    """Gives the exit code: 0, or 1 after having said what is wrong."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        if len(arguments) != 1:
            raise BundleError("Name one framework: python -m rehearsal.bundle <name>.")
        framework = find_framework(arguments[0])
        with locked(bundle_lock(framework)):
            make(framework)
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
