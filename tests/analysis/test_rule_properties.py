"""Decision rules on drawn ballots: against a second reckoning in fractions, and what must hold for any of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from ballot_profiles import drawn, with_options_moved, with_seats_moved
from hypothesis import given, settings
from hypothesis import strategies as st

from localtable.analysis.rules import RULES, ChosenRule, Outcome, Profile, choose_rule, every_rule

MANY = settings(max_examples=200)

Exact = list[list[Fraction]]
"""[seats][options] of one debate."""


def exact(profile: Profile, debate: int) -> Exact:
    """The probabilities as the fractions that they were drawn as."""
    count = int(profile.num_options[debate])
    return [[Fraction(p).limit_denominator(40) for p in ballot[:count]] for ballot in profile.distributions[debate]]


def leaders(scores: list[Any]) -> set[int]:
    return {option for option, score in enumerate(scores) if score == max(scores)}


# ── a second reckoning, debate by debate, ballot by ballot ──────────────────────────────────────────────────


def votes_of(profile: Profile, debate: int) -> list[int]:
    votes = profile.votes[debate].tolist()
    return [votes.count(option) for option in range(int(profile.num_options[debate]))]


def plurality(profile: Profile, debate: int) -> set[int]:
    return leaders(votes_of(profile, debate))


def majority(profile: Profile, debate: int) -> set[int]:
    return {option for option, votes in enumerate(votes_of(profile, debate)) if 2 * votes > len(profile.seats)}


def supermajority(profile: Profile, debate: int) -> set[int]:
    return {option for option, votes in enumerate(votes_of(profile, debate)) if 3 * votes >= 2 * len(profile.seats)}


def unanimity(profile: Profile, debate: int) -> set[int]:
    return {option for option, votes in enumerate(votes_of(profile, debate)) if votes == len(profile.seats)}


def borda(profile: Profile, debate: int) -> set[int]:
    """Points by mean places: sort, and give each group of equal options the mean of its places' points."""
    ballots = exact(profile, debate)
    points = [Fraction(0)] * len(ballots[0])
    for ballot in ballots:
        ascending = sorted(ballot)
        for option, p in enumerate(ballot):
            places = [place for place, other in enumerate(ascending) if other == p]
            points[option] += Fraction(sum(places), len(places))
    return leaders(points)


def condorcet(profile: Profile, debate: int) -> set[int]:
    ballots = exact(profile, debate)
    beaten: set[int] = set()
    for one, other in combinations(range(len(ballots[0])), 2):
        above = sum((b[one] > b[other]) - (b[one] < b[other]) for b in ballots)
        beaten |= {one} if above < 0 else {other} if above > 0 else {one, other}
    return set(range(len(ballots[0]))) - beaten


def instant_runoff(profile: Profile, debate: int) -> set[int]:
    ballots = exact(profile, debate)
    standing = set(range(len(ballots[0])))
    while True:
        votes = dict.fromkeys(standing, Fraction(0))
        for ballot in ballots:
            first = [option for option in standing if ballot[option] == max(ballot[o] for o in standing)]
            for option in first:
                votes[option] += Fraction(1, len(first))
        fewest = {option for option in standing if votes[option] == min(votes.values())}
        if fewest == standing:
            return standing
        standing -= fewest


def approval(profile: Profile, debate: int) -> set[int]:
    ballots = exact(profile, debate)
    count = len(ballots[0])
    return leaders([sum(ballot[option] * count >= 1 for ballot in ballots) for option in range(count)])


def cumulative(profile: Profile, debate: int) -> set[int]:
    ballots = exact(profile, debate)
    points = [Fraction(0)] * len(ballots[0])
    for ballot in ballots:
        quotas = [10 * p for p in ballot]
        left = 10 - sum(math.floor(quota) for quota in quotas)
        remainders = [quota - math.floor(quota) for quota in quotas]
        for option, quota in enumerate(quotas):
            points[option] += math.floor(quota)
            before = sum(other > remainders[option] for other in remainders)
            level = remainders.count(remainders[option])
            points[option] += min(max(Fraction(left - before, level), Fraction(0)), Fraction(1))
    return leaders(points)


def confidence_weighted(profile: Profile, debate: int) -> set[int]:
    scores = [Fraction(0)] * int(profile.num_options[debate])
    for ballot, vote in zip(exact(profile, debate), profile.votes[debate].tolist(), strict=True):
        scores[vote] += ballot[vote]
    return leaders(scores)


def linear_pool(profile: Profile, debate: int) -> set[int]:
    return leaders([sum(column) for column in zip(*exact(profile, debate), strict=True)])


def log_pool(profile: Profile, debate: int) -> set[int]:
    floor = Fraction(1, 10**6)
    return leaders([math.prod(max(p, floor) for p in column) for column in zip(*exact(profile, debate), strict=True)])


def trajectory(profile: Profile, debate: int) -> set[int]:
    scores: dict[int, Fraction] = {}
    for seat in range(len(profile.seats)):
        before = None
        for number, vote in enumerate(profile.trajectory[debate, :, seat].tolist(), start=1):
            if vote < 0:
                continue
            weight = Fraction(1, number)
            if before is None or before == vote:
                scores[vote] = scores.get(vote, Fraction(0)) + 20 * weight
            else:
                scores[before] -= 25 * weight
                scores[vote] = scores.get(vote, Fraction(0)) + 30 * weight
            before = vote
    return {option for option, score in scores.items() if score == max(scores.values())}


