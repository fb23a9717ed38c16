"""Ballots that were asked in several orders of their options: how far the orders, and pools of them, are apart.

An answer's vote is its most probable option; options that share the first place share the vote, and two votes are as
far apart as their weights (total variation), so that no alphabet decides what flips.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from localtable.analysis.metrics.metric import By, finished
from localtable.analysis.rules.profile import first_place
from localtable.analysis.sample import Sample
from localtable.analysis.statistics.distance import total_variation
from localtable.analysis.statistics.statistic import Statistic
from localtable.analysis.table import Orders

if TYPE_CHECKING:
    from localtable.analysis.statistics.arrays import Flags, Floats, Integers


@dataclass(frozen=True)
class Reordered:
    """The asked seats' ballots with several orders, [ballots, …]; the sample has such ballots."""

    sample: Sample

    @cached_property
    def _mine(self) -> Flags:
        orders = self._all
        debate, round_, seat = orders.where
        found: Flags = self.sample.held[debate, round_] & self.sample.asked[seat] & (orders.num_orders > 1)
        return found

    @property
    def _all(self) -> Orders:
        orders = self.sample.condition.orders
        assert orders is not None
        return orders

    @cached_property
    def debate(self) -> Integers:
        """[ballots]"""
        return self._all.where[0][self._mine]

    @cached_property
    def num_orders(self) -> Integers:
        """[ballots]"""
        return self._all.num_orders[self._mine]

    @cached_property
    def _answers(self) -> Floats:
        """[ballots, orders, options] NaN in orders that were not asked."""
        return self._all.distribution[self._mine]

    @cached_property
    def _options(self) -> Flags:
        """[ballots, options] which places stand for an option."""
        import numpy as np

        found: Flags = np.arange(self._answers.shape[2]) < self.sample.condition.num_options[self.debate, None]
        return found

    @cached_property
    def _votes(self) -> Floats:
        """[ballots, orders, options] what each option has of each order's vote; 0 in orders that were not asked."""
        import numpy as np

        ballots, orders, options = self._answers.shape
        flat = np.nan_to_num(self._answers.reshape(-1, options), nan=-1.0)
        votes = first_place(flat, np.repeat(self._options, orders, axis=0))
        asked = np.arange(orders) < self.num_orders[:, None]
        found: Floats = votes.reshape(ballots, orders, options) * asked[:, :, None]
        return found

    @cached_property
    def _only_votes(self) -> Flags:
        """[ballots] which have no distribution, since an endpoint gave none under some order."""
        import numpy as np

        found: Flags = np.isnan(self.sample.condition.ballots.confidence[self._all.where][self._mine])
        return found

    # ── how far apart ─────────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def between_orders(self) -> Floats:
        """[ballots] mean distance of two of its orders' votes."""
        import numpy as np

        total, pairs = np.zeros(len(self.debate)), self.num_orders * (self.num_orders - 1) / 2
        for one in range(self._votes.shape[1]):
            for other in range(one):
                both = self.num_orders > one
                total += total_variation(self._votes[:, one], self._votes[:, other]) * both
        return total / pairs

    @cached_property
    def moved_by_pooling(self) -> Floats:
        """[ballots] distance of the pool's vote from that of the question's own order."""
        return total_variation(self._pooled_vote(self._every_order), self._votes[:, 0])

    def right_under_some_not_all(self, answer: Integers) -> Floats:
        """How right a ballot's vote is under its best order − under its worst.

        Args:
            answer: [ballots] the right option.

        Returns:
            [ballots] 1 where some orders vote for it and some don't, 0 where all or none do; between, of shared places.
        """
        import numpy as np

        right = np.take_along_axis(self._votes, answer[:, None, None], axis=2)[:, :, 0]
        best = right.max(axis=1, initial=0.0)
        worst = np.where(self._every_order, right, 1.0).min(axis=1, initial=1.0)
        found: Floats = best - worst
        return found

    def distances(self) -> Iterator[tuple[str, Floats]]:
        """Distances of votes under other orders: of single ones, of halves, of all with all but one; [ballots]."""
        import numpy as np

        yield "none", self.between_orders
        number = np.arange(self._votes.shape[1])
        # Of an odd number the last one is left out, so that both halves are pools of as many.
        paired = number < (self.num_orders // 2 * 2)[:, None]
        halves = [self._pooled_vote(paired & (number % 2 == half)) for half in range(2)]
        yield "halves", total_variation(*halves)
        whole, lost = self._pooled_vote(self._every_order), np.zeros(len(self.debate))
        for left_out in number.tolist():
            without = self._pooled_vote(self._every_order & (number != left_out))
            lost += total_variation(whole, without) * (left_out < self.num_orders)
        yield "all but one", lost / self.num_orders

    @cached_property
    def _every_order(self) -> Flags:
        """[ballots, orders] which were asked."""
        import numpy as np

        found: Flags = np.arange(self._answers.shape[1]) < self.num_orders[:, None]
        return found

    def _pooled_vote(self, orders: Flags) -> Floats:
        """[ballots, orders] some of them → [ballots, options] the vote of their pool, by the panel's own rule."""
        import numpy as np

        rule = self.sample.condition.panel.ballot
        weights = (orders / orders.sum(axis=1, keepdims=True).clip(min=1))[:, :, None]
        answers = np.nan_to_num(self._answers)
        if rule.pool == "geometric":
            answers = np.log(answers.clip(min=rule.floor))
        # With an answer that has no probabilities, a ballot's pool is that of votes.
        answers = np.where(self._only_votes[:, None, None], self._votes, answers)
        return first_place((answers * weights).sum(axis=1), self._options)

    # ── letters and slots ─────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def own_order_vote(self) -> Integers:
        """[ballots] the vote in the question's own order; −1 where several options share its first place."""
        import numpy as np

        votes = self._votes[:, 0]
        return np.where(votes.max(axis=1) == 1, votes.argmax(axis=1), -1)

    @cached_property
    def chosen_slots(self) -> tuple[Integers, Integers, Integers]:
        """Each order's answer that has a single first place: its ballot, the slot chosen, and the number of slots."""
        import numpy as np

        listed = self._all.listed[self._mine]
        ballot, order = np.nonzero(self._votes.max(axis=2) == 1)
        option = self._votes[ballot, order].argmax(axis=1)
        slot = (listed[ballot, order] == option[:, None]).argmax(axis=1)
        return ballot, slot, self.sample.condition.num_options[self.debate[ballot]]

    # ── sums ──────────────────────────────────────────────────────────────────────────────────────────────

    def by_round(self) -> Iterator[tuple[By, Flags]]:
        """Which ballots belong to each round, and then all of them."""
        import numpy as np

        rounds = self._all.where[1][self._mine]
        for number in range(self.sample.condition.num_rounds):
            yield {"round": number + 1}, rounds == number
        yield {}, np.ones(len(rounds), np.bool_)

    def summed(self, statistic: Statistic, ballots: Integers | None = None) -> Statistic:
        """A statistic of ballots, or of answers to single orders, by cluster.

        Args:
            statistic: With a row for each.
            ballots: [rows] each one's ballot; its own where not given.
        """
        cluster = self.sample.cluster[self.debate if ballots is None else self.debate[ballots]]
        return statistic.by_cluster(cluster, self.sample.num_clusters)


def reordered(sample: Sample) -> str | None:
    """Why a sample has no such ballots; None where it has."""
    if sample.condition.orders is None:
        return "every ballot was asked in one order (ballot: {orders: k} asks k)"
    if finished(sample) is not None:
        return finished(sample)
    some = len(Reordered(sample).debate) > 0
    return None if some else "no finished debate has a ballot that was asked in several orders"
