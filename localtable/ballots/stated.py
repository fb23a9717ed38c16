"""What a statement says its own vote is, by one documented rule.

The rule (docs/contracts.md): the last line that holds a word counts; behind "answer", "vote", "choice" or "option" with
"is", "for", a colon or the like, only what follows counts. Then the vote is, in this order, (1) the option whose text
is all of that, marks, quotes, case and a final stop aside; (2) the one option that stands in it as whole words, where
the longer of two options that overlap is the one meant, one behind a negation ("not", "than", "instead of" …) is none,
and a word that sentences have anyway ("No", "None", "A" …) counts only as the option spells it and with a stop or a
reason behind it; (3) an option's letter standing alone. Otherwise nothing is stated: no guess is made.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache

from localtable.types import LETTERS, Letter, Question

_WORD = re.compile(r"\w")
_BOXED = re.compile(r"\${0,2}\\boxed\{(?:\\text(?:bf)?\{)?([^{}]*)\}+\${0,2}")
_MARKS = re.compile(r"\*\*|__|`+|</?(?:answer|b|i|em|strong)>")
_LEAD = re.compile(
    r"\b(?:answer|vote|choice|option)\b[*_\"'”’)]*"
    r"(?:\s+(?:is|for|remains|stays|goes to|would be)\b\s*[:：=]?|\s*[:：=]|\s+[-–—→](?=\s))",
    re.IGNORECASE,
)
_BULLET = re.compile(r"^(?:[-–•#>*]+\s+)+")
_AROUND = " \t*_\"'“”‘’«»<>()[]{}"
_STOPS = ".!,;:…"
_NEGATION = re.compile(
    r"(?:\b(?:not|never|cannot|neither|nor|than|over|against|instead of)|n['’]t)\s+(?:\w+\s+){0,2}[\"'“‘*_(]*$",
    re.IGNORECASE,
)
_COMMON = re.compile(r"a|i|it|no|not|none|all|both|n?either|some|others?|same|never|always", re.IGNORECASE)
_APART = r"(?=[\"'”’*_)\]]*(?:$|[.,;:!?…–—]|\s[-–—]\s|\s+(?:because|since|as|given|due)\b))"
_LETTER = re.compile(r"(?:(?:option|choice|letter)\s+)?\(?([a-z])\)?")
_NAMES_LETTER = (
    re.compile(r"\b(?i:option|answer|choice|letter)\s+\(?(?:[A-HJ-Z]\b(?!['’])|I(?=\s*(?:$|[.,;:!?)])))"),
    re.compile(
        r"\b(?i:option|answer|choice|vote)(?:\s+(?:is|for))?\s*[:=]?\s*\(?[A-Z]\)?\s*(?:$|[.,;:!?])", re.MULTILINE
    ),
    re.compile(r"(?:^|\s)\([A-Z]\)(?=$|[\s.,;:!?)])"),
    re.compile(r"^[^\w\n]*(?:[A-Z]\)|[A-H]\.)\s", re.MULTILINE),
)


def stated_vote(statement: str, question: Question) -> Letter | None:
    """The letter of the option that the statement's own last line names, or None."""
    lines = map(_unmarked, reversed(statement.splitlines()))
    last = next((line for line in lines if _WORD.search(line)), None)
    if last is None:
        return None
    ends = [lead.end() for lead in _LEAD.finditer(last)]
    led = [last[end:] for end in (*ends[:1], *ends[-1:]) if _core(last[end:])]
    for text in (*led, last):
        whole = _equal_to(text, question.options)
        if whole is not None:
            return LETTERS[whole]
    said = led[-1] if led else last
    named = _named_in(said, question.options)
    if named:
        return LETTERS[named[0]] if len(named) == 1 else None
    letter = _LETTER.fullmatch(_bare(said))
    return letter[1].upper() if letter and letter[1].upper() in question.letters else None


def _unmarked(line: str) -> str:
    return _MARKS.sub("", _BOXED.sub(r"\1", line)).strip()


@lru_cache(maxsize=4096)  # options come again with every turn
def _core(text: str) -> str:
    """A text without what merely stands around it."""
    before = None
    while text != before:
        before, text = text, _BULLET.sub("", text).strip(_AROUND).rstrip(_STOPS)
    return text


@lru_cache(maxsize=4096)
def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()


def _bare(text: str) -> str:
    return _folded(_core(text))


def _equal_to(text: str, options: Sequence[str]) -> int | None:
    """The option that is all of a text, compared ever more loosely, as long as it is one."""
    forms: tuple[Callable[[str], str], ...] = (str.strip, _folded, _bare)
    for form in forms:
        said = form(text)
        equal = [i for i, option in enumerate(options) if said and form(option) == said]
        if equal:
            return equal[0] if len(equal) == 1 else None
    return None


def _named_in(text: str, options: Sequence[str]) -> list[int]:
    named: list[int] = []
    folded = _folded(text)
    same = Counter(map(_folded, options))
    for i in sorted(range(len(options)), key=lambda i: len(options[i]), reverse=True):
        # Most options stand nowhere in a line: no pattern has to be made to see that.
        first = _core(options[i]).split()[:1]
        if not first or first[0].casefold() not in folded:
            continue
        words = _words(options[i], same[_folded(options[i])] > 1)
        if any(not _NEGATION.search(text[: found.start()]) for found in words.finditer(text)):
            named.append(i)
        # "By end of 2027, Yes" names "Yes" too; the longer option is the one meant.
        text = words.sub(lambda found: "\0" * len(found[0]), text)
    return named


@lru_cache(maxsize=4096)
def _words(option: str, cased: bool) -> re.Pattern[str]:
    """An option's text as whole words of a running text; its case counts where another option differs in that alone."""
    core = _core(option)
    before, behind = r"(?<![^\W_])(?<![^\W_][-'’])", r"(?![^\W_]|[#+]|[-'’][^\W_])"
    if core[0].isdigit():
        before += r"(?<![\d][.,/:])(?<![-−])"
    if core[-1].isdigit():
        behind += r"(?![.,/:–]\d)"
    words = before + r"\s+".join(map(re.escape, core.split())) + behind
    if _COMMON.fullmatch(core):
        return re.compile(words + _APART)
    return re.compile(words, 0 if cased else re.IGNORECASE)


def names_a_letter(statement: str) -> bool:
    """Whether a statement speaks of an option by a letter, which it never saw."""
    return any(pattern.search(statement) for pattern in _NAMES_LETTER)
