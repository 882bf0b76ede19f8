"""Varnish on loopback, with its built-in rules, as a cache in front of what a test has started."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.contract.waiting import eventually


@contextmanager
def varnish(folder: Path, url: str) -> Iterator[str]:
    """Serves `url` from a cache and yields the cache's address, without a final slash.

    The built-in rules keep an answer without `Cache-Control` for two minutes: varnishd(1),
    `default_ttl`. `folder` is for its files. Without Varnish the test is skipped.
    """
    program = shutil.which("varnishd", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("no Varnish here (Debian: apt install varnish)")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Without the jail, which needs users of its own.
    command = [program, "-F", "-j", "none", "-n", str(folder / "varnish"), "-s", "malloc,16m"]
    command += ["-a", f"127.0.0.1:{port}", "-b", urlsplit(url).netloc]
    with (folder / "varnish.log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        assert eventually(lambda: process.poll() is not None or _answers(port), 60)
        assert process.poll() is None, (folder / "varnish.log").read_text()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
