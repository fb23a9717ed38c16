"""Ballots: the distribution out of the log-probabilities, the vote out of the distribution.

Three facts say who was voted for: the log-probabilities, the distribution and the vote. Where one of them disagrees
with the two others, that one is reported, and what follows from votes is held against the two.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

from localtable.ballots import (
    VOTE_KEY,
    Choice,
    LabelSet,
    Reading,
    ballot_orders,
    choose,
    mean_mass,
    pooled,
    read_choice,
    read_label_mass,
    read_reply,
    replied_vote,
    weakest,
)
from localtable.errors import BallotError
from localtable.runner.verify.disagreement import Disagreement, compare
from localtable.runner.verify.rows import UNREADABLE, StoredBallot, StoredStep, StoredTurn
from localtable.runner.verify.turns import Place
from localtable.transcript import SUM_TOLERANCE
from localtable.types import BallotRule, Letter, OrderedBallot, Question

WITHOUT_SHARES = ("structured", "parsed")
NUMERICS = 1e-9
"""How far one machine's exponential function may be from another's."""

STEP_OF = {"before": "before", "after": "ballot"}
"""The step that a ballot was read from."""


class LabelBook:
    """The ids of labels, as each session probed them."""

    def __init__(self, facts: Mapping[int, Mapping[str, Any]], endpoints: Set[str] = frozenset()) -> None:
        """Take the sessions' facts, by number, and which models are spoken to at an endpoint."""
        self._facts = facts
        self._endpoints = endpoints

    def labels(self, session: int, model: str, question: Question) -> LabelSet | None:
        """A model's labels for a question's ballot; None where the session says nothing of them."""
        try:
            found = self._facts[session]["labels"][model][str(len(question.options))]
            token_ids = tuple(tuple(int(i) for i in ids) for ids in found["token_ids"])
            mass_ids = tuple(map(int, found.get("mass_ids", ())))
        except UNREADABLE:
            return None
        return LabelSet(
            VOTE_KEY,
            question.letters,
            (),
            token_ids,
            "",
            bool(found["canonical"]),
            found["form"],
            mass_ids,
            model in self._endpoints,
        )


def vote_of(
    turn: StoredTurn, question: Question, rule: BallotRule, seed: int, labels: LabelSet | None
) -> Letter | None:
    """The vote that two of its three facts agree on; None where there is no ballot to count."""
    ballot = next((ballot for ballot in turn.ballots if ballot.counts), None)
    if ballot is None:
        return None
    by_distribution = _mode(ballot, question, seed)
    if by_distribution is not None and by_distribution.chosen == ballot.vote:
        return ballot.vote
    read = _read(turn, ballot, question, rule, seed, labels)
    return read.chosen if isinstance(read, Choice) else by_distribution.chosen if by_distribution else ballot.vote


def _mode(ballot: StoredBallot, question: Question, seed: int) -> Choice | None:
    if tuple(ballot.distribution) != question.letters or not all(map(math.isfinite, ballot.distribution.values())):
        return None
    return choose(ballot.distribution, seed)


def _answers(
    turn: StoredTurn, ballot: StoredBallot, question: Question, rule: BallotRule, labels: LabelSet | None
) -> list[OrderedBallot] | None:
    """What the log-probabilities of each order say; None where steps of the ballot are not there.

    Raises:
        BallotError: They are no ballot's.
    """
    steps = turn.all_steps(STEP_OF[ballot.at])
    if labels is None or any(step.model != turn.model for step in steps):
        return None
    return read_answers(steps, question, rule, labels)


def read_answers(
    steps: Sequence[StoredStep], question: Question, rule: BallotRule, labels: LabelSet
) -> list[OrderedBallot] | None:
    """What the answers to a ballot's steps say, order by order; None where there are not as many.

    Raises:
        BallotError: They are no ballot's.
    """
    orders = ballot_orders(question.letters, rule)
    if len(steps) != len(orders):
        return None
    return [_answer(step, question, order, labels) for step, order in zip(steps, orders, strict=True)]


def _answer(step: StoredStep, question: Question, order: Sequence[Letter], labels: LabelSet) -> OrderedBallot:
    if labels.replies:
        texts = [question.text_of(letter) for letter in order]
        choice, source, mass = read_reply(labels, step.token_ids, step.logprobs, order, texts, 0)
    else:
        choice, source, mass = Reading(read_choice(labels, step.logprobs, order, 0), "exact", None)
    return OrderedBallot(tuple(order), {x: choice.distribution[x] for x in question.letters}, source, mass)


def _read(
    turn: StoredTurn, ballot: StoredBallot, question: Question, rule: BallotRule, seed: int, labels: LabelSet | None
) -> Choice | str | None:
    """What the log-probabilities say, or what is wrong with them; None where steps of the ballot are not there."""
    try:
        answers = _answers(turn, ballot, question, rule, labels)
        return None if answers is None else choose(pooled(answers, rule), seed)
    except BallotError as error:
        return error.message
    except (ValueError, OverflowError) as error:
        return f"numbers that can't be reckoned with: {error}"


