"""B1: 100,000 rows that the application reads one by one and streams as server-sent events."""

import json
import shutil
import socket
import time
from functools import cache
from pathlib import Path

from comparison.bench.cores import choose_cores
from comparison.bench.figures import Effort, Figure
from comparison.bench.load import CLIENT_LIMIT, core_gate
from comparison.bench.prober import join_chunks
from comparison.bench.subjects import BUILD, Running, Subject
from tooling.files import locked
from tooling.frameworks import ROOT, find_frameworks

ID = "B1"
TITLE = "Capacity: 100,000 rows read one by one"
SERVERS = ("uvicorn",)
FORMS = ("control", "control again", "matched")
ROUNDS = 6
SECONDS = {"quick": 2.5, "full": 5.4}

ROWS = 100_000
TARGET = "/greetings/stream"
GREETINGS = {f"x-{number:06}": "Hello" for number in range(ROWS)}


def run(subject: Subject, effort: Effort) -> list[Figure]:
    """The store is a `greetings.json` of 100,000 languages, in a copy of the applications."""
    with subject.start(ready_target="/greetings/x-000000", directory=copy()) as running:
        return measure(running)


@cache
def copy() -> Path:
    """Returns a folder with copies of the applications and a large `greetings.json`."""
    folder = BUILD / "rows"
    with locked(BUILD / "rows.lock"):
        shutil.rmtree(folder, ignore_errors=True)
        sources = ["shared", "comparison", *(found.folder.name for found in find_frameworks())]
        for name in sources:
            ignored = shutil.ignore_patterns("__pycache__", "site", "results")
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        file = folder / "shared" / "greetings.json"
        file.write_text(json.dumps(GREETINGS), encoding="utf-8")
    return folder


def expected() -> bytes:
    """Returns the body of the right answer."""
    events = (f'data: {{"lang":"{lang}","text":"{text}"}}\n\n' for lang, text in GREETINGS.items())
    return "".join([*events, "event: end\ndata: {}\n\n"]).encode()


def measure(running: Running) -> list[Figure]:
    cpu, thread, begun = running.cpu_seconds(), time.thread_time(), time.perf_counter()
    received, faults = _read(running.port)
    seconds = time.perf_counter() - begun
    share = (time.thread_time() - thread) / seconds
    cpu = running.cpu_seconds() - cpu
    head, _, rest = received.partition(b"\r\n\r\n")
    chunked = b"transfer-encoding: chunked" in head.lower()
    if not head.startswith(b"HTTP/1.1 200 "):
        faults.append(f"{TARGET} is answered with {head[:40]!r}.")
    elif (join_chunks(rest) if chunked else rest) != expected():
        faults.append("The stream had a wrong body.")
    if share > CLIENT_LIMIT:
        faults.append(f"The client used {share:.0%} of its core.")
    faults += core_gate(running.pid, [choose_cores().client])
    extra = {"seconds": seconds, "client_share": share, "command": ["socket", f"GET {TARGET}"]}
    name = "100,000 rows"
    return [
        Figure(ID, name, "rows/s", ROWS / seconds, ROWS, faults, extra=extra),
        Figure(ID, name, "CPU us/row", cpu / ROWS * 1e6, ROWS, faults),
    ]


def _read(port: int) -> tuple[bytes, list[str]]:
    """Returns everything that the server sends; the chunks are joined after the measurement."""
    blocks = []
    request = f"GET {TARGET} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            connection.sendall(request.encode())
            while block := connection.recv(1 << 18):
                blocks.append(block)
    except OSError as error:
        return b"".join(blocks), [f"The stream ended: {error}."]
    return b"".join(blocks), []
