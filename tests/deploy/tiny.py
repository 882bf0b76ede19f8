"""A repository in miniature: one app without a framework, a `shared/` with what it uses."""

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from tooling.frameworks import Framework

PINS = "".join(f"{name}=={version(name)}\n" for name in ("click", "h11", "uvicorn"))

FILES = {
    "tiny_app/__init__.py": "",
    "tiny_app/app.py": '''"""Answers everything with its path."""

from shared import pages
from shared.asgi import Send


async def app(scope, receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    assert (pages.STATIC / "styles.css").is_file()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["path"].encode()})
''',
    "tiny_app/README.md": "# Tiny\n",
    "tiny_app/requirements.txt": f"# made by hand\n{PINS}",
    "tiny_app/pyproject.toml": """[project]
name = "tiny-app"
version = "1"
requires-python = ">=3.11"

[tool.rsconnect]
app_mode = "python-fastapi"
entrypoint = "tiny_app.app:app"
requirements_file = "requirements.txt"
title = "Greetings in Tiny"

[tool.contract]
title = "Tiny"
distribution = "uvicorn"
""",
    "shared/__init__.py": "",
    "shared/asgi.py": "Send = object\n",
    "shared/pages.py": (
        "from pathlib import Path\n\n"
        'TEMPLATES = Path(__file__).parent / "templates"\n'
        'STATIC = Path(__file__).parent / "static"\n'
    ),
    "shared/templates/index.html": "<h1>Tiny</h1>\n",
    "shared/static/styles.css": "body { color: red }\n",
    "shared/static/icons/icon.svg": "<svg/>\n",
    "other_app/app.py": "app = None\n",
    "tests/test_tiny.py": "",
}

BUNDLED = [
    "pyproject.toml",
    "requirements.txt",
    "shared/__init__.py",
    "shared/asgi.py",
    "shared/pages.py",
    "shared/static/icons/icon.svg",
    "shared/static/styles.css",
    "shared/templates/index.html",
    "tiny_app/README.md",
    "tiny_app/__init__.py",
    "tiny_app/app.py",
]


def make_tree(root: Path) -> Framework:
    """Writes the repository; gives its one framework."""
    for path, text in FILES.items():
        write(root / path, text)
    return Framework("tiny", root / "tiny_app")


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def replace(file: Path, old: str, new: str) -> None:
    """Changes a file of the tree; what is replaced must be there."""
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def listing(folder: Path) -> list[str]:
    """Every file and every link in a folder, hidden ones too; paths with `/`, sorted."""
    found = [path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()]
    return sorted(path.relative_to(folder).as_posix() for path in found)


def snapshot(folder: Path) -> dict[str, tuple[int, float, bytes]]:
    """Mode, time and content of everything in a folder, and of the folder itself."""
    return {
        path.relative_to(folder).as_posix(): (
            path.stat().st_mode,
            path.stat().st_mtime,
            b"" if path.is_dir() else path.read_bytes(),
        )
        for path in (folder, *folder.rglob("*"))
    }


def run_python(script: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Runs a script in a process of its own, which finds what this one finds."""
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
    )
