"""What an unconstrained reply to a ballot votes for, by one documented rule.

The rule (docs/contracts.md), tried in this order: (1) a JSON object with the ballot's key, anywhere in the reply, whose
value is a label or an option's text; (2) a reply that begins with a label, alone or closed by a mark (`B`, `B)`,
`"B."`, `B) Paris`); (3) what `stated_vote` reads from its last line. Anything else is no vote: no guess is made.
"""

from __future__ import annotations

import re
from functools import lru_cache

from localtable.ballots.labels import VOTE_KEY
from localtable.ballots.stated import stated_vote
from localtable.types import Letter, Question

MAX_TOKENS = 24
"""Of a reply: a ballot's JSON, or a short sentence."""
LABEL_FIRST = re.compile(r"^[\s\"'`*(\[]*(?P<label>[A-Z])(?:[\"'`*)\].:,]|\s*$)")


@lru_cache(maxsize=8)
def json_pattern(key: str) -> re.Pattern[str]:
    """Finds a ballot's JSON anywhere in a reply; its one group is the value."""
    return re.compile(rf"[{{,]\s*[\"']?{key}[\"']?\s*:\s*[\"'](?P<value>[^\"'\n]+)[\"']")


def replied_vote(reply: str, question: Question, key: str = VOTE_KEY) -> Letter | None:
    """The option that a reply names, where the ballot listed the options in the question's own order; or None."""
    as_json = json_pattern(key)
    for pattern in (as_json, LABEL_FIRST):
        found = pattern.search(reply)
        if found is None:
            continue
        said = found[1].strip()
        if said in question.letters:
            return said
        if pattern is as_json:
            return stated_vote(said, question)
    return stated_vote(reply, question)
