"""Decision rules over one condition's stored ballots: how often each decides, how often rightly, where they differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from localtable.analysis import wilson
from localtable.analysis.rules.profile import Outcome, Profile, Selection, select
from localtable.analysis.rules.rankings import condorcet
from localtable.analysis.rules.rule import NEED_DISTRIBUTIONS, ChosenRule
from localtable.analysis.statistics.calibration import NEARLY_CERTAIN
from localtable.analysis.table import ConditionTable
from localtable.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Flags = NDArray[np.bool_]
    Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean, with the number of debates that it is of."""

    value: float | None
    """None where n is 0."""
    n: int
    low: float | None = None
    """The 95 % interval's bounds; None where no interval is right, or none is given."""
    high: float | None = None


Interval = Callable[["Floats", "NDArray[np.int32]"], "tuple[float, float] | None"]
"""[debates] scores from 0 to 1 and [debates] their questions → the bounds of their mean; None where it has none."""


def wilson_where_it_holds(scores: Floats, questions: NDArray[np.int32]) -> tuple[float, float] | None:
    """Wilson's interval, where it may be used: every score is 0 or 1, and no question has two debates."""
    import numpy as np

    if not np.isin(scores, (0.0, 1.0)).all() or len(np.unique(questions)) < len(questions):
        return None
    return wilson(int(scores.sum()), len(scores))


@dataclass(frozen=True, slots=True)
class RuleResult:
    """What one rule comes to."""

    chosen: ChosenRule
    n: int
    """Debates that it was asked of."""
    decision_rate: Estimate
    tie_rate: Estimate
    """Several options won, of all debates that it was asked of."""
    accuracy: Estimate
    """Expected: 1 ÷ winners where the answer is one of them; no decision counts as wrong. Of debates with an answer."""
    accuracy_decided: Estimate
    """Debates without a decision left out."""
    margin: Estimate
    """Mean over the decided debates; none for a rule without a margin."""
    condorcet_efficiency: Estimate
    """Weight that the Condorcet winner has, no decision counting as 0, of debates that have one (Merrill 1984,
    American Journal of Political Science 28:23).
    """


@dataclass(frozen=True, slots=True)
class Tally:
    """Rules side by side over one condition."""

    condition: str
    seats: tuple[tuple[str, str], ...]
    """Name and model of those whose votes count."""
    round_number: int | None
    """None: the last round that each debate held."""
    debates: int
    """That were tallied."""
    left_out: Mapping[str, int]
    """Debates that were not, by reason: `failed`, `open`, `round_not_held`, `incomplete`, `no_distribution`.

    The last only from the rules that read distributions.
    """
    not_asked: int
    """Questions that the condition could not ask."""
    answered: int
    """Tallied debates whose question has an answer."""
    ballots: int
    tied_ballots: int
    """Whose first place was shared exactly: the vote was drawn by the turn's seed."""
    sure_ballots: int
    """That give more than `NEARLY_CERTAIN` to one option."""
    condorcet_winner: Estimate
    """Share of debates that have one."""
    results: tuple[RuleResult, ...]
    disagreement: tuple[tuple[float | None, ...], ...]
    """[rules, rules] mean distance of two rules' outcomes, over the debates that both were asked of.

    The distance is the total variation, no decision counting as an outcome: 1 where the winners are others, ½ where
    one rule has one winner and the other that one and another tied.
    """


def tally(
    condition: ConditionTable,
    rules: Sequence[ChosenRule],
    round_number: int | None,
    interval: Interval = wilson_where_it_holds,
) -> Tally:
    """Apply rules to the ballots of a round.

    Args:
        condition: With debates in any state; finished ones are tallied.
        rules: In the order in which they are to be shown.
        round_number: From 1; None for the last round that each debate has held.
        interval: Gives accuracies and rates their bounds.

    Raises:
        ConfigError: No debate of the condition has such a round; a rule names a seat that is not there.
    """
    _require_round(condition, round_number)
    chosen = select(condition, round_number)
    profile = chosen.profile
    winner = _decide(condorcet, profile, profile.has_distributions)
    decided = [_decide(rule.decide, profile, _askable(rule, profile)) for rule in rules]
    measure = _Measure(chosen, interval)
    without = int((~profile.has_distributions).sum())
    return Tally(
        condition=condition.name,
        seats=tuple((seat.name, seat.model) for seat in condition.seats if seat.counts),
        round_number=round_number,
        debates=len(profile.votes),
        left_out={**chosen.left_out, "no_distribution": without},
        not_asked=condition.left_out,
        answered=int((chosen.answer >= 0).sum()),
        ballots=int(profile.votes.size),
        tied_ballots=int(chosen.tied.sum()),
        sure_ballots=int((profile.distributions > NEARLY_CERTAIN).any(axis=2).sum()),
        condorcet_winner=measure.mean(Scored(winner.outcome.decided, winner.asked)),
        results=tuple(measure.result(rule, asked, winner) for rule, asked in zip(rules, decided, strict=True)),
        disagreement=tuple(tuple(_distance(one, other) for other in decided) for one in decided),
    )


