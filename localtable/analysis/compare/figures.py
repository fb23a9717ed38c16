"""Two panels on their common questions → figures, each a mean over questions with its interval.

A question that was debated several times counts once: its shares are means over its debates. A shared first place is
shared. `votes` are those of the last round, of the seats that count; `probabilities` the mean of those seats'
distributions, compared only where every one of them has one on both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import TYPE_CHECKING

from localtable.analysis.compare.matching import Matched, Matching, match
from localtable.analysis.compare.panels import Debate, Panel, Spent
from localtable.analysis.statistics.bootstrap import bootstrap
from localtable.analysis.statistics.distance import jensen_shannon, total_variation
from localtable.analysis.statistics.estimate import Estimate, PValue
from localtable.analysis.statistics.paired import Pair, paired_difference, paired_mcnemar
from localtable.analysis.statistics.sign_flip import sign_flip
from localtable.analysis.statistics.statistic import Statistic, mean
from localtable.errors import ConfigError

if TYPE_CHECKING:
    from localtable.analysis.statistics.arrays import Floats


@dataclass(frozen=True, slots=True)
class Figure:
    """A mean over questions."""

    name: str
    estimate: Estimate


@dataclass(frozen=True, slots=True)
class AccuracyFigure:
    """How often each side is right, and by how much they differ on the same questions."""

    name: str
    first: Estimate
    second: Estimate
    difference: Estimate
    p: PValue
    mcnemar: PValue | None


@dataclass(frozen=True, slots=True)
class Distances:
    """How far two distributions over a question's options are apart."""

    total_variation: float
    jensen_shannon: float


@dataclass(frozen=True, slots=True)
class QuestionSide:
    """What one panel made of a question; options are places in the options of both."""

    debates: Sequence[Debate]
    shares: Floats
    """[options] of the votes, a mean over debates."""
    outcome: Floats
    """[options] of the first place, likewise."""
    probabilities: Floats | None
    """[options] the mean distribution of the seats that count; None where one has none."""
    by_seat: Mapping[str, Floats]
    """[options] of each seat's votes."""
    by_models: Sequence[Floats]
    """The same of seats that no script plays."""


@dataclass(frozen=True, slots=True)
class Question:
    """A common question."""

    matched: Matched
    first: QuestionSide
    second: QuestionSide
    votes: Distances
    probabilities: Distances | None

    @property
    def same_outcome(self) -> float:
        """1 where both have the same winner, 0 where they have others, between where a first place is shared."""
        return 1 - float(total_variation(self.first.outcome, self.second.outcome))


@dataclass(frozen=True, slots=True)
class Compared:
    """A comparison."""

    first: Panel
    second: Panel
    matching: Matching
    questions: tuple[Question, ...]
    figures: tuple[Figure, ...]
    agreement: tuple[tuple[Estimate, ...], ...]
    """[seats of the first, seats of the second] the share of questions on which both vote alike."""
    accuracy: tuple[AccuracyFigure, ...]
    """Empty where no common question has an answer."""
    spent: tuple[Spent, Spent]
    """Of each side's debates on the common questions."""
    notes: tuple[str, ...]


def compare(first: Panel, second: Panel) -> Compared:
    """Compare two panels on the questions that they have in common.

    Raises:
        ConfigError: There is none.
    """
    matching = match(first, second)
    if not matching.matched:
        raise ConfigError(
            f"nothing to compare: {first.where} ({_describe(first)}) and {second.where} ({_describe(second)}) have no"
            " question in common",
            hint="Questions are the same by their id, or by their text and options.",
        )
    questions = tuple(_question(first, second, matched) for matched in matching.matched)
    return Compared(
        first,
        second,
        matching,
        questions,
        tuple(_figures(questions)),
        _agreement(questions, first, second),
        tuple(_accuracy(questions)),
        (
            reduce(add, (first.spent[matched.first] for matched in matching.matched)),
            reduce(add, (second.spent[matched.second] for matched in matching.matched)),
        ),
        tuple(_notes(first, second, matching, questions)),
    )


def _describe(panel: Panel) -> str:
    left_out = [f"{number} {reason}" for reason, number in panel.left_out.items()]
    held = len(panel.debates)
    return ", ".join([f"{held} question{'' if held == 1 else 's'}", *left_out])


# ── one question ────────────────────────────────────────────────────────────────────────────────────────────


def _question(first: Panel, second: Panel, matched: Matched) -> Question:
    size = len(matched.options)
    sides = (
        _side(first.debates[matched.first], matched.first_places, size),
        _side(second.debates[matched.second], matched.second_places, size),
    )
    one, other = sides
    return Question(
        matched,
        one,
        other,
        votes=_distances(one.shares, other.shares),
        probabilities=None
        if one.probabilities is None or other.probabilities is None
        else _distances(one.probabilities, other.probabilities),
    )


def _distances(one: Floats, other: Floats) -> Distances:
    return Distances(float(total_variation(one, other)), float(jensen_shannon(one, other)))


