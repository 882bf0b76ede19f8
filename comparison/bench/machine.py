"""What a run depends on: the machine, the versions, the commit; and whether subjects differ."""

import platform
import re
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from comparison.bench.subjects import Subject
from comparison.bench.wrk import find_wrk
from tooling.frameworks import ROOT, find_frameworks

_COMMON = ("uvicorn", "hypercorn", "uvloop", "httptools", "h11", "msgspec", "jinja2", "numpy")


def identity() -> dict[str, Any]:
    """Returns what must be the same for a run to be resumed."""
    return {
        "commit": commit(),
        "machine": machine(),
        "versions": versions(),
        "client": client(),
    }


def commit() -> str | None:
    """Returns the commit, with `+` if the work tree differs from it; None without git."""
    try:
        head = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        changed = subprocess.run(
            ["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return head.stdout.strip() + ("+" if changed.stdout.strip() else "")


def machine() -> dict[str, Any]:
    """Returns processor, memory and system, without names that identify the machine."""
    processor = _search(Path("/proc/cpuinfo"), r"^model name\s*:\s*(.+)$")
    memory = _search(Path("/proc/meminfo"), r"^MemTotal:\s*(\d+) kB$")
    cores = _search(Path("/sys/devices/system/cpu/online"), r"^(.+)$")
    return {
        "processor": processor or platform.processor() or platform.machine(),
        "cores": cores,
        "memory_gb": round(int(memory) / 2**20, 1) if memory else None,
        "system": f"{platform.system()} {platform.release()}",
    }


def versions() -> dict[str, str]:
    """Returns the versions of Python, the frameworks, the servers and what they use."""
    distributions = [framework.contract["distribution"] for framework in find_frameworks()]
    found = {"python": f"{platform.python_implementation()} {platform.python_version()}"}
    for name in (*distributions, *_COMMON):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def client() -> str:
    """Returns the client of B1: `wrk` with its version, or `prober`."""
    if (wrk := find_wrk()) is None:
        return "prober"
    done = subprocess.run([wrk, "-v"], capture_output=True, text=True)
    return done.stdout.partition(" [")[0].strip()


def fairness(subjects: list[Subject]) -> list[dict[str, Any]]:
    """Returns what each subject runs on. What differs between two of one server is to be flagged.

    Asks a running process: its interpreter, its command line without the application, its cores,
    the number of its threads, and the event loop and HTTP parser that its server uses.
    """
    return [_facts(subject) for subject in subjects]


def _facts(subject: Subject) -> dict[str, Any]:
    with subject.start() as running:
        folder = Path(f"/proc/{running.pid}")
        arguments = " ".join((folder / "cmdline").read_text(encoding="utf-8").split("\0")[1:-2])
        variables = (folder / "environ").read_text(encoding="utf-8").split("\0")
        loop, parser = _used(subject, (folder / "maps").read_text(encoding="utf-8"))
        return {
            "subject": subject.name,
            "server": subject.server,
            "interpreter": _interpreter(folder),
            # Each process has another file descriptor.
            "arguments": re.sub(r"(--fd |fd://)\d+", r"\1N", arguments).replace(f"{ROOT}/", ""),
            "environment": " ".join(sorted(map(_without_path, filter(None, variables)))),
            "cores": _search(folder / "status", r"^Cpus_allowed_list:\s*(.+)$"),
            "threads": _search(folder / "status", r"^Threads:\s*(\d+)$"),
            "event loop": loop,
            "HTTP parser": parser,
        }


def _interpreter(folder: Path) -> str:
    """Returns the version of the interpreter that a process runs."""
    command = [str((folder / "exe").resolve()), "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _without_path(variable: str) -> str:
    """Returns `NAME=value`, or the name alone if the value has a path of this machine."""
    name, _, value = variable.partition("=")
    return name if "/" in value else variable


def _used(subject: Subject, maps: str) -> tuple[str, str]:
    """Returns the event loop and the HTTP parser of a server that is started without a choice.

    uvicorn takes uvloop and httptools if they can be imported. hypercorn takes asyncio's loop, and
    has no parser but h11, whatever the application imports: Sanic imports both others.
    Sources: https://www.uvicorn.org/settings/, "Implementation"; `asyncio_worker` and
    `protocol/__init__.py` of hypercorn 0.18.
    """
    if subject.server == "hypercorn":
        return "asyncio", "h11"
    loop = "uvloop" if "/uvloop/" in maps else "asyncio"
    return loop, "httptools" if "/httptools/" in maps else "h11"


def differences(facts: list[dict[str, Any]]) -> list[str]:
    """Returns a sentence for every fact in which the subjects of one server differ."""
    sentences = []
    for server in dict.fromkeys(fact["server"] for fact in facts):
        of_server = [fact for fact in facts if fact["server"] == server]
        for name in of_server[0]:
            values: dict[str, list[str]] = {}
            for fact in of_server:
                values.setdefault(str(fact[name]), []).append(fact["subject"])
            if name not in ("subject", "server") and len(values) > 1:
                each = "; ".join(f"{value}: {', '.join(who)}" for value, who in values.items())
                sentences.append(f"On {server}, {name} differs: {each}.")
    return sentences


def _search(file: Path, pattern: str) -> str | None:
    try:
        found = re.search(pattern, file.read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        return None
    return found[1] if found else None
