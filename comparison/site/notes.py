"""The notes of a framework's README: what it needed in order to conform, and what surprised us."""

import re
from dataclasses import dataclass

from comparison.site.applications import HEADINGS, Application

NEEDED = "What it needed in order to conform"
SURPRISED = "What surprised us"
CHAPTERS = (NEEDED, "Waiting", SURPRISED)
"""The headings of README under which the notes stand."""

_LEADS = {
    "A pool": "Start-up and shutdown",
    "Shutting down": "Start-up and shutdown",
    "Start-up": "Start-up and shutdown",
    "JSON": "Start-up and shutdown",
    "Cancelling": "Greetings",
    "Streaming": "Greetings",
    "Final slashes": "Greetings",
    "Credentials": "Hello",
    "A websocket": "Live",
    "Templates": "Pages",
    "Static files": "Pages",
    "The documentation page": "Documentation",
    "Problem details in the document": "Documentation",
    "Error bodies": "Refusals",
    "HEAD": "The application",
    "Redirects": "The application",
}
"""The section for the first words of a note, which are bold."""

_WORDS = {
    "stream": "Greetings",
    "websocket": "Live",
    "Cache-Control": "Hello",
    "cached": "Hello",
    "symbolic link": "Pages",
    "static": "Pages",
    "prefix": "The application",
    "lifespan": "Start-up and shutdown",
    "dependency": "Greetings",
    "path parameter": "Greetings",
    "Python": "Start-up and shutdown",
    "package": "Start-up and shutdown",
    "depends": "Start-up and shutdown",
}
"""The section for a word of a note without such a beginning; the first that occurs counts."""


@dataclass(frozen=True)
class Note:
    """One point or paragraph of a README."""

    chapter: str
    text: str
    """Markdown, in one line."""
    line: int
    """The number of its first line in README."""

    @property
    def surprised(self) -> bool:
        """Whether it tells a surprise; the others tell what is there, and why."""
        return self.chapter == SURPRISED or self.text.startswith(SURPRISED)

    @property
    def section(self) -> str:
        """The title of the section of `app.py` that the note is about."""
        lead = re.match(r"\*\*([^*.:]+)", self.text)
        if lead and lead[1] in _LEADS:
            return _LEADS[lead[1]]
        return next(
            (title for word, title in _WORDS.items() if word in self.text), "The application"
        )


def notes_of(application: Application) -> list[Note]:
    """Returns the notes in the order of README; none if there is no README."""
    file = application.framework.folder / "README.md"
    if not file.is_file():
        return []
    notes: list[Note] = []
    chapter, paragraph, first = "", list[str](), 0
    for number, line in enumerate([*file.read_text(encoding="utf-8").splitlines(), ""], 1):
        if paragraph and (not line.strip() or line.startswith(("- ", "#"))):
            text = " ".join(paragraph).removeprefix("- ")
            if chapter in CHAPTERS and not text.startswith("The relevant parts of"):
                notes.append(Note(chapter, text, first))
            paragraph = []
        if line.startswith("#"):
            chapter = line.lstrip("# ")
        elif line.strip():
            first = first if paragraph else number
            paragraph.append(line.strip())
    return notes


def notes_by_section(application: Application) -> dict[str, list[Note]]:
    """Returns the notes under each heading of `app.py`."""
    notes = notes_of(application)
    return {title: [note for note in notes if note.section == title] for title in HEADINGS}
