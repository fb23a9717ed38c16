"""A page as lines: what stands there, and how it reads to someone who looks for headings and labels.

Copies differ in line ends, in spaces that don't break, in invisible marks, and in whether they are Markdown. What is
kept of a page is its own text; only what is recognised is recognised by `plain`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"))
_BULLET = re.compile(r"^(?:[-*+•·‣–]|[0-9]{1,3}[.)])\s+")
_MARKED = re.compile(r"^(?:#{1,6}\s|\*\*[^*]+\*\*$|__[^_]+__$)")
_MARKDOWN_PAGE = re.compile(
    r"^[ \t]*(?:#{1,6}[ \t]+|\*\*|__)(?:Options|Model Responses|Final Summary|Strongest Arguments|Key Turning Points|"
    r"Result|Vote|Answer)\b",
    re.IGNORECASE | re.MULTILINE,
)
"""A heading or a label of the page's own in Markdown: only then are Markdown's marks no part of names and options."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a page."""

    number: int
    """From 1."""
    raw: str
    """As it stands there, without its end."""
    plain: str
    """In single spaces, without invisible marks and, on a Markdown page, without emphasis and heading marks."""
    bullet: bool
    """It is an item of a list; `plain` is without its mark."""
    marked: bool
    """On a Markdown page: a heading, or bold from end to end."""

    @property
    def empty(self) -> bool:
        return not self.plain and not self.bullet


def read_lines(text: str) -> list[Line]:
    """The lines of a page, whatever ends them."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    markdown = _MARKDOWN_PAGE.search(text) is not None
    return [_line(number, raw, markdown) for number, raw in enumerate(text.split("\n"), start=1)]


def _line(number: int, raw: str, markdown: bool) -> Line:
    spaced = spaces_single(raw)
    marked = markdown and _MARKED.match(spaced) is not None
    bullet = _BULLET.match(f"{spaced} ")
    plain = f"{spaced} "[bullet.end() :].strip() if bullet else spaced
    return Line(number, raw, _unmarked(plain) if markdown else plain, bullet is not None, marked)


def spaces_single(text: str) -> str:
    """A text in single spaces, without marks that nobody sees."""
    return " ".join(text.translate(_INVISIBLE).split())


def _unmarked(text: str) -> str:
    text = re.sub(r"^#{1,6} +", "", text)
    text = re.sub(r"\*\*([^*]+)\*\*|__([^_]+)__", lambda found: found[1] or found[2], text)
    return re.sub(r"^([*_])([^*_].*)\1$", r"\2", text)


def text_of(lines: Sequence[Line]) -> str:
    """What lines say together, without the white space around it."""
    return "\n".join(line.raw for line in lines).strip()


def paragraphs(lines: Sequence[Line]) -> list[str]:
    """The lines that say something, each without the white space around it."""
    return [line.raw.strip() for line in lines if not line.empty]
