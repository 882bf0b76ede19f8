"""Bundles for the tests, as rsconnect makes them, and as it never would."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from typing import Any

APP = b"async def app(scope, receive, send): ...\n"
FILES = {"main.py": APP, "requirements.txt": b"", "pkg/data.txt": b"data"}


def manifest_of(files: dict[str, bytes]) -> dict[str, Any]:
    checksums = {
        name: {"checksum": hashlib.md5(content, usedforsecurity=False).hexdigest()}
        for name, content in files.items()
    }
    return {
        "version": 1,
        "locale": "en_US.UTF-8",
        "metadata": {"appmode": "python-fastapi", "entrypoint": "main:app"},
        "python": {
            "version": "3.11.7",
            "package_manager": {"name": "pip", "package_file": "requirements.txt"},
        },
        "environment": {"python": {"requires": ">=3.11"}},
        "files": checksums,
    }


def tar_of(files: dict[str, bytes], *members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for member, content in members:
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def bundle_of(
    files: dict[str, bytes] = FILES,
    *members: tuple[tarfile.TarInfo, bytes],
    change: Callable[[dict[str, Any]], object] = lambda manifest: None,
) -> bytes:
    """A bundle of these files; `change` may spoil its manifest."""
    manifest = manifest_of(files)
    change(manifest)
    archive = tar_of(files | {"manifest.json": json.dumps(manifest).encode()}, *members)
    # Without the time, which would make other bytes of the same files.
    return gzip.compress(archive, mtime=0)


def member(
    name: str, kind: bytes = tarfile.REGTYPE, **fields: Any
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type = kind
    for field, value in fields.items():
        setattr(info, field, value)
    return info, b"x" * info.size
