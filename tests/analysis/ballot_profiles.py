"""Profiles of ballots for the tests of decision rules: from votes, from rankings, drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from localtable.analysis.rules import Outcome, Profile

Ballot = Sequence[float]


def profile(*debates: Sequence[Ballot], rounds: Sequence[Sequence[int]] | None = None, seats: str = "") -> Profile:
    """Debates of ballots, each the probabilities of its options; a ballot's vote is its first most probable option.

    Args:
        debates: With as many ballots each; options may differ.
        rounds: Of a single debate: the votes of the rounds before.
        seats: Their names, a letter each.
    """
    most = max(len(ballots[0]) for ballots in debates)
    given = np.zeros((len(debates), len(debates[0]), most))
    for place, ballots in enumerate(debates):
        given[place, :, : len(ballots[0])] = ballots
    votes = given.argmax(axis=2).astype(np.int8)
    before = np.array(rounds or np.zeros((0, len(debates[0]))), np.int8).reshape(1, -1, len(debates[0]))
    trajectory = np.concatenate([np.repeat(before, len(debates), axis=0), votes[:, None, :]], axis=1)
    names = tuple(seats or [f"seat {number}" for number in range(len(debates[0]))])
    return Profile(votes, given, trajectory, np.array([len(ballots[0]) for ballots in debates]), names)


def ranked(options: str, rankings: dict[str, int]) -> Profile:
    """One debate from published rankings and how many voters have each.

    `A>B=C` ranks B and C equally; options that a ranking leaves out are equal behind all others.
    """
    ballots = []
    for ranking, voters in rankings.items():
        places = [place.split("=") for place in ranking.split(">")]
        scores = [next((len(places) - i for i, place in enumerate(places) if option in place), 0) for option in options]
        ballots += [[score / sum(scores) for score in scores]] * voters
    return profile(ballots)


def voted(options: int, *votes: int) -> Profile:
    """One debate from votes."""
    return profile([[0.9 if option == vote else 0.1 / (options - 1) for option in range(options)] for vote in votes])


def winners(outcome: Outcome, options: str, debate: int = 0) -> str:
    """The options that share the victory, in the order of `options`; empty where nothing is decided."""
    weights = outcome.weights[debate]
    shared = [option for option, weight in zip(options, weights, strict=False) if weight > 0]
    if shared:
        assert weights.sum() == 1 or abs(weights.sum() - 1) < 1e-12
        assert {weight for weight in weights.tolist() if weight > 0} == {1 / len(shared)}
    return "".join(shared)


@st.composite
def drawn(draw: Any, max_options: int = 5, max_seats: int = 6, max_rounds: int = 3) -> Profile:
    """A profile in which ties are frequent: probabilities are multiples of one small fraction."""
    options = draw(st.lists(st.integers(2, max_options), min_size=1, max_size=3))
    seats, rounds = draw(st.integers(1, max_seats)), draw(st.integers(1, max_rounds))
    most = max(options)
    given = np.zeros((len(options), seats, most))
    votes = np.zeros((len(options), seats), np.int8)
    trajectory = np.zeros((len(options), rounds, seats), np.int8)
    for debate, count in enumerate(options):
        for seat in range(seats):
            parts = draw(st.lists(st.integers(0, 4), min_size=count, max_size=count).filter(any))
            given[debate, seat, :count] = np.array(parts) / sum(parts)
            first = np.flatnonzero(np.array(parts) == max(parts))
            votes[debate, seat] = draw(st.sampled_from(first.tolist()))  # a tied vote is drawn, as a turn's seed does
            for number in range(rounds - 1):
                trajectory[debate, number, seat] = draw(st.integers(0, count - 1))
    trajectory[:, -1] = votes
    return Profile(votes, given, trajectory, np.array(options), tuple(f"seat {i}" for i in range(seats)))


def with_options_moved(profile: Profile, moved: Sequence[np.ndarray]) -> Profile:
    """The same ballots on questions whose options stand in another order.

    Args:
        profile: Of debates.
        moved: [debates] of each: where every option goes to.
    """
    given, votes, trajectory = (np.copy(a) for a in (profile.distributions, profile.votes, profile.trajectory))
    for debate, places in enumerate(moved):
        given[debate][:, places] = profile.distributions[debate][:, : len(places)]
        votes[debate] = places[profile.votes[debate]]
        trajectory[debate] = places[profile.trajectory[debate]]
    return Profile(votes, given, trajectory, profile.num_options, profile.seats)


def with_seats_moved(profile: Profile, order: Sequence[int]) -> Profile:
    """The same ballots by seats in another order."""
    places = list(order)
    names = tuple(profile.seats[place] for place in places)
    return Profile(
        profile.votes[:, places],
        profile.distributions[:, places],
        profile.trajectory[:, :, places],
        profile.num_options,
        names,
    )