REFERENCES: Mapping[str, Callable[[Profile, int], set[int]]] = {
    function.__name__: function
    for function in (
        *(plurality, majority, supermajority, unanimity, borda, condorcet, instant_runoff),
        *(approval, cumulative, confidence_weighted, linear_pool, log_pool, trajectory),
    )
}


def test_every_rule_but_the_judge_has_a_second_reckoning() -> None:
    assert {*REFERENCES, "judge"} == set(RULES)
    assert [rule.text for rule in every_rule()] == [name for name in RULES if name != "judge"]


@MANY
@given(profile=drawn())
def test_a_rule_decides_as_reckoned_in_fractions(profile: Profile) -> None:
    for name, reckon in REFERENCES.items():
        outcome = choose_rule(name).decide(profile)
        for debate in range(len(profile.votes)):
            won = reckon(profile, debate)
            expected = [1 / len(won) if option in won else 0.0 for option in range(outcome.weights.shape[1])]
            assert outcome.weights[debate].tolist() == pytest.approx(expected, abs=1e-12), (name, debate)


# ── what holds for every rule ───────────────────────────────────────────────────────────────────────────────


def same(one: Outcome, other: Outcome, name: str) -> None:
    assert np.allclose(one.weights, other.weights, atol=1e-12), name
    assert np.allclose(one.margin, other.margin, atol=1e-9, equal_nan=True), name


def all_rules(profile: Profile) -> Iterator[tuple[str, ChosenRule]]:
    for name in RULES:
        yield name, choose_rule(name, **({"seat": profile.seats[0]} if name == "judge" else {}))


@MANY
@given(profile=drawn(), data=st.data())
def test_options_in_another_order_win_in_that_order(profile: Profile, data: st.DataObject) -> None:
    moved = [np.array(data.draw(st.permutations(range(int(count))))) for count in profile.num_options]
    other = with_options_moved(profile, moved)
    for name, rule in all_rules(profile):
        plain = rule.decide(profile)
        expected = np.array(plain.weights)
        for debate, places in enumerate(moved):
            expected[debate][places] = plain.weights[debate][: len(places)]
        same(Outcome(expected, plain.margin), rule.decide(other), name)


@MANY
@given(profile=drawn(), data=st.data())
def test_seats_in_another_order_change_nothing(profile: Profile, data: st.DataObject) -> None:
    moved = with_seats_moved(profile, data.draw(st.permutations(range(len(profile.seats)))))
    for name, rule in all_rules(profile):
        same(rule.decide(profile), rule.decide(moved), name)


@MANY
@given(profile=drawn())
def test_weights_are_shares_of_one_victory_and_margins_lie_between_nothing_and_all(profile: Profile) -> None:
    for name, rule in all_rules(profile):
        outcome = rule.decide(profile)
        assert np.isclose(outcome.weights.sum(axis=1), outcome.decided).all(), name
        assert (outcome.weights[~profile.options] == 0).all(), name
        assert np.isnan(outcome.margin[~outcome.decided]).all(), name
        if name != "judge":
            margin = outcome.margin[outcome.decided]
            assert ((margin >= 0) & (margin <= 1 + 1e-12)).all(), name
            tied = (outcome.weights > 0).sum(axis=1) > 1
            assert (outcome.margin[tied] == 0).all(), name
            assert (outcome.margin[outcome.decided & ~tied] > 0).all(), name


@given(profile=drawn())
def test_a_debate_is_decided_the_same_alone_as_among_others(profile: Profile) -> None:
    for name, rule in all_rules(profile):
        together = rule.decide(profile)
        for debate in range(len(profile.votes)):
            alone = rule.decide(profile.of(np.arange(len(profile.votes)) == debate))
            mine = slice(debate, debate + 1)
            same(Outcome(together.weights[mine], together.margin[mine]), alone, name)


@given(profile=drawn())
def test_a_condorcet_winner_is_unique_and_a_majority_of_strict_first_places_is_one(profile: Profile) -> None:
    found = choose_rule("condorcet").decide(profile)
    assert ((found.weights == 1) | (found.weights == 0)).all()
    first = profile.distributions == profile.distributions.max(axis=2, keepdims=True)
    alone = first & (first.sum(axis=2, keepdims=True) == 1)
    most = 2 * alone.sum(axis=1) > len(profile.seats)
    assert (found.weights[most] == 1).all()
    runoff = choose_rule("instant_runoff").decide(profile)
    assert np.allclose(runoff.weights[most], 1)


@given(profile=drawn(max_seats=1))
def test_with_one_seat_every_rule_follows_its_ballot(profile: Profile) -> None:
    best = profile.distributions == profile.distributions.max(axis=2, keepdims=True)
    for name in ("borda", "instant_runoff", "linear_pool", "log_pool"):
        weights = choose_rule(name).decide(profile).weights
        assert ((weights > 0) == best[:, 0, :]).all()
    for name in ("plurality", "majority", "unanimity", "confidence_weighted"):
        weights = choose_rule(name).decide(profile).weights
        assert (weights.argmax(axis=1) == profile.votes[:, 0]).all()
        assert (weights.sum(axis=1) == 1).all()


def test_no_debates_are_no_error() -> None:
    nothing = Profile(
        np.zeros((0, 2), np.int8), np.zeros((0, 2, 3)), np.zeros((0, 1, 2), np.int8), np.zeros(0, np.int64), ("X", "Y")
    )
    for name, rule in all_rules(nothing):
        outcome = rule.decide(nothing)
        assert outcome.weights.shape == (0, 3), name
        assert outcome.margin.shape == (0,), name
