"""`make deploy-branch`: a branch with one deployable folder for each framework.

Connect can deploy a folder of a git repository: it takes that folder and nothing above it, with its
`manifest.json`. Therefore the folders of the branch `connect` are staged bundles. The branch is
written with git's plumbing commands, so that neither the working tree nor the index changes.
"""

import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO

from rsconnect.bundle import make_html_bundle

from deploy.inspection import archive
from deploy.staging import bundle_lock, stage_locked
from tooling.commands import exit_code
from tooling.errors import UsageError
from tooling.files import locked
from tooling.frameworks import ROOT, Framework, find_frameworks

BRANCH = "connect"


def update_branch(root: Path = ROOT) -> str:
    """Commits the bundles of HEAD to the branch. Returns one sentence with the result.

    The same HEAD, Python and site give the same tree; without a change there is no new commit. The
    comparison site is included if `build/site/` exists. Raises `UsageError`.
    """
    ref, frameworks = f"refs/heads/{BRANCH}", find_frameworks()
    head = git(root, "rev-parse", "--verify", "HEAD")
    _check(root, ref, frameworks)
    with tempfile.TemporaryDirectory() as scratch:
        tree, folders = Path(scratch, "tree"), [framework.name for framework in frameworks]
        for framework in frameworks:
            with locked(bundle_lock(framework)), archive(stage_locked(framework)) as packed:
                _unpack(packed, tree / framework.name)
        if (root / "build" / "site" / "index.html").is_file():
            with make_html_bundle(str(root / "build" / "site"), None, [], []) as packed:
                _unpack(packed, tree / "site")
            folders.append("site")
        index = {"GIT_INDEX_FILE": str(Path(scratch, "index")), "GIT_WORK_TREE": str(tree)}
        git(root, "-c", "core.autocrlf=false", "add", "--all", "--force", ".", variables=index)
        written = git(root, "write-tree", variables=index)
    before = git(root, "for-each-ref", "--format=%(objectname)", ref)
    if before and git(root, "rev-parse", f"{before}^{{tree}}") == written:
        return f"The branch {BRANCH} is up to date: {before[:10]}."
    # The time and committer of HEAD, so that the same input gives the same commit everywhere.
    told = git(root, "show", "--no-patch", "--format=%cI%n%cn%n%ce", head).splitlines()
    identity = {
        f"GIT_{role}_{part}": value
        for role in ("AUTHOR", "COMMITTER")
        for part, value in zip(("DATE", "NAME", "EMAIL"), told, strict=True)
    }
    parents = ("-p", before) if before else ()
    message = f"Bundles of {head}"
    commit = git(root, "commit-tree", written, *parents, "-m", message, variables=identity)
    git(root, "update-ref", ref, commit, before)
    return f"The branch {BRANCH} has {', '.join(folders)}: {commit[:10]}."


def _check(root: Path, ref: str, frameworks: Iterable[Framework]) -> None:
    if git(root, "for-each-ref", "--format=%(worktreepath)", ref):
        raise UsageError(f"The branch {BRANCH} is checked out: check out another one first.")
    folders = [framework.folder.name for framework in frameworks]
    changed = git(root, "status", "--porcelain", "--", *folders, "shared")
    if changed:
        raise UsageError(f"{changed.split()[1]} is not committed: the branch is made of commits.")


def git(root: Path, *arguments: str, variables: Mapping[str, str] | None = None) -> str:
    """Returns what git prints. Raises `UsageError` with its message."""
    # The directory is named, because the working tree may be elsewhere; hooks set these variables.
    environment = {k: v for k, v in os.environ.items() if k not in ("GIT_DIR", "GIT_INDEX_FILE")}
    command = ["git", "--git-dir", str(root / ".git"), *arguments]
    cwd = (variables or {}).get("GIT_WORK_TREE", root)
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env={**environment, **(variables or {})},
            capture_output=True,
            text=True,
        )
    except FileNotFoundError:
        raise UsageError("git is not installed.") from None
    if done.returncode:
        raise UsageError(f"git {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout.strip()


def _unpack(packed: IO[bytes], folder: Path) -> None:
    with tarfile.open(fileobj=packed) as tar:
        for member in tar:
            source = tar.extractfile(member)
            if source is not None:
                file = folder / member.name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(source.read())


if __name__ == "__main__":
    sys.exit(exit_code("deploy-branch", lambda: print(update_branch())))
