"""What a decision rule is given, and what it gives back: the ballots of one round, and who wins on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from localtable.analysis.table import ConditionTable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Flags = NDArray[np.bool_]
    Floats = NDArray[np.float64]

TIE_TOLERANCE = 1e-9
"""Scores nearer than this are tied.

Sums of the same numbers in another order differ by some 1e-16 for each seat; two engines' distributions of one prompt
by some 1e-8 (docs/benchmarks.md), so that nothing measured is smaller than this.
"""


@dataclass(frozen=True)
class Profile:
    """The ballots of debates that have all of them in the round that is tallied."""

    votes: NDArray[np.int8]
    """[debates, seats] places of options in the question's own order."""
    distributions: Floats
    """[debates, seats, options]: 0 behind the question's own options, NaN where a ballot has none."""
    trajectory: NDArray[np.int8]
    """[debates, rounds, seats] votes up to the tallied round; −1 in rounds behind it."""
    num_options: NDArray[np.int64]
    """[debates] of the debate's own question."""
    seats: tuple[str, ...]

    @cached_property
    def options(self) -> Flags:
        """[debates, options] which places stand for an option of the question."""
        import numpy as np

        found: Flags = np.arange(self.distributions.shape[2]) < self.num_options[:, None]
        return found

    @cached_property
    def has_distributions(self) -> Flags:
        """[debates] every ballot has its distribution."""
        import numpy as np

        whole: Flags = ~np.any(np.isnan(self.distributions), axis=(1, 2))
        return whole

    @cached_property
    def counts(self) -> Floats:
        """[debates, options] votes."""
        return self.sum_by_vote(1.0)

    def sum_by_vote(self, weights: Floats | float) -> Floats:
        """[debates, seats] weights of votes → [debates, options] their sums."""
        import numpy as np

        sums: Floats = np.stack(
            [((self.votes == option) * weights).sum(axis=1) for option in range(self.distributions.shape[2])], axis=1
        )
        return sums

    def of(self, debates: Flags) -> Profile:
        """Some of the debates."""
        return Profile(
            self.votes[debates],
            self.distributions[debates],
            self.trajectory[debates],
            self.num_options[debates],
            self.seats,
        )


@dataclass(frozen=True, slots=True)
class Selection:
    """A condition's debates that a round can be tallied of, and why the others can't be."""

    profile: Profile
    question: NDArray[np.int32]
    """[debates] place of the question: what repeats share."""
    answer: NDArray[np.int64]
    """[debates] the right option; −1 for none."""
    tied: Flags
    """[debates, seats] ballots whose first place was shared exactly."""
    left_out: Mapping[str, int]
    """Debates by reason: `failed`, `open`, `round_not_held`, `incomplete`."""


def select(condition: ConditionTable, round_number: int | None) -> Selection:
    """The ballots of a round.

    Args:
        condition: With debates in any state.
        round_number: From 1; None for the last round that each debate has held.
    """
    import numpy as np

    held, ballots = condition.rounds_held, condition.ballots
    wanted = held if round_number is None else np.full_like(held, round_number)
    reached = condition.finished & (wanted <= held)
    # Of a store that nobody has altered no finished debate lacks a ballot.
    rounds = np.arange(condition.num_rounds) < wanted[:, None]  # [debates, rounds]
    whole = reached & (wanted <= condition.num_rounds) & ((ballots.vote >= 0).all(axis=2) | ~rounds).all(axis=1)
    rows = np.flatnonzero(whole)
    last = wanted[rows] - 1
    counting = [place for place, seat in enumerate(condition.seats) if seat.counts]
    profile = Profile(
        votes=ballots.vote[rows, last][:, counting],
        distributions=ballots.distribution[rows, last][:, counting],
        trajectory=np.where(rounds[rows][:, :, None], ballots.vote[rows][:, :, counting], -1).astype(np.int8),
        num_options=condition.num_options[rows],
        seats=tuple(condition.seats[place].name for place in counting),
    )
    return Selection(
        profile,
        condition.question[rows],
        condition.answer[rows],
        ballots.tied[rows, last][:, counting],
        {
            "failed": int(condition.failed.sum()),
            "open": int((~condition.finished & ~condition.failed).sum()),
            "round_not_held": int((condition.finished & ~reached).sum()),
            "incomplete": int((reached & ~whole).sum()),
        },
    )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a rule decides."""

    weights: Floats
    """[debates, options] of the winners: they sum to 1, ties share it equally; all 0 where nothing is decided."""
    margin: Floats
    """[debates] the winner's lead, 0 for a tie, in the rule's own unit; NaN where it has none."""

    @property
    def decided(self) -> Flags:
        """[debates] whether anything won."""
        found: Flags = self.weights.sum(axis=1) > 0
        return found


def first_place(scores: Floats, candidates: Flags) -> Floats:
    """The candidates with the highest score, sharing a weight of 1; all 0 where there is no candidate.

    Args:
        scores: [debates, options].
        candidates: [debates, options].
    """
    import numpy as np

    standing = np.where(candidates, scores, -np.inf)
    first = candidates & (standing >= standing.max(axis=1, keepdims=True) - TIE_TOLERANCE)
    shared: Floats = first / np.maximum(first.sum(axis=1, keepdims=True), 1)
    return shared


def lead(scores: Floats, candidates: Flags) -> Floats:
    """[debates] the highest score less the second highest, 0 on a tie; a lone candidate's own score."""
    import numpy as np

    two = np.partition(np.where(candidates, scores, -np.inf), -2, axis=1)[:, -2:]
    lone = candidates.sum(axis=1) < 2
    # No lead where no candidate stands: ∞ − ∞.
    second = np.where(lone, 0.0, two[:, 0])
    ahead: Floats = np.where(candidates.any(axis=1), two[:, 1] - second, np.nan)
    ahead[ahead <= TIE_TOLERANCE] = 0.0
    return ahead


def by_score(scores: Floats, candidates: Flags, unit: NDArray[np.floating] | float = 1.0) -> Outcome:
    """The highest score wins, and leads by so many units."""
    return Outcome(first_place(scores, candidates), lead(scores, candidates) / unit)
