"""One condition's debates as metrics see them: who is asked, what was voted, what was right, who shares a question.

Only debates that finished with all their ballots have votes here. Seats that a script plays are peers and, where they
count, voters; they are never asked how good they are. A shared first place is shared: nothing is drawn here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from localtable.analysis.rules.profile import first_place
from localtable.analysis.table import ConditionTable

if TYPE_CHECKING:
    from typing import Any

    from localtable.analysis.statistics.arrays import Flags, Floats, Integers, Numbers

LAST = "last"
"""The round that a debate ended in."""


class Round(NamedTuple):
    """A round of each debate: the same for all, or the last one of each."""

    labels: tuple[int | str, ...]
    """What it is called: the last round has two names where no debate ended early."""
    place: Integers
    """[debates] from 0."""
    present: Flags
    """[debates] which have held it."""


class Transition(NamedTuple):
    """From one round to the next, or from the first to the last."""

    labels: tuple[int | str, ...]
    """Of the later round; `last` for first to last, in which a debate that ended in round 1 has changed nothing."""
    before: Integers
    """[debates] places from 0."""
    after: Integers
    present: Flags


@dataclass(frozen=True, eq=False)
class Sample:
    """A condition's debates, or some of them, and the seats that are asked about."""

    condition: ConditionTable
    cluster: Integers
    """[debates] the unit of inference, from 0: its question, or what several questions belong to."""
    num_clusters: int
    asked: Flags
    """[seats] those that figures are of: all models, or some."""
    siblings: Mapping[str, Sample] = field(default_factory=dict)
    """The run's other conditions by name, whole."""

    @cached_property
    def kept(self) -> dict[Any, Any]:
        """What several metrics need and is costly, for whoever puts it there."""
        return {}

    # ── debates ───────────────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def whole(self) -> Flags:
        """[debates] finished, with every ballot of its rounds."""
        import numpy as np

        table = self.condition
        rounds = np.arange(table.num_rounds) < table.rounds_held[:, None]
        complete = ((table.ballots.vote >= 0).all(axis=2) | ~rounds).all(axis=1)
        found: Flags = table.finished & complete & (table.rounds_held <= table.num_rounds) & (table.rounds_held > 0)
        return found

    @cached_property
    def held(self) -> Flags:
        """[debates, rounds]"""
        import numpy as np

        table = self.condition
        found: Flags = (np.arange(table.num_rounds) < table.rounds_held[:, None]) & self.whole[:, None]
        return found

    @property
    def answered(self) -> Flags:
        """[debates] the right option is known."""
        found: Flags = self.condition.answer >= 0
        return found

    @property
    def is_debate(self) -> bool:
        """Whether it is no control."""
        return self.condition.name == self.condition.debate

    # ── votes ─────────────────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def votes(self) -> Integers:
        """[debates, rounds, seats] of every seat, −1 in rounds that were not held."""
        import numpy as np

        return np.where(self.held[:, :, None], self.condition.ballots.vote, np.int8(-1))

    @cached_property
    def own_votes(self) -> Integers:
        """[debates, rounds, asked seats]"""
        return self.votes[:, :, self.asked]

    @cached_property
    def right(self) -> Flags:
        """[debates, rounds, asked seats]; False where there is no vote or no answer."""
        found: Flags = (self.own_votes == self.condition.answer[:, None, None]) & self.judged
        return found

    @cached_property
    def judged(self) -> Flags:
        """[debates, rounds, asked seats] there is a vote, and an answer to hold it against."""
        found: Flags = (self.own_votes >= 0) & self.answered[:, None, None]
        return found

    @cached_property
    def some_right(self) -> Flags:
        """[debates, rounds] one of the asked seats is right."""
        found: Flags = self.right.sum(axis=2) > 0
        return found

    @property
    def num_asked(self) -> int:
        """Seats that figures are of."""
        return int(self.asked.sum())

    @property
    def asks_everybody(self) -> bool:
        """Whether all models are asked about, not some of them."""
        return all(
            seat.is_model == asked for seat, asked in zip(self.condition.seats, self.asked.tolist(), strict=True)
        )

    @cached_property
    def counting(self) -> Flags:
        """[seats] whose votes decide."""
        import numpy as np

        return np.array([seat.counts for seat in self.condition.seats], np.bool_)

    @cached_property
    def vote_counts(self) -> Floats:
        """[debates, rounds, options] of the seats whose votes decide."""
        return self.count_votes(self.counting)

    def count_votes(self, seats: Flags) -> Floats:
        """[debates, rounds, options] how many of these seats voted for each option."""
        import numpy as np

        votes = self.votes[:, :, seats]
        options = self.condition.ballots.distribution.shape[3]
        return np.stack([(votes == option).sum(axis=2) for option in range(options)], axis=2).astype(np.float64)

    @cached_property
    def leading(self) -> Floats:
        """[debates, rounds, options] plurality: the leading options share a weight of 1."""
        return self.shares_of_first(self.vote_counts)

    def shares_of_first(self, counts: Floats) -> Floats:
        """[debates, rounds, options] counts → what each option has of the first place; all 0 without a vote."""
        import numpy as np

        options = np.arange(counts.shape[2]) < self.condition.num_options[:, None]
        candidates = options[:, None, :] & (counts.sum(axis=2, keepdims=True) > 0)
        flat = first_place(counts.reshape(-1, counts.shape[2]), candidates.reshape(-1, counts.shape[2]))
        return flat.reshape(counts.shape)

    def weight_of_answer(self, weights: Floats) -> Floats:
        """[debates, rounds, options] → [debates, rounds] the right option's; 0 where there is no answer."""
        import numpy as np

        answer = self.condition.answer.clip(min=0)
        found: Floats = np.take_along_axis(weights, answer[:, None, None], axis=2)[:, :, 0]
        return found * self.answered[:, None]

    @cached_property
    def panel_right(self) -> Floats:
        """[debates, rounds] expected: 1 ÷ leading options where the answer leads."""
        return self.weight_of_answer(self.leading)

    @cached_property
    def panel_judged(self) -> Flags:
        """[debates, rounds] held, and there is an answer."""
        found: Flags = self.held & self.answered[:, None]
        return found

    @cached_property
    def unanimous(self) -> Flags:
        """[debates, rounds] all seats that are asked agree; one vote agrees with itself."""
        found: Flags = (self.own_votes == self.own_votes[:, :, :1]).all(axis=2) & self.held
        return found

    @cached_property
    def initial_agreement(self) -> list[str]:
        """[debates] votes of the first round from the most to the fewest, `4:1:1`; `6:0` where all agree; or nothing.

        Of the seats whose votes decide, also in debates that did not finish.
        """
        if self.condition.num_rounds == 0:
            return [""] * len(self.condition.question)
        return [_pattern(votes) for votes in self.condition.ballots.vote[:, 0, self.counting].tolist()]

    # ── rounds ────────────────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def rounds(self) -> list[Round]:
        """Each round, and the last one of each debate."""
        import numpy as np

        table = self.condition
        last = Round((LAST,), (table.rounds_held - 1).clip(min=0).astype(np.int64), self.whole)
        found = [
            Round((number + 1,), np.full(len(table.question), number), self.held[:, number])
            for number in range(table.num_rounds)
        ]
        if found and (found[-1].present == self.whole).all():
            found[-1] = found[-1]._replace(labels=(*found[-1].labels, LAST))
            return found
        return [*found, last] if found else []

    @cached_property
    def transitions(self) -> list[Transition]:
        """Each round against the one before it, and the last round of each debate against its first."""
        import numpy as np

        num_rounds = self.condition.num_rounds
        if num_rounds < 2:
            return []
        found = [
            Transition((number + 1,), np.full(len(self.whole), number - 1), np.full(len(self.whole), number), present)
            for number, present in enumerate(self.held.T)
            if number > 0
        ]
        if num_rounds == 2 and (found[0].present == self.whole).all():
            return [found[0]._replace(labels=(2, LAST))]
        last = self.rounds[-1].place
        return [*found, Transition((LAST,), np.zeros_like(last), last, self.whole)]

    @property
    def first(self) -> Round:
        """Round 1."""
        return self.rounds[0]

    @property
    def last(self) -> Round:
        """The round that each debate ended in."""
        return self.rounds[-1]

    def at(self, values: Any, place: Integers) -> Any:
        """[debates, rounds, …] → [debates, …] each debate's own round."""
        import numpy as np

        return values[np.arange(len(place)), place]

    # ── other samples of the same debates ─────────────────────────────────────────────────────────────────

    def of(self, debates: Integers) -> Sample:
        """Some of the debates, and only their clusters.

        Args:
            debates: Rows, ascending.
        """
        import numpy as np

        clusters, places = np.unique(self.cluster[debates], return_inverse=True)
        return replace(self, condition=self.condition.of(debates), cluster=places, num_clusters=len(clusters))

    def with_seats(self, asked: Flags) -> Sample:
        """Figures of these seats alone."""
        return replace(self, asked=asked)

    # ── questions ─────────────────────────────────────────────────────────────────────────────────────────

    def by_question(self, numerators: Numbers, denominators: Numbers, num_questions: int) -> tuple[Floats, Flags]:
        """Mean over the repeats of each question: [debates] sums → [questions] ratios, and which of them there are."""
        import numpy as np

        question = self.condition.question
        above, below = (np.bincount(question, v, num_questions) for v in (numerators, denominators))
        present: Flags = below > 0
        return np.where(present, above / np.where(present, below, 1.0), 0.0), present


def _pattern(votes: list[int]) -> str:
    if min(votes, default=-1) < 0:
        return ""
    counts = sorted((votes.count(option) for option in set(votes)), reverse=True)
    return ":".join(map(str, counts if len(counts) > 1 else [*counts, 0]))