def check_ballots(turn: StoredTurn, place: Place, labels: LabelSet | None) -> Iterator[Disagreement]:
    """All ballots of a turn."""
    at = place.debate.panel.ballot.at
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
        yield from _check_orders(where, turn, ballot, place, labels)
        yield from _check_measures(where, turn, ballot, place, labels)
        yield from _check_persuaded(where, ballot, place)


def _check_ballot(
    where: str, turn: StoredTurn, ballot: StoredBallot, place: Place, labels: LabelSet | None
) -> Iterator[Disagreement]:
    question, shares = place.debate.question, ballot.distribution
    seed = place.seed_of(STEP_OF[ballot.at])
    read = _read(turn, ballot, question, place.debate.panel.ballot, seed, labels)
    if isinstance(read, str):
        yield Disagreement(where, "log-probabilities of the ballot", read, "one for each label, sum 1", "a ballot has")
    if labels is not None:
        yield from compare(where, "source", ballot.source, _source(turn, ballot, place, labels), "its answers say")
    if ballot.source in WITHOUT_SHARES:
        yield from _check_without_shares(where, ballot, read)
        return
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


def _source(turn: StoredTurn, ballot: StoredBallot, place: Place, labels: LabelSet) -> str:
    """What a ballot was read from; as it says itself where its answers can't be read, which is reported as such."""
    try:
        answers = _answers(turn, ballot, place.debate.question, place.debate.panel.ballot, labels)
    except (BallotError, ValueError, OverflowError):
        answers = None
    return weakest([answer.source for answer in answers]) if answers else ballot.source


def _check_without_shares(where: str, ballot: StoredBallot, read: Choice | str | None) -> Iterator[Disagreement]:
    """A vote that an endpoint gave without probabilities."""
    if ballot.distribution:
        yield Disagreement(where, "distribution", ballot.distribution, None, "a vote without probabilities has")
    if isinstance(read, Choice):
        yield from compare(where, "vote", ballot.vote, read.chosen, "the reply says")
        yield from compare(where, "tied", list(ballot.tied), list(read.tied), "the replies say")


def _check_orders(
    where: str, turn: StoredTurn, ballot: StoredBallot, place: Place, labels: LabelSet | None
) -> Iterator[Disagreement]:
    """The answers to several orders, each against its own log-probabilities."""
    question, rule = place.debate.question, place.debate.panel.ballot
    orders = ballot_orders(question.letters, rule)
    listed = ["".join(order) for order in orders] if len(orders) > 1 else []
    yield from compare(where, "orders", [order for order, _ in ballot.orders], listed, "the panel says")
    try:
        answers = _answers(turn, ballot, question, rule, labels)
    except (BallotError, ValueError, OverflowError):
        return  # reported with the ballot
    for (order, stored), answer in zip(ballot.orders, answers or (), strict=False):
        due = answer.distribution
        same = stored.keys() == due.keys() and all(abs(stored[x] - due[x]) <= NUMERICS for x in due)
        if not same:
            yield Disagreement(
                f"{where}, order {order}", "distribution", stored, dict(due), "the log-probabilities say"
            )


def _check_measures(
    where: str, turn: StoredTurn, ballot: StoredBallot, place: Place, labels: LabelSet | None
) -> Iterator[Disagreement]:
    """What was measured of the ballot that counts: the labels' free probability, and a free reply."""
    if labels is not None and labels.replies:
        yield from _check_listed(where, turn, ballot, place, labels)
    step = turn.step("label_mass")
    if ballot.counts and step is not None and labels is not None:
        try:
            mass = read_label_mass(labels, step.logprobs)
        except (BallotError, ValueError, OverflowError) as error:
            yield Disagreement(
                where, "log-probabilities of the labels", f"{error}", "a probability each", "a mass needs"
            )
        else:
            if ballot.label_mass is None or abs(ballot.label_mass - mass) > NUMERICS:
                yield Disagreement(where, "label_mass", ballot.label_mass, mass, "the log-probabilities say")
    vote = None if ballot.free_reply is None else replied_vote(ballot.free_reply, place.debate.question)
    yield from compare(where, "free_vote", ballot.free_vote, vote, "the free reply says")


def _check_listed(
    where: str, turn: StoredTurn, ballot: StoredBallot, place: Place, labels: LabelSet
) -> Iterator[Disagreement]:
    """How much of all probability an endpoint has listed for labels."""
    try:
        answers = _answers(turn, ballot, place.debate.question, place.debate.panel.ballot, labels) or []
    except (BallotError, ValueError, OverflowError):
        return  # reported with the ballot
    mass = mean_mass(answers) if answers else None
    stored = ballot.listed_mass
    same = mass is None if stored is None else mass is not None and abs(mass - stored) <= NUMERICS
    if answers and not same:
        yield Disagreement(where, "listed_mass", stored, mass, "the log-probabilities say")


def _check_persuaded(where: str, ballot: StoredBallot, place: Place) -> Iterator[Disagreement]:
    by = ballot.persuaded_by
    if by is None:
        return
    if not ballot.counts or not place.changed_mind:
        yield Disagreement(where, "persuaded_by", by, None, "a vote that did not change has")
    elif by not in place.peers:
        yield Disagreement(where, "persuaded_by", by, list(place.peers), "the seat reads")
