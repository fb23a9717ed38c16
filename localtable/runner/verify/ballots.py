"""Ballots: the distribution out of the log-probabilities, the vote out of the distribution.

Three facts say who was voted for: the log-probabilities, the distribution and the vote. Where one of them disagrees
with the two others, that one is reported, and what follows from votes is held against the two.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from localtable.ballots import VOTE_KEY, Choice, LabelSet, choose, read_choice
from localtable.errors import BallotError
from localtable.runner.verify.disagreement import Disagreement
from localtable.runner.verify.rows import UNREADABLE, StoredBallot, StoredTurn
from localtable.runner.verify.turns import Place
from localtable.transcript import SUM_TOLERANCE
from localtable.types import Letter, Question

NUMERICS = 1e-9
"""How far one machine's exponential function may be from another's."""

STEP_OF = {"before": "before", "after": "ballot"}
"""The step that a ballot was read from."""


class LabelBook:
    """The ids of labels, as each session probed them."""

    def __init__(self, facts: Mapping[int, Mapping[str, Any]]) -> None:
        """Take the sessions' facts, by number."""
        self._facts = facts

    def labels(self, session: int, model: str, question: Question) -> LabelSet | None:
        """A model's labels for a question's ballot; None where the session says nothing of them."""
        try:
            found = self._facts[session]["labels"][model][str(len(question.options))]
            token_ids = tuple(tuple(int(i) for i in ids) for ids in found["token_ids"])
        except UNREADABLE:
            return None
        return LabelSet(VOTE_KEY, question.letters, (), token_ids, "", bool(found["canonical"]), found["form"])


def vote_of(turn: StoredTurn, question: Question, seed: int, labels: LabelSet | None) -> Letter | None:
    """The vote that two of its three facts agree on; None where there is no ballot to count."""
    ballot = next((ballot for ballot in turn.ballots if ballot.counts), None)
    if ballot is None:
        return None
    by_distribution = _mode(ballot, question, seed)
    if by_distribution is not None and by_distribution.chosen == ballot.vote:
        return ballot.vote
    read = _read(turn, ballot, question, seed, labels)
    return read.chosen if isinstance(read, Choice) else by_distribution.chosen if by_distribution else ballot.vote


def _mode(ballot: StoredBallot, question: Question, seed: int) -> Choice | None:
    if tuple(ballot.distribution) != question.letters or not all(map(math.isfinite, ballot.distribution.values())):
        return None
    return choose(ballot.distribution, seed)


def _read(
    turn: StoredTurn, ballot: StoredBallot, question: Question, seed: int, labels: LabelSet | None
) -> Choice | str | None:
    """What the log-probabilities say, or what is wrong with them; None where the ballot's step is not there."""
    step = turn.step(STEP_OF[ballot.at])
    if step is None or labels is None or step.model != turn.model:
        return None
    try:
        return read_choice(labels, step.logprobs, question.letters, seed)
    except BallotError as error:
        return error.message
    except (ValueError, OverflowError) as error:
        return f"numbers that can't be reckoned with: {error}"


def check_ballots(turn: StoredTurn, place: Place, labels: LabelSet | None) -> Iterator[Disagreement]:
    """All ballots of a turn."""
    at = place.debate.panel.ballot_at
    expected = {"before": at == "before"} if at != "after" else {}
    expected |= {"after": True} if at != "before" else {}
    stored = {ballot.at: ballot.counts for ballot in turn.ballots}
    if stored != expected:
        yield Disagreement(place.where, "ballots, and whether they count,", stored, expected, "the panel says")
    if labels is None:
        yield Disagreement(f"session {turn.session}", f"labels of {turn.model}", None, "their ids", "its turns need")
    for ballot in turn.ballots:
        where = f"{place.where}, ballot {ballot.at}" if len(turn.ballots) > 1 else place.where
        yield from _check_ballot(where, turn, ballot, place, labels)
        yield from _check_persuaded(where, ballot, place)


def _check_ballot(
    where: str, turn: StoredTurn, ballot: StoredBallot, place: Place, labels: LabelSet | None
) -> Iterator[Disagreement]:
    question, shares = place.debate.question, ballot.distribution
    seed = place.seed_of(STEP_OF[ballot.at])
    read = _read(turn, ballot, question, seed, labels)
    if isinstance(read, str):
        yield Disagreement(where, "log-probabilities of the ballot", read, "one for each label, sum 1", "a ballot has")
    if tuple(shares) != question.letters:
        yield Disagreement(
            where, "options of the distribution", list(shares), list(question.letters), "the question has"
        )
        return
    total = math.fsum(shares.values())
    follows = not isinstance(read, Choice) or all(
        abs(shares[letter] - share) <= NUMERICS for letter, share in read.distribution.items()
    )
    if not follows and isinstance(read, Choice):
        yield Disagreement(where, "distribution", shares, dict(read.distribution), "the log-probabilities say")
    elif not abs(total - 1) <= SUM_TOLERANCE:
        yield Disagreement(where, "sum of the distribution", total, 1.0, "a distribution has")
    mode = _mode(ballot, question, seed)
    if mode is None:
        return
    agreed = {mode.chosen, read.chosen} if isinstance(read, Choice) else {mode.chosen}
    if ballot.vote not in agreed:
        derived = read.chosen if isinstance(read, Choice) else mode.chosen
        yield Disagreement(where, "vote", ballot.vote, derived, "the distribution says")
    elif follows and ballot.tied != mode.tied:
        yield Disagreement(where, "tied", list(ballot.tied), list(mode.tied), "the distribution says")


def _check_persuaded(where: str, ballot: StoredBallot, place: Place) -> Iterator[Disagreement]:
    by = ballot.persuaded_by
    if by is None:
        return
    if not ballot.counts or not place.changed_mind:
        yield Disagreement(where, "persuaded_by", by, None, "a vote that did not change has")
    elif by not in place.peers:
        yield Disagreement(where, "persuaded_by", by, list(place.peers), "the seat reads")
