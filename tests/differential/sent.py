"""Strategies that generate requests as a client writes them to a socket, byte for byte."""

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from tests.contract.in_process import encoded
from tests.contract.vocabulary import BASE_URL, Mount, Request
from tests.differential import generated, values
from tests.differential.generated import Asked, spelled_prefix

HOST = b"Host: localhost"


@dataclass(frozen=True, slots=True)
class Sent(Asked):
    """A request, and how it is written.

    - `form`: what precedes the path in the target: `http://host` in the absolute form.
    - `lines`: header lines as they are written, in front of the headers of the request.
    - `body`: what follows the head, with its framing.
    - `waits`: whether the client sends the body only after a 100 (Continue).
    """

    form: str = ""
    version: str = "1.1"
    lines: tuple[bytes, ...] = (HOST,)
    body: bytes = b""
    waits: bool = False

    @property
    def head(self) -> bytes:
        prefix = spelled_prefix(self) if self.mount.client_sends_prefix else ""
        target = f"{self.form}{prefix}{self.request.target}"
        headers = [*self.request.headers]
        if self.mount.base_url:
            headers.append((BASE_URL, self.mount.external_url))
        written = [name.encode("ascii") + b": " + encoded(value) for name, value in headers]
        line = f"{self.request.method} {target} HTTP/{self.version}".encode("latin-1")
        return b"\r\n".join([line, *self.lines, *written]) + b"\r\n\r\n"


@st.composite
def targets(draw: st.DrawFn) -> tuple[str, str]:
    """The form and the rest of a target. Most often it is the path alone."""
    match draw(st.integers(0, 5)):
        case 0 | 1:
            return draw(st.sampled_from(values.ORIGINS)), draw(generated.targets())
        case 2:
            return "", draw(st.sampled_from(values.NO_PATHS))
    return "", draw(generated.targets())


# The other headers of generated requests concern the connection.
HEADERS = generated.PLAIN_HEADERS.filter(
    lambda header: header[0] not in ("Content-Length", "Expect", "Upgrade")
)


@st.composite
def requests(draw: st.DrawFn, mounts: Sequence[Mount]) -> Sent:
    form, target = draw(targets())
    method = draw(st.sampled_from((*values.METHODS, "POST", "PUT", "OPTIONS", "CONNECT")))
    request = Request(method, target, draw(st.lists(HEADERS, max_size=2)))
    asked = draw(generated.placed(request, mounts))
    version = draw(st.sampled_from(values.VERSIONS))
    lines = list(draw(st.sampled_from(values.HOSTS)))
    lines += draw(st.lists(st.sampled_from(values.LINES), max_size=2))
    body, waits = b"", False
    # uvicorn takes what follows CONNECT for another protocol.
    match draw(st.integers(0, 7)) if method != "CONNECT" else None:
        case 0:
            # In one piece with the head: otherwise the app may answer before the server refuses.
            framing, body = draw(st.sampled_from(values.BROKEN_BODIES))
            lines += framing
        case 1 | 2:
            framing, body = draw(st.sampled_from(values.BODIES))
            lines += framing
            # RFC 9110 section 10.1.1: for HTTP/1.0 there is no 100 (Continue).
            if waits := version == "1.1" and draw(st.integers(0, 3)) == 0:
                lines.append(b"Expect: 100-continue")
    return Sent(
        asked.request,
        asked.mount,
        encoded=asked.encoded,
        form=form,
        version=version,
        lines=tuple(lines),
        body=body,
        waits=waits,
    )
