"""What the three kinds of sources share: where they work, what they hand back, and how they decline."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event

from localtable.types import FileSource, HubSource, Source
from localtable.weights.progress import Progress


class SourceUnavailableError(Exception):
    """This source can't serve now; the next one may. Never leaves the room."""

    def __init__(self, reason: str, *, hint: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Workplace:
    """Where a fetch works and whom it tells."""

    root: Path
    say: Callable[[str], None]
    progress: Progress
    model: str
    """The card's id, for messages."""
    parameters: int
    """For the size of what a conversion writes."""
    stop: Event
    """Set when nobody waits for this fetch any longer."""


def describe(source: Source) -> str:
    """A source in words."""
    if isinstance(source, HubSource):
        return f"hub {source.repo}" + (f"@{source.revision}" if source.revision else "")
    if isinstance(source, FileSource):
        return f"file {source.path}"
    first, last = source.parts[0], source.parts[-1]
    more = f" … {last.package}" if len(source.parts) > 1 else ""
    return f"wheel {first.package}{more}=={last.version}"


def source_key(source: Source) -> str:
    """A file name for what is remembered about a source: the same for every card that names it."""
    content = json.dumps([type(source).__name__, asdict(source)], sort_keys=True)
    slug = re.sub(r"[^A-Za-z0-9]+", "-", describe(source)).strip("-")[:60]
    return f"{slug}-{hashlib.sha256(content.encode()).hexdigest()[:16]}"
