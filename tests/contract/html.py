"""An HTML page as a list of its elements."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Self


@dataclass
class Element:
    """An HTML element: its tag, its attributes, and the text of its content."""

    tag: str
    attributes: dict[str, str]
    text: str = ""


@dataclass
class Page:
    """The elements of an HTML document, in order."""

    elements: list[Element] = field(default_factory=list)

    @classmethod
    def parse(cls, text: str) -> Self:
        page = cls()
        open_elements: list[Element] = []

        class Parser(HTMLParser):
            def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
                element = Element(tag, {name: value or "" for name, value in attrs})
                page.elements.append(element)
                open_elements.append(element)

            def handle_endtag(self, tag: str) -> None:
                while open_elements and open_elements.pop().tag != tag:
                    pass

            def handle_data(self, data: str) -> None:
                for element in open_elements:
                    element.text += data

        parser = Parser()
        parser.feed(text)
        parser.close()
        return page

    def all(self, tag: str) -> list[Element]:
        return [element for element in self.elements if element.tag == tag]

    def by_id(self, name: str) -> Element:
        (element,) = (e for e in self.elements if e.attributes.get("id") == name)
        return element

    def links(self) -> list[str]:
        """Every URL on the page that a browser loads or links to.

        A link with `rel="up"` is left out: it leads to the server in front of the app.
        """
        names = ("href", "src", "action", "data-document")
        own = [e.attributes for e in self.elements if e.attributes.get("rel") != "up"]
        return [attributes[name] for attributes in own for name in names if name in attributes]
