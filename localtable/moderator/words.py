"""Small words that templates, prompts and checks share."""

from __future__ import annotations

from collections.abc import Sequence


def one_line(text: str) -> str:
    """A text whose line ends are spaces: an option of two lines can't pass for two lines of ours."""
    return " ".join(text.split())


def joined(names: Sequence[str]) -> str:
    """`Ada, Bob and Cy`."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def counted(number: int, noun: str) -> str:
    """`1 vote`, `2 votes`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def shortened(text: str, most: int) -> str:
    """The beginning of a text, cut behind a word, and with a mark where it was."""
    text = one_line(text)
    if len(text) <= most:
        return text
    return f"{text[: most + 1].rpartition(' ')[0] or text[:most]} …"
