"""A transcript's plain data as text and as a file: equal data gives equal bytes, and what is read is checked."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from localtable.errors import ConfigError
from localtable.loading import read_text, refuse_odd
from localtable.transcript.checking import check

MAX_TRANSCRIPT_BYTES = 256 * 1024 * 1024
"""A debate of 64 seats and 100 rounds at 1,000 tokens a turn."""
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def dump(data: Mapping[str, Any]) -> str:
    """Transcript data as text; equal data gives equal bytes."""
    return json.dumps(data, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def read_transcript(path: Path) -> dict[str, Any]:
    """A transcript's file as plain data, checked.

    Raises:
        ConfigError: Missing or damaged, of a newer version, or no transcript.
    """
    return parse_transcript(read_text(path, MAX_TRANSCRIPT_BYTES), str(path))


def parse_transcript(text: str | bytes, where: str) -> dict[str, Any]:
    """A transcript's text as plain data, checked.

    Raises:
        ConfigError: Damaged, of a newer version, or no transcript.
    """
    try:
        text = text if isinstance(text, str) else text.decode()
        data = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            f"{where} is not valid JSON: {str(error)[:200]}", hint="A transcript is what `--json` has written."
        ) from None
    if _SURROGATE.search(text) is not None:  # half of a pair can't be written down again
        refuse_odd(data, where)
    check(data, where)
    found: dict[str, Any] = data
    return found


def _finite(text: str) -> float:
    if math.isinf(value := float(text)):
        raise ValueError(f"{text[:40]} is no number that a computer holds")
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON value")
