"""A sentence → marks: seats, options, rounds, numbers, quotations and plain words, in their order.

Names go before words: a seat called "No" or an option called "Ada" is what it is called, wherever it stands.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from localtable.moderator.checks.ground import Ground, clean
from localtable.moderator.checks.lexicon import CHANGES, NUMBERS, ORDINALS, PEOPLE, ROUNDS, VOTES
from localtable.types import Letter

Kind = Literal["seat", "option", "round", "number", "of", "percent", "quote", "word", "mark"]


@dataclass(frozen=True, slots=True)
class Mark:
    """One word of a sentence, or one name, number or quotation."""

    kind: Kind
    text: str
    seats: frozenset[str] = frozenset()
    """Of a seat: itself; of a model: all seats that it sits on."""
    option: Letter = ""
    number: float = 0
    """A round's, or as it is written; of `3 of 5` the first."""
    of: float = 0
    possessive: bool = False

    @property
    def word(self) -> str:
        """In small letters, where it is a plain word; else nothing."""
        return self.text.casefold() if self.kind in ("word", "mark") else ""


_MERGED = re.compile(
    r"\b(no one|no seat|no model|no participant|no member|no vote|w[io]n over|winning over|brought over|brought round|"
    r"talked into)\b",
    re.IGNORECASE,
)
"""Two words that say one thing."""
_AMBIGUOUS = frozenset(
    [
        "no",
        "none",
        "all",
        "both",
        "maybe",
        "yes",
        "a",
        "i",
        "it",
        "one",
        "neither",
        "either",
        "other",
        "others",
        "some",
        "many",
        "most",
    ]
)
"""Options that sentences have as words anyway: they are options where they are spelled so, and not before a noun."""
_BEFORE_OPTIONS = frozenset(
    [
        "for",
        "to",
        "from",
        "toward",
        "towards",
        "on",
        "voted",
        "chose",
        "backed",
        "picked",
        "favoured",
        "favored",
        "preferred",
    ]
)
_NOUNS = (
    PEOPLE
    | VOTES
    | ROUNDS
    | CHANGES
    | frozenset(["one", "majority", "consensus", "agreement", "further", "more", "longer"])
)

_QUOTES = re.compile(
    r"“(?P<curly>(?:[^“”]|“[^“”]*”)*)”"
    r"|\"(?P<straight>[^\"]*)\""
    r"|«(?P<angle>[^«»]*)»"
    r"|(?<!\w)‘(?P<single>(?:[^‘’]|’(?=\w))*)’(?!\w)"
    r"|(?<!\w)'(?P<plain>(?:[^']|'(?=\w))*)'(?!\w)"
)
_PARTS = re.compile(
    r"(?P<of>\d+(?:\s*[/–-]\s*|\s+(?:out\s+)?of\s+(?:the\s+)?|\s+to\s+)\d+\b)"
    r"|(?P<percent>\d+(?:\.\d+)?\s*%)"
    r"|(?P<number>\d+(?:[.,]\d+)*(?:st|nd|rd|th)?\b)"
    r"|(?P<word>[^\W\d_]\w*(?:[’'-][^\W\d_]\w*)*[’']?)"
    r"|(?P<mark>[^\s\w])"
)


def read_sentence(sentence: str, ground: Ground) -> list[Mark]:
    """The marks of a sentence."""
    marks: list[Mark] = []
    end = 0
    for found in _QUOTES.finditer(sentence):
        marks += _read_plain(sentence[end : found.start()], ground)
        words = next(group for group in found.groups() if group is not None)
        marks += _read_plain(clean(words), ground) if _is_name(clean(words), ground) else [Mark("quote", words)]
        end = found.end()
    marks += _read_plain(sentence[end:], ground)
    return _with_rounds(_with_numbers(_with_options(marks, ground)), ground)


def _is_name(words: str, ground: Ground) -> bool:
    """Whether a quotation is nothing but a name."""
    return words.casefold() in {n.casefold() for n in (*ground.options.values(), *ground.record.seats, *ground.models)}


