"""An app for the tests: tells what it was given, and misbehaves on request of its environment."""

import json
import os
import signal
import subprocess
import sys

from starlette.types import Receive, Scope, Send

MISBEHAVIOUR = os.environ.get("MISBEHAVIOUR")
if MISBEHAVIOUR == "broken import":
    raise RuntimeError("This app cannot be imported.")

CHILD = (
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    if (MISBEHAVIOUR == "stubborn child")
    else None
)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    told = {
        "path": scope["path"],
        "raw_path": scope["raw_path"].decode(),
        "root_path": scope["root_path"],
        "headers": [[name.decode(), value.decode("latin-1")] for name, value in scope["headers"]],
        "environment": dict(os.environ),
        "child": CHILD.pid if CHILD else None,
        "directory": os.getcwd(),
    }
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(told).encode()})


async def lifespan(receive: Receive, send: Send) -> None:
    await receive()
    print("This app starts.", flush=True)
    if MISBEHAVIOUR == "hangs":
        await receive()
    if MISBEHAVIOUR == "stubborn child":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})
