"""The sources that the other pages lead to, one page each: `src/fastapi_app/app.py.html#L46`."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from comparison.site.highlighting import highlight
from comparison.site.model import Page, Site
from tooling.frameworks import ROOT

_LANGUAGES = {
    ".py": "python",
    ".toml": "toml",
    ".yaml": "yaml",
    ".md": "markdown",
    ".txt": "text",
}


def pages(site: Site) -> Iterable[Page]:
    files = list(_files(site))
    folders: dict[str, list[str]] = {}
    for file in files:
        folders.setdefault(file.parent.relative_to(ROOT).as_posix(), []).append(file.name)
    yield Page("sources.html", "Sources", "sources.html", {"folders": folders})
    for file in files:
        path = file.relative_to(ROOT).as_posix()
        text = file.read_text(encoding="utf-8").rstrip("\n")
        yield Page(
            f"src/{path}.html",
            path,
            "source.html",
            {"path": path, "lines": highlight(text, _LANGUAGES[file.suffix])},
        )


def _files(site: Site) -> Iterator[Path]:
    """Yields what is evidence: the apps, the code that they share, the cases, the profiles."""
    for application in site.applications:
        for name in ("app.py", "pyproject.toml", "README.md", "requirements.txt"):
            file = application.framework.folder / name
            if file.is_file():
                yield file
    shared = ROOT / "shared"
    yield from sorted(file for file in shared.glob("*.py") if file.name != "__init__.py")
    yield shared / "openapi.yaml"
    yield ROOT / "rehearsal" / "profiles.py"
    yield from sorted((ROOT / "comparison" / "bench" / "blocking").glob("[a-z]*.py"))
    yield from sorted((ROOT / "tests" / "contract" / "cases").glob("*.py"))