@lru_cache(maxsize=64)
def _names(
    seats: tuple[str, ...], models: tuple[str, ...], options: tuple[str, ...]
) -> tuple[re.Pattern[str], tuple[str, ...]]:
    """Finds names, the longest first: as they are spelled where they could be words, else in any case.

    Returns:
        The pattern, and the names in the order of its groups: in any case a name need not read as it is spelled.
    """
    names = tuple(sorted({*seats, *models, *options}, key=lambda name: (-len(name), name)))
    parts = []
    for name in names:
        as_spelled = len(name) < 3 or name.casefold() in _AMBIGUOUS or (name in seats and " " not in name)
        spelled = re.escape(name) if as_spelled else f"(?i:{re.escape(name)})"
        before = r"(?<!\w)" if name[:1].isalnum() else ""
        parts.append(f"{before}({spelled})" + (r"(?!\w)" if name[-1:].isalnum() else ""))
    return re.compile("|".join(parts) or r"(?!)"), names


def _read_plain(text: str, ground: Ground) -> Iterator[Mark]:
    options = {name: letter for letter, name in ground.options.items()}
    pattern, names = _names(ground.record.seats, tuple(ground.models), tuple(options))
    end = 0
    for found in pattern.finditer(text):
        if found.start() < end:
            continue
        yield from _read_words(text[end : found.start()])
        assert found.lastindex is not None
        name, said, end = names[found.lastindex - 1], found.group(), found.end()
        owns = re.match(r"[’'](?:s\b)?", text[end:])
        end += owns.end() if owns else 0
        if name in ground.record.seats:
            yield Mark("seat", said, frozenset({name}), possessive=owns is not None)
        elif name in options:
            yield Mark("option", said, option=options[name], possessive=owns is not None)
        else:
            yield Mark("seat", said, ground.models[name], possessive=owns is not None)
    yield from _read_words(text[end:])


def _read_words(text: str) -> Iterator[Mark]:
    for found in _PARTS.finditer(_MERGED.sub(lambda two: two.group().replace(" ", "_"), text)):
        whole = found.group()
        match found.lastgroup:
            case "of":
                first, second = map(_value, re.findall(r"\d+", whole))
                yield Mark("of", whole, number=first, of=second)
            case "percent":
                yield Mark("percent", whole, number=float(whole.rstrip("% ")))
            case "number" if whole[-1].isdigit():
                yield Mark("number", whole, number=_value(whole))
            case "number" | "mark":
                yield Mark("word" if found.lastgroup == "number" else "mark", whole)
            case _:
                bare = re.sub(r"[’']s?$", "", whole)
                yield Mark("word", bare, possessive=bare != whole)


def _value(digits: str) -> float:
    """What digits come to; -1, which nothing counts, where that is no number (`1.2.3`) or none that a float holds."""
    plain = digits.replace(",", "")
    value = float(plain) if plain.count(".") < 2 else math.inf
    return value if math.isfinite(value) else -1.0


# ── what depends on the words around it ─────────────────────────────────────────────────────────────────────


def _with_options(marks: Sequence[Mark], ground: Ground) -> list[Mark]:
    """Words that are options where they stand, options that are words there, and options by their letters."""
    options = {name.casefold(): letter for letter, name in ground.options.items()}
    read: list[Mark] = []
    rest = list(marks)
    while rest:
        mark, behind = rest.pop(0), rest[0] if rest else Mark("mark", "")
        before = read[-1].word if read else ""
        if mark.kind == "option" and mark.text.casefold() in _AMBIGUOUS and behind.word in _NOUNS:
            mark = Mark("word", mark.text)
            if _MERGED.fullmatch(f"{mark.text} {behind.text}"):
                mark = Mark("word", f"{mark.text}_{rest.pop(0).text}")
        elif mark.kind == "word" and mark.word in options and before in _BEFORE_OPTIONS:
            mark = Mark("option", mark.text, option=options[mark.word])
        elif mark.kind == "word" and before in ("option", "choice", "answer") and mark.text in ground.options:
            read.pop()
            mark = Mark("option", mark.text, option=mark.text)
        read.append(mark)
    return read