@dataclass(frozen=True, slots=True)
class _Asked:
    """A rule's outcome on all debates, and of which of them it was asked."""

    outcome: Outcome
    asked: Flags


def _askable(rule: ChosenRule, profile: Profile) -> Flags:
    import numpy as np

    if rule.rule.reads in NEED_DISTRIBUTIONS:
        return profile.has_distributions
    return np.ones(len(profile.votes), np.bool_)


def _decide(decide: Callable[[Profile], Outcome], profile: Profile, asked: Flags) -> _Asked:
    import numpy as np

    found = decide(profile.of(asked))
    weights, margin = np.zeros(profile.options.shape), np.full(len(asked), np.nan)
    weights[asked], margin[asked] = found.weights, found.margin
    return _Asked(Outcome(weights, margin), asked)


def _distance(one: _Asked, other: _Asked) -> float | None:
    both = one.asked & other.asked
    if not both.any():
        return None
    apart = abs(one.outcome.weights - other.outcome.weights).sum(axis=1)
    apart = apart + (one.outcome.decided != other.outcome.decided)
    return float(apart[both].mean() / 2)


class Scored(NamedTuple):
    """A figure of a rule before it is a mean: values, and the debates that it is a mean over."""

    values: Floats | Flags
    """[debates]"""
    over: Flags
    """[debates]"""
    bounded: bool = True
    """All values lie between 0 and 1."""


class RuleScores(NamedTuple):
    """What one rule comes to, debate by debate; `RuleResult` says what each figure is."""

    decision_rate: Scored
    tie_rate: Scored
    accuracy: Scored
    accuracy_decided: Scored
    margin: Scored
    condorcet_efficiency: Scored


def score_rules(chosen: Selection, rules: Sequence[ChosenRule]) -> list[RuleScores]:
    """Every rule's figures debate by debate, for intervals of other kinds than a tally gives.

    Raises:
        ConfigError: A rule names a seat that is not there.
    """
    profile = chosen.profile
    winner = _decide(condorcet, profile, profile.has_distributions)
    return [_score(chosen, _decide(rule.decide, profile, _askable(rule, profile)), winner) for rule in rules]


def _score(chosen: Selection, asked: _Asked, winner: _Asked) -> RuleScores:
    import numpy as np

    outcome, on, answer = asked.outcome, asked.asked, chosen.answer
    right = outcome.weights[np.arange(len(answer)), answer]  # −1, no answer, is masked below
    elected = (outcome.weights * winner.outcome.weights).sum(axis=1)
    return RuleScores(
        decision_rate=Scored(outcome.decided, on),
        tie_rate=Scored((outcome.weights > 0).sum(axis=1) > 1, on),
        accuracy=Scored(right, on & (answer >= 0)),
        accuracy_decided=Scored(right, on & (answer >= 0) & outcome.decided),
        margin=Scored(outcome.margin, on & ~np.isnan(outcome.margin), bounded=False),
        condorcet_efficiency=Scored(elected, on & winner.outcome.decided),
    )


@dataclass(frozen=True, slots=True)
class _Measure:
    """Turns scores into estimates."""

    chosen: Selection
    interval: Interval

    def result(self, rule: ChosenRule, asked: _Asked, winner: _Asked) -> RuleResult:
        scores = _score(self.chosen, asked, winner)
        return RuleResult(
            chosen=rule,
            n=int(asked.asked.sum()),
            **{name: self.mean(scored) for name, scored in scores._asdict().items()},
        )

    def mean(self, scored: Scored) -> Estimate:
        """The mean over some debates; bounded values get an interval."""
        taken = scored.values[scored.over].astype(float)
        if not len(taken):
            return Estimate(None, 0)
        bounds = self.interval(taken, self.chosen.question[scored.over]) if scored.bounded else None
        low, high = bounds if bounds is not None else (None, None)
        return Estimate(float(taken.mean()), len(taken), low, high)


def _require_round(condition: ConditionTable, number: int | None) -> None:
    if number is not None and not 1 <= number <= condition.max_rounds:
        raise ConfigError(
            f"round {number} of {condition.name}: its debates have rounds 1 to {condition.max_rounds}",
            hint="Name one of them, or leave --round out for the last round of each debate.",
        )
