"""What an unconstrained reply to a ballot votes for, by one documented rule.

The rule (docs/contracts.md), tried in this order: (1) a JSON object with the ballot's key, anywhere in the reply, whose
value is a label or an option's text; (2) a reply that begins with a label, alone or closed by a mark (`B`, `B)`,
`"B."`, `B) Paris`); (3) what `stated_vote` reads from its last line. Anything else is no vote: no guess is made.
"""

from __future__ import annotations

import re

from localtable.ballots.labels import VOTE_KEY
from localtable.ballots.stated import stated_vote
from localtable.types import Letter, Question

MAX_TOKENS = 24
"""Of a reply: a ballot's JSON, or a short sentence."""
_JSON = re.compile(rf"[{{,]\s*[\"']?{VOTE_KEY}[\"']?\s*:\s*[\"'](?P<value>[^\"'\n]+)[\"']")
_LABEL = re.compile(r"^[\s\"'`*(\[]*(?P<label>[A-Z])(?:[\"'`*)\].:,]|\s*$)")


def replied_vote(reply: str, question: Question) -> Letter | None:
    """The option that a reply names, where the ballot listed the options in the question's own order; or None."""
    for pattern in (_JSON, _LABEL):
        found = pattern.search(reply)
        if found is None:
            continue
        said = found[1].strip()
        if said in question.letters:
            return said
        if pattern is _JSON:
            return stated_vote(said, question)
    return stated_vote(reply, question)
