"""How a row names its right option: by label, by place, by text. Whatever could mean two options is refused."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from localtable.config.datasets.schemas import AnswerKind
from localtable.errors import ConfigError
from localtable.types import LETTERS


class Options(NamedTuple):
    """A row's options in the source's order."""

    texts: tuple[str, ...]
    labels: tuple[str, ...]
    """The source's own, or A, B, C …"""


class OutOfRangeError(Exception):
    """An answer that names no option; says what would."""


class AmbiguousAnswerError(ConfigError):
    """An answer that may mean two options: a question about the whole source, not a fault of one row."""


def as_text(value: Any) -> str | None:
    """A cell as text, as it was written; None where it is empty.

    Raises:
        TypeError: The value is neither a text nor a number.
    """
    if value is None or (isinstance(value, float) and value != value):
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise TypeError(f"{type(value).__name__} is neither a text nor a number")
    return str(value).strip() or None


def position_of(answer: str, options: Options, kind: AnswerKind | None, where: str) -> int:
    """The place, from 0, of the option that an answer names.

    Args:
        answer: The cell's text, not empty.
        options: Of the same row.
        kind: How the source names options; None where that has to be seen from the value.
        where: For messages.

    Raises:
        OutOfRangeError: It names none.
        AmbiguousAnswerError: No kind is given and the answer may mean two options, or a number that may be counted
            from 0 or from 1.
    """
    if kind is None:
        return _only_meaning(answer, options, where)
    position = _readings(answer, options)[kind]
    if position is None and kind == "letter":
        position = _readings(answer.upper(), options)[kind]
    if position is None:
        raise OutOfRangeError(_bound(kind, options))
    return position


def _readings(answer: str, options: Options) -> dict[AnswerKind, int | None]:
    # 2.0 is what becomes of a whole number in a column that has gaps.
    number = int(float(answer)) if re.fullmatch(r"\d{1,9}(\.0+)?", answer) else None
    inside = range(len(options.texts))
    return {
        "text": _index(options.texts, answer),
        "letter": _index(options.labels, answer),
        "index": number if number in inside else None,
        "index1": number - 1 if number is not None and number - 1 in inside else None,
    }


def _index(texts: Sequence[str], text: str) -> int | None:
    return texts.index(text) if text in texts else None


def _only_meaning(answer: str, options: Options, where: str) -> int:
    readings = {kind: place for kind, place in _readings(answer, options).items() if place is not None}
    if not readings:
        raise OutOfRangeError(f"{_bound('letter', options)}, or an option's text word for word")
    # A number alone never tells where counting starts, even where only one of the two would be in range.
    if len(set(readings.values())) > 1 or not readings.keys() & {"text", "letter"}:
        meanings = " or ".join(f"{options.texts[place]!r} (as {kind})" for kind, place in readings.items())
        raise AmbiguousAnswerError(
            f"{where}: the answer {answer!r} may mean {meanings}",
            hint=f"Say how the source names answers: --answer-is {', '.join(readings)}.",
        )
    return next(iter(readings.values()))


def _bound(kind: AnswerKind, options: Options) -> str:
    count = len(options.texts)
    if kind == "letter":
        lettered = options.labels == tuple(LETTERS[:count])
        return f"{options.labels[0]} to {options.labels[-1]}" if lettered else ", ".join(options.labels)
    return {
        "index": f"a whole number from 0 to {count - 1}",
        "index1": f"a whole number from 1 to {count}",
        "text": "an option's text word for word",
    }[kind]
