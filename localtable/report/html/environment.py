"""The templates, and the one place where text becomes HTML.

Everything that a template puts out passes `finalize`, which writes out what steers or hides text, and then autoescape,
once. What a page may do is said in its Content-Security-Policy: its own style sheet and script by their hashes, and
nothing else, so that even a mistake here could neither run anything nor ask for anything.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from localtable import __version__
from localtable.report.words import printable

PACKAGE = "localtable.report.html"
FOLDER = "templates"


def render(template: str, context: Mapping[str, Any], *, script: str | None = None) -> str:
    """A whole page.

    Args:
        template: File in `templates/`.
        context: What it shows.
        script: File in `templates/` that it runs, if any.
    """
    return "".join(stream(template, context, script=script))


def stream(template: str, context: Mapping[str, Any], *, script: str | None = None) -> Iterator[str]:
    """The same in pieces: what the context has as an iterator is not in memory all at once."""
    style, code = packaged_text("style.css"), "" if script is None else packaged_text(script)
    policy = f"default-src 'none'; style-src {_hash(style)}; base-uri 'none'; form-action 'none'"
    if code:
        policy += f"; script-src {_hash(code)}"
    page = environment().get_template(template)
    yield from page.generate(context, policy=policy, style=Markup(style), script=Markup(code), version=__version__)


@lru_cache(maxsize=1)
def environment() -> Environment:
    """The templates with their filters."""
    found = Environment(
        loader=PackageLoader(PACKAGE, FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {"percent": percent, "points": points, "pretty": pretty}
    return found


@lru_cache(maxsize=8)
def packaged_text(name: str) -> str:
    """A file of `templates/`."""
    return files(PACKAGE).joinpath(FOLDER, name).read_text("utf-8")


def _shown(value: Any) -> Any:
    """Text with control characters, direction overrides and the like written out; our own markup as it is."""
    if not isinstance(value, str) or isinstance(value, Markup) or value.isprintable():
        return value
    return printable(value)


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def percent(share: float) -> str:
    """0.123 → `12 %`; what is not nothing or everything is not called so."""
    rounded = f"{share:.0%}"
    if rounded == "0%" and share > 0:
        rounded = "<1%"
    elif rounded == "100%" and share < 1:
        rounded = ">99%"
    return rounded.replace("%", "\u202f%")


def points(difference: float) -> str:
    """0.123 → `+12.3`: percentage points, with a sign."""
    return f"{difference * 100:+.1f}".replace("-", "\u2212")


def pretty(data: Any) -> str:
    """JSON that is meant to be read."""
    return json.dumps(data, indent=1, ensure_ascii=False)