def _side(debates: Sequence[Debate], places: Sequence[int], size: int) -> QuestionSide:
    import numpy as np

    def shares(chosen: Sequence[int]) -> Floats:
        counts = np.bincount([places[option] for option in chosen], minlength=size).astype(np.float64)
        total: Floats = counts / counts.sum()
        return total

    def beliefs(debate: Debate) -> Floats | None:
        known = [debate.distributions.get(seat) for seat in debate.votes if seat in debate.counting]
        if None in known:
            return None
        spread = np.zeros((len(known), size))
        spread[:, list(places)] = known
        mean_of_seats: Floats = spread.mean(axis=0)
        return mean_of_seats

    counted = [[vote for seat, vote in debate.votes.items() if seat in debate.counting] for debate in debates]
    believed = [found for debate in debates if (found := beliefs(debate)) is not None]
    seats = dict.fromkeys(seat for debate in debates for seat in debate.votes)
    played = frozenset[str]().union(*(debate.played for debate in debates))
    by_seat = {seat: shares([debate.votes[seat] for debate in debates if seat in debate.votes]) for seat in seats}
    return QuestionSide(
        debates,
        np.mean([shares(votes) for votes in counted], axis=0),
        np.mean([shares(debate.leading) for debate in debates], axis=0),
        np.mean(believed, axis=0) if len(believed) == len(debates) else None,
        by_seat,
        [votes for seat, votes in by_seat.items() if seat not in played],
    )


# ── over all questions ──────────────────────────────────────────────────────────────────────────────────────


def _figures(questions: Sequence[Question]) -> Iterator[Figure]:
    import numpy as np

    def over(values: Sequence[float | None]) -> Statistic:
        there = np.array([value is not None for value in values])
        return mean(np.array([value or 0.0 for value in values]), there)

    votes = [question.votes for question in questions]
    beliefs = [question.probabilities for question in questions]
    statistics = {
        "same_outcome": over([question.same_outcome for question in questions]),
        "total_variation_of_votes": over([found.total_variation for found in votes]),
        "jensen_shannon_of_votes": over([found.jensen_shannon for found in votes]),
        "total_variation_of_probabilities": over(
            [None if found is None else found.total_variation for found in beliefs]
        ),
        "jensen_shannon_of_probabilities": over([None if found is None else found.jensen_shannon for found in beliefs]),
    }
    for name, estimate in zip(statistics, bootstrap(list(statistics.values())), strict=True):
        yield Figure(name, estimate)


def _agreement(questions: Sequence[Question], first: Panel, second: Panel) -> tuple[tuple[Estimate, ...], ...]:
    """Seat by seat: how often both vote alike; of several debates of a question over all pairs of them."""
    size = max(len(question.matched.options) for question in questions)
    ours = _votes_by_seat([question.first for question in questions], first, size)
    theirs = _votes_by_seat([question.second for question in questions], second, size)
    statistics = [
        mean((one * other).sum(axis=1), (one.any(axis=1) & other.any(axis=1))) for one in ours for other in theirs
    ]
    found = bootstrap(statistics)
    width = len(second.seats)
    return tuple(tuple(found[row * width : (row + 1) * width]) for row in range(len(first.seats)))


def _votes_by_seat(sides: Sequence[QuestionSide], panel: Panel, size: int) -> Floats:
    """[seats, questions, options] shares of a seat's votes; all 0 where it has none."""
    import numpy as np

    votes = np.zeros((len(panel.seats), len(sides), size))
    for place, seat in enumerate(panel.seats):
        for row, side in enumerate(sides):
            if (found := side.by_seat.get(seat.name)) is not None:
                votes[place, row, : len(found)] = found
    return votes


def _accuracy(questions: Sequence[Question]) -> Iterator[AccuracyFigure]:
    import numpy as np

    answered = [question for question in questions if question.matched.answer is not None]
    kinds: Mapping[str, Callable[[QuestionSide, int], float]] = {
        "majority_accuracy": lambda side, answer: float(side.outcome[answer]),
        "individual_accuracy": lambda side, answer: float(np.mean([votes[answer] for votes in side.by_models])),
    }
    of_models = [question for question in answered if question.first.by_models and question.second.by_models]
    for name, right in kinds.items():
        asked = of_models if name == "individual_accuracy" else answered
        if not asked:
            continue
        sides = [
            np.array([right(side, _answer(question)) for question, side in zip(asked, column, strict=True)])
            for column in ([q.first for q in asked], [q.second for q in asked])
        ]
        present = np.ones(len(asked), np.bool_)
        single = all(len(side.debates) == 1 for q in asked for side in (q.first, q.second))
        yes_or_no = single and all(bool(np.isin(side, (0.0, 1.0)).all()) for side in sides)
        pair = Pair(sides[0], sides[1], present, yes_or_no)
        first, second, difference = bootstrap([mean(sides[0]), mean(sides[1]), paired_difference(pair)])
        (p,) = sign_flip((sides[0] - sides[1])[:, None])
        yield AccuracyFigure(name, first, second, difference, p, paired_mcnemar(pair))


def _answer(question: Question) -> int:
    answer = question.matched.answer
    assert answer is not None
    return answer


def _notes(first: Panel, second: Panel, matching: Matching, questions: Sequence[Question]) -> Iterator[str]:
    for panel in (first, second):
        for reason, number in panel.left_out.items():
            yield f"{panel.where}: {number} {'debate' if number == 1 else 'debates'} left out: {reason}"
    for name in matching.other_options:
        yield f"{name}: both have a question of this id, with other options; it is not compared"
    for matched in matching.matched:
        if matched.answers_differ:
            yield f"{matched.first.id}: the two sides have other answers; neither counts"
        if matched.first.options_listed and matched.second.options_listed:
            continue
        yield f"{matched.first.id}: a page that lists no options may have had others than those that were voted for"
    without = sum(question.probabilities is None for question in questions)
    if without:
        which = "no question has" if without == len(questions) else f"{without} of {len(questions)} questions lack"
        yield (
            f"{which} probabilities of all seats on both sides: distances of votes are of what was voted,"
            " not of how sure seats were"
        )
    if len(questions) == 1:
        yield "one question says nothing of how panels differ on others: figures have no interval"
