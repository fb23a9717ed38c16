"""What a statement says its own vote is, by one documented rule.

The rule (docs/contracts.md): take the last line that is not empty. If it has the form "…answer: X", "…vote: X" or
"…choice: X", X is what counts; else the whole line. Markdown marks, quotes and a final stop are dropped, case and white
space are folded. Then the vote is, in this order, (1) the option whose text is all of it; (2) the one option whose text
stands in it as whole words, an option that is part of another named one not counting; (3) an option's letter
standing alone. Otherwise nothing is stated: no guess is made.
"""

from __future__ import annotations

import re

from localtable.types import LETTERS, Letter, Question

_LEAD = re.compile(r"^.*?\b(?:answer|vote|choice|option)\b(?:\s+(?:is|for))?\s*[:=]\s*(?P<rest>.+)$", re.IGNORECASE)
_MARKS = re.compile(r"[*_`\"'“”‘’<>#]+")
_ALONE = re.compile(r"^\(?([a-z])\)?[.):]?$")
_NAMES_LETTER = re.compile(
    r"(?:\b(?:option|answer|choice|letter)\s+\(?[A-Z]\)?(?=$|[\s.,;:!?)])|(?:^|\s)\([A-Z]\)(?=$|[\s.,;:!?]))"
)


def _fold(text: str) -> str:
    return " ".join(_MARKS.sub(" ", text).split()).strip(" .!,;:-").casefold()


def stated_vote(statement: str, question: Question) -> Letter | None:
    """The letter of the option that the statement's own last line names, or None."""
    lines = [line for line in statement.splitlines() if _fold(line)]
    if not lines:
        return None
    last = lines[-1]
    lead = _LEAD.match(last)
    said = _fold(lead.group("rest") if lead else last)
    folded = [_fold(option) for option in question.options]
    for letter, option in zip(question.letters, folded, strict=True):
        if option == said:
            return letter
    named = [i for i, option in enumerate(folded) if option and _has_words(said, option)]
    # "By end of 2027, Yes" names "Yes" too; the longer option is the one meant.
    named = [i for i in named if not any(i != j and _has_words(folded[j], folded[i]) for j in named)]
    if len(named) == 1:
        return LETTERS[named[0]]
    alone = _ALONE.match(said) if not named else None
    if alone and alone.group(1).upper() in question.letters:
        return alone.group(1).upper()
    return None


def _has_words(text: str, words: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(words)}(?!\w)", text) is not None


def names_a_letter(statement: str) -> bool:
    """Whether a statement speaks of an option by a letter, which it never saw."""
    return _NAMES_LETTER.search(statement) is not None
