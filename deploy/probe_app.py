"""An ASGI app that tells, as JSON, which request the server hands it. `make check-connect` uses it.

It is deployed alone, so that it imports the standard library only. `/away` redirects, and `/` is
answered 404, because Connect's user guide describes what happens without `GET /`.
"""

import json
import os
import sys


async def app(scope, receive, send):  # type: ignore[no-untyped-def]
    if scope["type"] == "lifespan":
        for phase in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{phase}.complete"})
        return
    headers = {name.decode("latin-1").lower(): value for name, value in scope["headers"]}
    route = "/" + scope["path"].rpartition("/")[2]
    told = {
        "path": scope["path"],
        "root_path": scope.get("root_path", ""),
        "headers": {
            name: headers[name].decode("latin-1")
            for name in ("host", "rstudio-connect-app-base-url")
            if name in headers
        },
        "header_names": sorted(headers),
        "product": os.environ.get("POSIT_PRODUCT"),
        "servers": [name for name in ("uvicorn", "hypercorn", "granian") if name in sys.modules],
    }
    status = {"/told": 200, "/away": 307}.get(route, 404)
    answer = [
        (b"content-type", b"application/json"),
        (b"set-cookie", b"contract-check=1; Path=/"),
        *([(b"location", b"/elsewhere")] if route == "/away" else []),
    ]
    await send({"type": "http.response.start", "status": status, "headers": answer})
    await send({"type": "http.response.body", "body": json.dumps(told).encode()})
