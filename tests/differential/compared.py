"""What is compared of an answer."""

import re
from typing import Any

from tests.contract.cases.stream import events_of
from tests.contract.vocabulary import Answer
from tooling.frameworks import Framework

Compared = dict[str, Any]
"""By name: `status`, `body`, and each header."""


def compared(answer: Answer, framework: Framework) -> Compared:
    """The parts of an answer that have to be equal in all apps.

    What differs legitimately is replaced:

    - The pages name their framework.
    - An entity tag is any quoted text: RFC 9110 section 8.8.3. Whether it is weak counts.
    - The order of the methods in `Allow` and of the names in `Vary` has no meaning.
    - The documents of `/openapi.json` are equivalent, which DOCS-3 checks. The first server counts.
    - Events may be written in several ways. Their names and data count.
    - `Content-Length` may be absent (HTTP-6). If it is present, it has to be right.
    """
    headers: dict[str, Any] = {}
    for name, value in answer.headers:
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    length = headers.pop("content-length", None)
    media_type = headers.get("content-type", "").partition(";")[0]
    if "etag" in headers:
        headers["etag"] = re.sub(r'"[^"]*"', '"..."', headers["etag"])
    for name in ("allow", "vary"):
        if name in headers:
            headers[name] = sorted(member.strip().lower() for member in headers[name].split(","))
    body: Any = answer.body
    if media_type == "text/html":
        body = answer.text().replace(framework.title, "<framework>")
    elif media_type == "text/event-stream":
        body = events_of(answer.body)
    elif media_type in ("application/json", "application/problem+json") and answer.body:
        body = answer.json()
        if isinstance(body, dict) and "openapi" in body:
            body = {"servers": body.get("servers", [{"url": "/"}])[:1]}
    wrong = length is not None and answer.body and int(length) != len(answer.body)
    return {"status": answer.status, "body": body, "wrong length": bool(wrong), **headers}
