"""`python -m deploy.publisher`: writes `.posit/publish/<name>.toml` for Posit Publisher.

Publisher is the extension of Positron and VS Code that deploys an opened folder. Left to itself, it
takes an app's folder without `shared/`. `make lock` calls this, because the files depend on the
projects as the locks do.
"""

import json
import re
import sys
from pathlib import Path

from tooling.commands import exit_code
from tooling.errors import UsageError
from tooling.frameworks import ROOT, Framework, find_frameworks

SCHEMA = "https://cdn.posit.co/publisher/schemas/posit-publishing-schema-v3.json"


def configuration(framework: Framework) -> str:
    """Returns the text of the file. Raises `UsageError` if the project names no least Python.

    The last pattern of `files` repeats what the first one includes: Publisher looks for a pattern
    that ends with the path of the requirements (posit-dev/publisher, connectPublish.ts).
    """
    folder = framework.folder.name
    requirements = f"{folder}/requirements.txt"
    python = str(framework.pyproject["project"]["requires-python"])
    least = re.fullmatch(r">=\s*(3\.[0-9]+).*", python)
    if least is None:
        raise UsageError(f"requires-python of {folder} must begin with >=3, not {python!r}.")
    files = [f"/{folder}", "/shared", "!.*", f"!/{folder}/tests", f"/{requirements}"]
    settings = {
        "$schema": SCHEMA,
        "type": framework.pyproject["tool"]["rsconnect"]["app_mode"],
        "entrypoint": framework.entrypoint,
        "title": framework.pyproject["tool"]["rsconnect"]["title"],
        "files": files,
    }
    of_python = {
        "version": least[1],
        "requires_python": python,
        "package_file": requirements,
        "package_manager": "pip",
    }
    return (
        f"# Compiled from {folder}/pyproject.toml: make lock\n"
        + _lines(settings)
        + "\n[python]\n"
        + _lines(of_python)
    )


def _lines(settings: dict[str, object]) -> str:
    # A JSON string or list of strings is also one of TOML, except for the character DEL.
    return "".join(
        f"{key if key.isidentifier() else json.dumps(key)} = {json.dumps(value)}\n"
        for key, value in settings.items()
    )


def write_configurations(root: Path = ROOT) -> None:
    """Writes the file of every framework, and removes those of frameworks that are gone."""
    folder = root / ".posit" / "publish"
    texts = {f"{f.name}.toml": configuration(f) for f in find_frameworks()}
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    for file in folder.glob("*.toml"):
        if file.name not in texts and "make lock" in file.read_text(encoding="utf-8"):
            file.unlink()


if __name__ == "__main__":
    sys.exit(exit_code("lock", write_configurations))
