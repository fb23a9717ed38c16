"""Pages as tests read them: elements, their texts and links, and whether anything in them could act."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "input", "br", "link", "img", "hr"}
BLOCKS = {"td", "th", "tr", "p", "div", "li", "dt", "dd", "h1", "h2", "h3", "section", "summary", "article", "table"}
ACTIVE = {"iframe", "object", "embed", "form", "link", "base", "img", "audio", "video", "source", "portal"}
"""Elements that ask for something, or send it; no page of ours has one."""


@dataclass
class Element:
    """An element with everything below it."""

    tag: str
    attributes: dict[str, str]
    parts: list[Element | str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Its text as a browser holds it."""
        return "".join(part if isinstance(part, str) else part.text for part in self.parts)

    @property
    def words(self) -> str:
        """The same on one line, with a space where a block begins."""
        return " ".join(self._spaced().split())

    def _spaced(self) -> str:
        inside = "".join(part if isinstance(part, str) else part._spaced() for part in self.parts)
        return f" {inside} " if self.tag in BLOCKS else inside

    def all(self, tag: str = "", **attributes: str) -> list[Element]:
        """Elements below it that have these; a class is one of its classes."""
        found = []
        for part in self.parts:
            if isinstance(part, Element):
                if part.has(tag, attributes):
                    found.append(part)
                found += part.all(tag, **attributes)
        return found

    def has(self, tag: str, attributes: dict[str, str]) -> bool:
        if tag not in ("", self.tag):
            return False
        return all(
            value in self.attributes.get("class", "").split() if key == "class_" else self.attributes.get(key) == value
            for key, value in attributes.items()
        )

    def one(self, tag: str = "", **attributes: str) -> Element:
        (found,) = self.all(tag, **attributes)
        return found


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("", {})
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        made = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].parts.append(made)
        if tag not in VOID:
            self.open.append(made)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].parts.append(data)


def parsed(page: str) -> Element:
    """A page whose every element is closed where it should be."""
    parser = _Parser()
    parser.feed(page)
    parser.close()
    assert parser.open == [parser.root]
    return parser.root


def require_inert(page: str, scripts: int = 0) -> Element:
    """A page that can't act: no element that asks for anything, no handler, no style of its own, no outside address.

    Args:
        page: Its text.
        scripts: How many scripts of ours it may run.
    """
    root = parsed(page)
    elements = root.all()
    assert not {element.tag for element in elements} & ACTIVE
    assert len([e for e in root.all("script") if e.attributes.get("type") != "application/json"]) == scripts
    assert len(root.all("style")) == 1
    ids = [element.attributes["id"] for element in elements if "id" in element.attributes]
    assert len(set(ids)) == len(ids)
    for element in elements:
        assert not [name for name in element.attributes if name.startswith("on") or name in ("style", "src", "srcdoc")]
        for name in ("href", "xlink:href", "action", "formaction"):
            address = element.attributes.get(name)
            if address is None:
                continue
            assert re.fullmatch(r"(#[A-Za-z0-9-]*|(\.\./)?[A-Za-z0-9/-]+\.html(#debates)?)", address), address
            assert not address.startswith("#") or address[1:] in ids, f"{address} leads nowhere"
        for name in ("aria-labelledby", "aria-describedby"):
            assert element.attributes.get(name, ids[0]) in ids
    policy = root.one("meta", **{"http-equiv": "Content-Security-Policy"}).attributes["content"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert ("script-src" in policy) == bool(scripts)
    return root
