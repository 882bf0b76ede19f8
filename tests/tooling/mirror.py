"""A package index as a company has one: at an address of its own, perhaps with a password or a
certificate.
"""

import base64
import ssl
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import trustme

USER, PASSWORD = "reader", "p4ss-of-the-mirror"
WHEEL = "greeter-1-py3-none-any.whl"


class Mirror:
    """Has the one distribution `greeter`, which provides a module `uvicorn`, and no other."""

    def __init__(self, port: int, asked: list[str], *, tls: bool) -> None:
        self.asked = asked
        """Paths that were asked for with the right password."""
        self.host = f"localhost:{port}"
        self.url = f"{'https' if tls else 'http'}://{self.host}/simple"

    @property
    def url_with_password(self) -> str:
        return self.url.replace("://", f"://{USER}:{PASSWORD}@")


@contextmanager
def mirroring(folder: Path, authority: trustme.CA | None = None) -> Iterator[Mirror]:
    """Serves from `folder`, which is made, to who has the password; with an authority over TLS, to
    all.
    """
    place = folder / "simple" / "greeter"
    place.mkdir(parents=True)
    with zipfile.ZipFile(place / WHEEL, "w") as wheel:
        wheel.writestr("uvicorn.py", "")
        wheel.writestr(
            "greeter-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: greeter\nVersion: 1\n"
        )
        wheel.writestr(
            "greeter-1.dist-info/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        wheel.writestr("greeter-1.dist-info/RECORD", "")
    (place / "index.html").write_text(f'<!doctype html><a href="{WHEEL}">{WHEEL}</a>')
    right = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if authority is None and self.headers.get("Authorization") != f"Basic {right}":
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="mirror"')
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            asked.append(self.path)
            super().do_GET()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    if authority is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(context)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Mirror(server.server_address[1], asked, tls=authority is not None)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