def _with_numbers(marks: Sequence[Mark]) -> list[Mark]:
    """Numbers that are written as words; `one` is one where something is counted."""
    read: list[Mark] = []
    for place, mark in enumerate(marks):
        behind = marks[place + 1].word if place + 1 < len(marks) else ""
        if mark.word in NUMBERS and (mark.word != "one" or behind in _NOUNS - {"one"} or behind in ("of", "other")):
            before = marks[place - 1].word if place else ""
            if not (mark.word == "one" and (before == "no" or behind == "of")) or _counts_of(marks, place):
                mark = Mark("number", mark.text, number=NUMBERS[mark.word])
        read.append(mark)
    return _with_shares(read)


def _counts_of(marks: Sequence[Mark], place: int) -> bool:
    """Whether `one` is the first number of `one of three`."""
    behind = [mark for mark in marks[place + 1 : place + 4] if mark.word not in ("of", "the", "out")]
    return bool(behind) and (behind[0].kind == "number" or behind[0].word in NUMBERS)


def _with_shares(marks: Sequence[Mark]) -> list[Mark]:
    """`two of the three` is one mark."""
    read: list[Mark] = []
    place = 0
    while place < len(marks):
        mark, further = marks[place], place + 1
        while further < len(marks) and marks[further].word in ("of", "out", "the", "to", "votes"):
            further += 1
        between = [other.word for other in marks[place + 1 : further]]
        score = between in (["to"], ["votes", "to"]) and not (place and marks[place - 1].word == "from")
        if (
            mark.kind == "number"
            and ("of" in between or score)
            and further < len(marks)
            and marks[further].kind == "number"
        ):
            text = " ".join(other.text for other in marks[place : further + 1])
            read.append(Mark("of", text, number=mark.number, of=marks[further].number))
            place = further + 1
        else:
            read.append(mark)
            place += 1
    return read


def _with_rounds(marks: Sequence[Mark], ground: Ground) -> list[Mark]:
    """`round 2`, `the second round`, `rounds 1 and 2`, `the final round` are rounds."""
    read: list[Mark] = []
    in_list = False
    for place, mark in enumerate(marks):
        behind = marks[place + 1] if place + 1 < len(marks) else Mark("mark", "")
        if mark.word in ROUNDS:
            named = _round_before(read, ground)
            if named is not None:
                read[-1] = named
                in_list = False
                continue
            in_list = behind.kind in ("number", "of")
            if in_list:
                continue
        elif in_list and mark.kind == "number":
            mark = Mark("round", f"round {mark.text}", number=mark.number)
            in_list = behind.word in ("and", ",", "to", "–", "-")
        elif in_list and mark.kind == "of":  # rounds 1-2, which reads as a share
            read.append(Mark("round", mark.text, number=mark.number))
            mark = Mark("round", mark.text, number=mark.of)
            in_list = False
        elif mark.word not in ("and", ",", "to", "–", "-"):
            in_list = False
        read.append(mark)
    return read


def _round_before(read: Sequence[Mark], ground: Ground) -> Mark | None:
    """The round that an ordinal names, right before the word itself."""
    if not read or read[-1].kind != "word":
        return None
    number: Callable[[], int] | None = {
        "first": lambda: ground.first,
        "opening": lambda: ground.first,
        "blind": lambda: ground.first,
        "initial": lambda: ground.first,
        "final": lambda: ground.last,
        "last": lambda: ground.last,
        "closing": lambda: ground.last,
    }.get(read[-1].word)
    if number is not None:
        return Mark("round", f"{read[-1].text} round", number=number())
    ordinal = ORDINALS.get(read[-1].word)
    return None if ordinal is None else Mark("round", f"{read[-1].text} round", number=ordinal)
