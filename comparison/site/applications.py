"""The applications as they are read side by side: nine sections each, under the same headings."""

import re
from dataclasses import dataclass
from functools import cached_property

from packaging.requirements import Requirement

from comparison.site.highlighting import Token, html_of, tokens_of
from tooling.errors import UsageError
from tooling.frameworks import Framework, find_frameworks

ABOUT = {
    "Start-up and shutdown": "Creates the application, and opens and closes its store.",
    "Greetings": "Lists the greetings, finds one by its language, and streams them as events.",
    "Hello": "Greets the user whom Connect names in a header.",
    "Live": "Answers questions on a websocket.",
    "Health": "Tells whether the store answers.",
    "Pages": "Renders two pages from templates, and serves static files.",
    "Documentation": "Serves the OpenAPI document, and a page that shows it.",
    "Refusals": "Turns every error into problem details (RFC 9457).",
    "The application": "Wraps all of it in the layers of `shared/`, for every path prefix.",
}
"""The sections of every `app.py`, in their order (`# --- Greetings`), and what they do."""
HEADINGS = tuple(ABOUT)

_HEADING = re.compile(r"# --- (.*)")


def slug(title: str) -> str:
    """Returns the anchor of a heading: `start-up-and-shutdown`."""
    return "-".join(re.findall(r"[a-z0-9]+", title.lower()))


@dataclass(frozen=True)
class Section:
    """A section of an `app.py`, without its heading and the blank lines around it."""

    title: str
    first: int
    """The number of the first line."""
    lines: tuple[str, ...]
    tokens: tuple[list[Token], ...]
    """The tokens of each line."""
    html: tuple[str, ...]
    """The same lines, highlighted."""

    @property
    def slug(self) -> str:
        return slug(self.title)

    @property
    def last(self) -> int:
        """The number of the last line."""
        return self.first + len(self.lines) - 1

    @property
    def size(self) -> int:
        """The number of lines that are not blank."""
        return sum(bool(line.strip()) for line in self.lines)


@dataclass(frozen=True)
class Application:
    """One framework's application."""

    framework: Framework

    @property
    def name(self) -> str:
        return self.framework.name

    @property
    def title(self) -> str:
        return self.framework.title

    @property
    def path(self) -> str:
        """The path of the source in the repository: `fastapi_app/app.py`."""
        return f"{self.framework.folder.name}/app.py"

    @property
    def waivers(self) -> dict[str, str]:
        """The SHOULD cases from which the framework deviates, with the reasons."""
        waivers: dict[str, str] = self.framework.contract.get("waivers", {})
        return waivers

    @property
    def companions(self) -> list[str]:
        """The distributions on which the application depends directly, beside its framework."""
        names = [
            Requirement(text).name for text in self.framework.pyproject["project"]["dependencies"]
        ]
        return [name for name in names if name != self.framework.contract["distribution"]]

    @cached_property
    def locked(self) -> list[str]:
        """The distributions in `requirements.txt`."""
        text = self._read("requirements.txt")
        return sorted(set(re.findall(r"^([A-Za-z0-9._-]+)(?:\[.*?\])?==", text, re.MULTILINE)))

    @property
    def size(self) -> int:
        """The number of lines that are not blank."""
        return sum(bool(line.strip()) for line in self.lines)

    def section(self, title: str) -> Section:
        return next(section for section in self.sections if section.title == title)

    def link(self, line: int) -> str:
        """Returns the address of a line of `app.py`."""
        return f"src/{self.path}.html#L{line}"

    def source(self, name: str, line: int = 1) -> str | None:
        """Returns the address of a line of a file in the folder; None if there is no such file."""
        if not (self.framework.folder / name).is_file():
            return None
        return f"src/{self.framework.folder.name}/{name}.html#L{line}"

    def line_of(self, name: str, beginning: str) -> int:
        """Returns the number of the first line with that beginning; 1 if there is none."""
        for number, line in enumerate(self._read(name).splitlines(), 1):
            if line.startswith(beginning):
                return number
        return 1

    def _read(self, name: str) -> str:
        file = self.framework.folder / name
        return file.read_text(encoding="utf-8") if file.is_file() else ""

    @cached_property
    def lines(self) -> list[str]:
        return (self.framework.folder / "app.py").read_text(encoding="utf-8").splitlines()

    @cached_property
    def sections(self) -> list[Section]:
        """The sections under `HEADINGS`. Raises `UsageError` if the headings are different."""
        starts = [
            (match[1], number)
            for number, line in enumerate(self.lines, 1)
            if (match := _HEADING.fullmatch(line))
        ]
        _check_headings(self.path, starts)
        tokens = tokens_of("\n".join(self.lines))
        ends = [*starts[1:], ("", len(self.lines) + 1)]
        return [
            self._section(title, number + 1, end, tokens)
            for (title, number), (_, end) in zip(starts, ends, strict=True)
        ]

    def _section(self, title: str, first: int, end: int, tokens: list[list[Token]]) -> Section:
        while first < end and not self.lines[first - 1].strip():
            first += 1
        while end > first and not self.lines[end - 2].strip():
            end -= 1
        lines, kept = self.lines[first - 1 : end - 1], tokens[first - 1 : end - 1]
        return Section(title, first, tuple(lines), tuple(kept), tuple(map(html_of, kept)))


def _check_headings(path: str, starts: list[tuple[str, int]]) -> None:
    """Raises `UsageError`, with the first line where the headings are not `HEADINGS`."""
    for expected, (found, number) in zip(HEADINGS, starts, strict=False):
        if found != expected:
            raise UsageError(f"{path}:{number}: the heading is {found!r}, expected {expected!r}.")
    if len(starts) < len(HEADINGS):
        raise UsageError(f"{path}: the heading {HEADINGS[len(starts)]!r} is missing.")
    if len(starts) > len(HEADINGS):
        found, number = starts[len(HEADINGS)]
        raise UsageError(f"{path}:{number}: the heading {found!r} is none of the common ones.")


def read_applications() -> list[Application]:
    """Returns the applications of all frameworks, sorted by name."""
    return [Application(framework) for framework in find_frameworks()]
