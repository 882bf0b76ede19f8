"""Gives the copied files the names of the new project."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath


@dataclass(frozen=True)
class Names:
    """What the app is called here, and what it is called in the project."""

    app: str
    """The folder of the framework's app: `quart_app`."""
    package: str
    """The package of the project: `our_service`."""

    @property
    def distribution(self) -> str:
        """The name of the project: `our-service`."""
        return re.sub(r"_+", "-", self.package).lower()

    @property
    def title(self) -> str:
        """The title of the content on Connect: `Our service`."""
        words = self.package.replace("_", " ")
        return words[0].upper() + words[1:]

    def path(self, path: str) -> str:
        """Returns where a file of this repository stands in the project."""
        top, *rest = PurePosixPath(path).parts
        if top in (self.app, "shared"):
            return str(PurePosixPath(self.package, *rest))
        return path if top in ("tests", "rehearsal") else str(PurePosixPath("tools", *rest))

    def example(self, code: str) -> str:
        """Returns example code for a package `our_service` with the name of the project."""
        return code.strip().replace("our_service", self.package)

    def text(self, text: str) -> str:
        """Returns the text of a file with the names of the project."""
        for pattern, replacement in self._tokens():
            text = re.sub(pattern, replacement, text)
        return text

    def _tokens(self) -> list[tuple[str, str]]:
        return [
            (rf"\b{re.escape(self.app)}\b", self.package),
            # The module or the folder, and not the English word at the end of a sentence.
            (r"\bfrom shared import\b", f"from {self.package} import"),
            (r"\bshared(?=[./][a-z])", self.package),
            (r'"shared"', f'"{self.package}"'),
            (r"\bdeploy\.prepare_database\b", "tools.prepare_database"),
            (r"\btooling\b", "tools"),
            (r"\bGREETINGS_(?=URL|POOL_SIZE|CONNECT_TIMEOUT|QUERY_TIMEOUT)", "DATABASE_"),
            # rsconnect uploads every folder except a virtual environment.
            (r'ROOT / "build"', 'ROOT / ".venv" / "build"'),
        ]
