"""Scripted seats that read: what a prompt of the byte vocabulary shows of votes, and what that does to a ballot.

Influence can be planted so: nothing but the prompt's own text tells a follower what others voted for, so that a
prompt without those votes moves nothing. Control ids part the prompt into messages, which no text can do.
"""

from __future__ import annotations

import hashlib
import math
import re
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence

from localtable.engines.base import Request
from localtable.engines.script import Follows, ScriptedTurn
from localtable.engines.scripted_rule import scores
from localtable.scripted_vocabulary import END_OF_TURN, START_OF_TURN, decode
from localtable.seeds import derive

_ANSWER = "My answer: "
"""How a follower's statement names its option."""
_LETTERED = re.compile(r"^([A-Z])\. (.+)$", flags=re.MULTILINE)
_LISTED = re.compile(r"^- (.+)$", flags=re.MULTILINE)


def followed_statement(request: Request, follows: Follows) -> str | None:
    """What a follower says where its prompt shows votes that it follows, and its statements are what it follows by."""
    if follows.how != "by_statement":
        return None
    asked = _messages(request.prompt_token_ids, "user")
    votes = _shown_votes(asked, follows.seat, _LISTED.findall(asked))
    return _ANSWER + Counter(votes).most_common(1)[0][0] if votes else None


def swayed(request: Request, turn: ScriptedTurn, logprobs: Mapping[int, float]) -> dict[int, float]:
    """Log-probabilities of a ballot's ids with what the prompt does to them; their sum stays as it is."""
    total = math.fsum(math.exp(value) for value in logprobs.values())
    shares = {i: math.exp(value) / total for i, value in logprobs.items()}
    if turn.noise:
        words = _softmax(scores(_seed_of_words(request)).tolist(), tuple(shares))
        shares = {i: (1 - turn.noise) * share + turn.noise * words[i] for i, share in shares.items()}
    if turn.follows is not None:
        votes = [chosen for chosen in _followed(request, turn.follows) if chosen in shares]
        taken = 1 - (1 - turn.follows.weight) ** len(votes)
        shares = {i: (1 - taken) * share for i, share in shares.items()}
        for chosen in votes:
            shares[chosen] += taken / len(votes)
    return {i: math.log(total * share) if share > 0 else -math.inf for i, share in shares.items()}


def _followed(request: Request, follows: Follows) -> list[int]:
    """The ids of the options that a follower leans to: the letters under which this ballot lists them."""
    asked = _messages(request.prompt_token_ids, "user")
    letters = {option: letter for letter, option in _LETTERED.findall(asked)}
    if follows.how == "directly":
        options = _shown_votes(asked, follows.seat, tuple(letters))
    else:
        said = _messages(request.prompt_token_ids, "assistant").partition(_ANSWER)[2]
        options = [option for option in letters if said.split("\n")[0] == option]
    return [ord(letters[option]) for option in options]


def _shown_votes(asked: str, name: str | None, options: Sequence[str]) -> list[str]:
    """The options that lines of this name end with, a note of confidence aside; of any name where none is given.

    Quoted statements don't count, and of a name no more than its first vote.
    """
    who = "" if name is None else rf"(?<!\w){re.escape(name)}(?!\w)"
    one_of = "|".join(re.escape(option) for option in sorted(options, key=len, reverse=True))
    vote = re.compile(rf"(?!>).*?{who}.*?: ({one_of})(?: \([^()]*\))?")
    found = [match[1] for line in asked.splitlines() if (match := vote.fullmatch(line))]
    return found if name is None else found[:1]


def _messages(prompt: Sequence[int], role: str) -> str:
    """What one side has said in a prompt, its finished messages one behind the other."""
    said, text = [], list(prompt)
    while START_OF_TURN in text:
        del text[: text.index(START_OF_TURN) + 1]
        if END_OF_TURN in text:
            sender, _, content = decode(text[: text.index(END_OF_TURN)]).partition("\n")
            said += [content] if sender == role else []
    return "\n".join(said)


def _seed_of_words(request: Request) -> int:
    words = hashlib.sha256(array("I", request.prompt_token_ids).tobytes()).hexdigest()
    return derive("noise", request.seed, words)


def _softmax(values: Sequence[float], ids: Sequence[int]) -> dict[int, float]:
    best = max(values[i] for i in ids)
    weights = {i: math.exp(values[i] - best) for i in ids}
    total = math.fsum(weights.values())
    return {i: weight / total for i, weight in weights.items()}
