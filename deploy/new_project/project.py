"""Writes the project: everything into a folder beside it, which is renamed when it is complete."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from deploy.new_project import configuration, selection
from deploy.new_project.names import check_destination, check_name, check_rehearsal
from deploy.new_project.renaming import Names
from tooling.errors import UsageError, is_full_disk
from tooling.frameworks import Framework

_SKELETON = Path(__file__).with_name("skeleton")
_OF_REHEARSAL = Path(__file__).with_name("skeleton_of_rehearsal")
_TEXT = (".py", ".md", ".toml", ".html", ".yaml", ".js", ".css", ".txt", "", ".gitignore")


def make_project(framework: Framework, dest: str, name: str, rehearsal: str = "") -> str:
    """Makes the project and its first commit; returns a few lines for the user.

    `rehearsal` is 1 if the project keeps the stand-in for Connect. Raises `UsageError` or
    `OSError`. Then nothing is left at `dest`.
    """
    root = framework.folder.parent
    check_name(name)
    with_rehearsal = check_rehearsal(rehearsal)
    folder = check_destination(dest, root)
    if not folder.parent.is_dir():
        raise UsageError(f"{folder.parent} is not a folder: create it first, or name another DEST.")
    commit, note = _origin(root)
    partial = Path(tempfile.mkdtemp(prefix=f".{name}.", suffix=".partial", dir=folder.parent))
    try:
        partial.chmod(0o755)
        names = Names(framework.folder.name, name)
        _write(partial, framework, names, commit, rehearsal=with_rehearsal)
        _format(partial)
        committed = _commit(partial, framework, commit)
        partial.rename(folder)
    except OSError as error:
        if is_full_disk(error):
            raise
        raise UsageError(f"{dest} cannot be written: {error.strerror or error}.") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return "\n".join(
        [
            *note,
            f"{folder} is your project, from the {framework.title} app. Its README.md says more.",
            "  make test    checks it; make run serves it on http://127.0.0.1:8000/",
            *committed,
        ]
    )


# --- The files


def _write(
    folder: Path, framework: Framework, names: Names, commit: str, *, rehearsal: bool
) -> None:
    root = framework.folder.parent
    files: dict[str, bytes] = {}
    modules = selection.modules(root, names.app, rehearsal=rehearsal) - {"shared/__init__.py"}
    for path in sorted(modules | set(selection.data_files(root, rehearsal=rehearsal))):
        files[names.path(path)] = _renamed(root / path, names)
    files |= _skeleton(_SKELETON, names)
    section = b""
    if rehearsal:
        more = _skeleton(_OF_REHEARSAL, names)
        section = more.pop("README.md") + b"\n"
        files["Makefile"] += more.pop("Makefile")
        files |= more
    files["README.md"] = files["README.md"].replace(b"@REHEARSAL@\n", section)
    files["LICENSE"] = (root / "LICENSE").read_bytes()
    sources = [
        content.decode()
        for path, content in files.items()
        if path.endswith(".py") and path.startswith(("tests/", "tools/", "rehearsal/"))
    ]
    development = configuration.development(root, framework, sources, rehearsal=rehearsal)
    texts = {
        "README.md": _readme(files["README.md"].decode(), framework, names),
        "pyproject.toml": configuration.pyproject(
            framework, names, commit, development, rehearsal=rehearsal
        ),
        "requirements.txt": configuration.requirements(framework, names),
        "tests/requirements.txt": configuration.development_requirements(
            root, framework, names, development
        ),
    }
    for path, content in {**files, **{p: t.encode() for p, t in texts.items()}}.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def _readme(text: str, framework: Framework, names: Names) -> str:
    """Returns the README with the framework's example of a further resource.

    Raises `UsageError` if the framework has none.
    """
    if "resource" not in framework.contract:
        raise UsageError(
            f"{framework.folder.name}/pyproject.toml has no example of a further resource for the"
            " project's README: [tool.contract] resource."
        )
    imports, heading, handlers = names.example(framework.contract["resource"]).partition("# --- ")
    return (
        text.replace("@FRAMEWORK@", framework.title)
        .replace("@IMPORTS@", imports.strip())
        .replace("@RESOURCE@", heading + handlers)
    )


def _renamed(file: Path, names: Names) -> bytes:
    content = file.read_bytes()
    # Minified and licensed files of others are copied as they are.
    if file.suffix not in _TEXT or "swagger-ui" in file.parts:
        return content
    return names.text(content.decode("utf-8")).encode()


def _skeleton(folder: Path, names: Names) -> dict[str, bytes]:
    """The files that only a project has. They are written for a package `our_service`."""
    found = {}
    for file in sorted(folder.rglob("*")):
        if file.is_file() and file.suffix != ".pyc":
            path = file.relative_to(folder).as_posix().removesuffix(".skeleton")
            text = file.read_text(encoding="utf-8").replace("our_service", names.package)
            text = text.replace("our-service", names.distribution)
            found[path.replace("our_service", names.package)] = text.encode()
    return found


def _format(folder: Path) -> None:
    """Sorts the imports and wraps the lines, which another name has moved."""
    for command in (["check", "--fix"], ["format"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--quiet", "--no-cache", "."],
            cwd=folder,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            reason = " ".join(f"{done.stdout}{done.stderr}".split())[:200]
            raise UsageError(f"ruff does not accept the project: {reason}")


# --- git


_OF_A_HOOK = frozenset({"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"})


def _git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # In a hook of git, its variables name the repository of that hook.
    variables = {name: value for name, value in os.environ.items() if name not in _OF_A_HOOK}
    return subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, text=True, env=variables
    )


def _origin(root: Path) -> tuple[str, list[str]]:
    """Returns the commit of this repository, and a line if its files differ from that commit."""
    if not (root / ".git").exists():
        raise UsageError("This folder is not a git clone, and the project records its origin.")
    try:
        head = _git(root, "rev-parse", "--verify", "HEAD")
        changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    except FileNotFoundError:
        raise UsageError("git is not installed, and the project records its origin.") from None
    if head.returncode:
        raise UsageError(f"git does not read this folder: {' '.join(head.stderr.split())}")
    count = len(changed.stdout.splitlines())
    note = f"Note: {count} files differ from {head.stdout[:12]}, which the project records."
    return head.stdout.strip(), [note] if count else []


def _commit(folder: Path, framework: Framework, commit: str) -> list[str]:
    """Makes the first commit. Returns a line if git refuses it; then the files are staged."""
    message = f"Start from the {framework.title} app\n\nOrigin: commit {commit}"
    for arguments in (
        ("init", "--quiet", "--initial-branch=main"),
        ("add", "--all"),
        ("commit", "--quiet", "--message", message),
    ):
        done = _git(folder, *arguments)
        if done.returncode:
            if arguments[0] != "commit":
                raise UsageError(f"git {arguments[0]} fails: {done.stderr.strip()}")
            return [_refusal(done.stderr)]
    return []


def _refusal(error: str) -> str:
    if "user.email" in error or "empty ident" in error or "tell me who you are" in error:
        return (
            "Not committed, because git does not know who you are: set user.name and user.email"
            " with git config --global, then git commit."
        )
    reason = " ".join(error.split())[:200] or "it gives no reason"
    return f"Not committed, because git refuses: {reason}"
