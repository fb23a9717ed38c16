"""Where things lie: the user's own state, and the data files that ship with the package."""

from __future__ import annotations

import os
from pathlib import Path


def packaged(folder: str) -> Path:
    """A folder of data files that ships with the package: beside it in a checkout, inside it in a wheel."""
    package = Path(__file__).resolve().parent
    inside = package / folder
    return inside if inside.is_dir() else package.parent / folder


def home() -> Path:
    """Where state lives: `LOCALTABLE_HOME`, by default the platform's user cache folder."""
    chosen = os.environ.get("LOCALTABLE_HOME")
    if chosen:
        return Path(chosen).expanduser().resolve()
    import platformdirs

    return Path(platformdirs.user_cache_dir("localtable"))
