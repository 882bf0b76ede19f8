"""The list of the files in a bundle."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from tooling.errors import UsageError
from tooling.frameworks import Framework

RECORD = "rsconnect-python"
"""The folder of a bundle in which rsconnect records deployments. It is never uploaded."""


def contents(framework: Framework, store: str | None = None) -> dict[str, Path]:
    """Returns the files of a framework's bundle: the path in the bundle (with `/`) and its source.

    The files are the tracked files of the app's folder and of `shared/`. They keep their paths,
    except the app's `pyproject.toml` and `requirements.txt`, which rsconnect expects at the top.
    `store` names an extra of the app's project; the requirements then include that extra.

    Raises `UsageError` for a file that is missing, a file that git neither tracks nor ignores, and
    a symlink.
    """
    root, app = framework.folder.parent, framework.folder.name
    locks = {
        file.stem.removeprefix("requirements-"): file.name
        for file in sorted(framework.folder.glob("requirements-*.txt"))
    }
    if store is not None and store not in locks:
        known = ", ".join(locks) or "none"
        raise UsageError(
            f"{framework.name} has no requirements for STORE={store}; there are: {known}."
        )
    moved = {
        "pyproject.toml": f"{app}/pyproject.toml",
        "requirements.txt": f"{app}/{locks[store] if store else 'requirements.txt'}",
    }
    left_out = {f"{app}/requirements.txt", *moved.values(), *(f"{app}/{n}" for n in locks.values())}
    paths = [path for path in listed(root, (app, "shared")) if path not in left_out]
    files = moved | {path: path for path in paths if not path.startswith(f"{app}/tests/")}
    for path in files.values():
        _check(root, path)
    return {path: root / source for path, source in files.items()}


def listed(root: Path, folders: Sequence[str]) -> list[str]:
    """Returns the tracked files in these folders.

    Without git, returns all files except hidden and compiled ones.
    """
    found = sorted(
        path.relative_to(root)
        for folder in folders
        for path in (root / folder).rglob("*")
        if path.is_symlink() or not path.is_dir()
    )
    visible = [
        path.as_posix()
        for path in found
        if path.suffix != ".pyc" and not any(part.startswith(".") for part in path.parts)
    ]
    if (tracked := _ls_files(root, folders)) is None:
        return visible
    ignored = _ls_files(root, folders, "--others", "--ignored", "--exclude-standard") or []
    if untracked := sorted({*visible} - {*tracked, *ignored}):
        raise UsageError(
            f"{untracked[0]} is not tracked by git, so no bundle contains it: add it (git add),"
            " move it elsewhere, or name it in .gitignore."
        )
    return tracked


def _ls_files(root: Path, folders: Sequence[str], *options: str) -> list[str] | None:
    """Returns None if git is missing or the folder is not the root of a repository."""
    if not (root / ".git").exists():
        return None
    command = ["git", "ls-files", "-z", *options, "--", *folders]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    except FileNotFoundError:
        return None
    return done.stdout.split("\0")[:-1] if done.returncode == 0 else None


def _check(root: Path, path: str) -> None:
    # rsconnect omits linked folders silently, and uploads linked files as dangling links.
    for part in (root / path, *(root / path).relative_to(root).parents[:-1]):
        if (root / part).is_symlink():
            link = (root / part).relative_to(root).as_posix()
            raise UsageError(
                f"{link} is a symlink, which does not survive the upload: put the file itself"
                " there."
            )
    if not (root / path).is_file():
        raise UsageError(f"{path} does not exist.")
