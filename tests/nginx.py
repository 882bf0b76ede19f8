"""nginx on loopback, as a proxy in front of what a test has started."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.contract.waiting import eventually

CONFIGURATION = """
daemon off; worker_processes 1; pid nginx.pid; error_log stderr; master_process off;
events {{}}
http {{
    access_log off;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    {http}
    server {{
        listen 127.0.0.1:{port} default_server;
        {server}
    }}
}}
"""


@contextmanager
def nginx(folder: Path, server: str, http: str = "") -> Iterator[str]:
    """Serves with these lines of configuration and yields the address, without a final slash.

    - `folder`: for its files.
    - `server`: the lines of the server that answers for every host.
    - `http`: lines beside it. A server of its own listens on `PORT`.

    Without nginx the test is skipped.
    """
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("no nginx here (Debian: apt install nginx-light)")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "nginx.conf").write_text(
        CONFIGURATION.format(port=port, server=server, http=http.replace("PORT", f"{port}")),
        encoding="utf-8",
    )
    command = [program, "-p", str(folder), "-c", "nginx.conf", "-e", "stderr"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert eventually(lambda: process.poll() is not None or _answers(port))
            assert process.poll() is None, process.communicate()[1]
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def _answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
