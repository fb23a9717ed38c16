"""A ballot that was answered in words, at an endpoint: what it votes for, and what that was read from.

Three sources, the best that there is: `logprobs`, where the server listed log-probabilities of the labels at the
answer's place (those that it did not list have probability 0, and `mass` says how much the listed ones had together);
`structured`, where the whole reply is an object that the ballot's schema allows; `parsed`, by the rule of `reply.py`.
Which servers hold their models to a schema can't be known: a reply that keeps to it is structured, whoever saw to that.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from localtable.ballots.labels import LabelSet
from localtable.ballots.reading import SUM_TOLERANCE, Choice, choose
from localtable.ballots.reply import LABEL_FIRST, json_pattern, replied_vote
from localtable.errors import BallotError
from localtable.types import LETTERS, UNASKED_REASONING, OrderedBallot, Question, VoteSource

BY_WORTH: tuple[VoteSource, ...] = ("exact", "logprobs", "structured", "parsed")


@dataclass(frozen=True, slots=True)
class Answer:
    """A label that a reply names."""

    label: str
    source: VoteSource
    place: int | None
    """Where the label stands in the reply, in characters; None where it doesn't stand there as such."""


class Reading(NamedTuple):
    """What a reply to one ballot comes to."""

    choice: Choice
    """Without log-probabilities all of its distribution is on the answer."""
    source: VoteSource
    mass: float | None
    """Probability of all listed labels together; None without log-probabilities."""


def read_reply(
    labels: LabelSet,
    token_ids: Sequence[int],
    logprobs: Mapping[int, float],
    meaning: Sequence[str],
    texts: Sequence[str],
    seed: int,
) -> Reading:
    """Read a ballot's reply.

    Args:
        labels: Of this kind of ballot.
        token_ids: The reply's bytes.
        logprobs: Of the labels' ids, those that the server listed.
        meaning: What each label stands for.
        texts: What stood behind each label in the prompt.
        seed: Draws among exact ties.

    Raises:
        BallotError: It names no label, or its probabilities are none.
    """
    if logprobs:
        masses = [math.fsum(math.exp(logprobs[i]) for i in ids if i in logprobs) for ids in labels.token_ids]
        mass = math.fsum(masses)
        if not 0 < mass <= 1 + SUM_TOLERANCE:
            raise BallotError(f"the labels' probabilities sum to {mass:.6f}", hint="More than 0, and at most 1.")
        shares = {name: share / mass for name, share in zip(meaning, masses, strict=True)}
        return Reading(choose(shares, seed), "logprobs", min(mass, 1.0))
    answer = read_answer(bytes(token_ids).decode(errors="replace"), labels.key, labels.labels, texts)
    if answer is None:
        raise BallotError("the reply to a ballot names none of its options", hint="Ask again.")
    chosen = meaning[labels.labels.index(answer.label)]
    return Reading(Choice(chosen, {name: float(name == chosen) for name in meaning}, ()), answer.source, None)


def read_answer(reply: str, key: str, labels: Sequence[str], texts: Sequence[str]) -> Answer | None:
    """The label that a reply names; None where it can't be read: no guess is made.

    Args:
        reply: All of it; thoughts before it are passed over, and those that don't end are no answer.
        key: Of the object that was asked for.
        labels: That could be named.
        texts: What stood behind each in the prompt.
    """
    spoken = reply.rpartition(UNASKED_REASONING.end)[2]
    if spoken.lstrip().startswith(UNASKED_REASONING.start):
        return None
    exact = _exact(spoken, key, labels)
    label = exact if exact is not None else _parsed(spoken, key, labels, texts)
    if label is None:
        return None
    # Elsewhere in a reply a letter may be a word of its own.
    found = json_pattern(key).search(spoken) or LABEL_FIRST.search(spoken)
    stands = found is not None and found[1] == label
    source: VoteSource = "structured" if exact is not None else "parsed"
    return Answer(label, source, len(reply) - len(spoken) + found.start(1) if found is not None and stands else None)


def _exact(spoken: str, key: str, labels: Sequence[str]) -> str | None:
    try:
        said = json.loads(spoken)
    except (ValueError, RecursionError):
        return None
    whole = isinstance(said, dict) and said.keys() == {key}
    return said[key] if whole and isinstance(said[key], str) and said[key] in labels else None


def _parsed(spoken: str, key: str, labels: Sequence[str], texts: Sequence[str]) -> str | None:
    if tuple(labels) != tuple(LETTERS[: len(labels)]):  # more peers than letters: by their exact label alone
        found = json_pattern(key).search(spoken)
        return found[1].strip() if found is not None and found[1].strip() in labels else None
    return replied_vote(spoken, Question("", "", tuple(texts)), key)


def weakest(sources: Sequence[VoteSource]) -> VoteSource:
    """The source of a ballot that was asked in several orders."""
    return max(sources, key=BY_WORTH.index)


def mean_mass(asked: Sequence[OrderedBallot]) -> float | None:
    """What the listed labels had together, on average over orders; None where an order had no log-probabilities."""
    masses = [answer.mass for answer in asked if answer.mass is not None]
    return math.fsum(masses) / len(masses) if len(masses) == len(asked) else None
