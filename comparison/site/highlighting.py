"""Highlights source text at build time: one piece of HTML for each line.

Only tokens that the stylesheet colours get an element, so that a page with every application stays
small.
"""

from collections.abc import Sequence
from html import escape

from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.token import Token as Kind
from pygments.token import _TokenType

Token = tuple[_TokenType, str]
"""The type and the text of a token."""

_BREAKS = {".", "(", "[", "{"}

_CLASSES = {
    Kind.Comment: "c",
    Kind.Keyword: "k",
    Kind.Operator.Word: "k",
    Kind.Literal.String.Doc: "d",
    Kind.Literal.String: "s",
    Kind.Literal.Number: "m",
    Kind.Name.Decorator: "n",
    Kind.Name.Function: "f",
    Kind.Name.Class: "f",
    Kind.Name.Tag: "k",
}
"""The class of a token type, and of all its subtypes."""


def class_of(kind: _TokenType) -> str | None:
    """Returns the class of the nearest type that has one."""
    while kind not in _CLASSES:
        if kind.parent is None:
            return None
        kind = kind.parent
    return _CLASSES[kind]


def tokens_of(text: str, language: str = "python") -> list[list[Token]]:
    """Returns the tokens of each line; a token that spans lines is divided."""
    lexer: Lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False)
    lines: list[list[Token]] = [[]]
    for kind, value in lexer.get_tokens(text):
        first, *others = value.split("\n")
        lines[-1].append((kind, first))
        lines += [[(kind, other)] for other in others]
    return [[(kind, value) for kind, value in line if value] for line in lines]


def element(kind: _TokenType, value: str) -> str:
    """Returns the HTML of one token."""
    name = class_of(kind)
    text = escape(value, quote=False)
    return f'<span class="{name}">{text}</span>' if name else text


def html_of(line: Sequence[Token]) -> str:
    """Returns the HTML of a line, which may be divided after a bracket and after a dot."""
    return "".join(element(*token) + ("<wbr>" if token[1] in _BREAKS else "") for token in line)


def highlight(text: str, language: str = "python") -> list[str]:
    """Returns the HTML of each line."""
    return [html_of(line) for line in tokens_of(text, language)]
