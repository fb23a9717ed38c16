"""What a tally could not compute, and what has to be known to read it."""

from __future__ import annotations

from collections.abc import Iterator

from localtable.analysis.rules.tally import Estimate, Tally
from localtable.analysis.statistics.calibration import NEARLY_CERTAIN
from localtable.analysis.words import listed


def notes(tally: Tally) -> list[str]:
    """Plain sentences, the gravest first."""
    return [*_debates(tally), *_answers(tally), *_figures(tally), *_ballots(tally)]


def _debates(tally: Tally) -> Iterator[str]:
    left = tally.left_out
    if not tally.debates:
        yield f"no debate can be tallied{'' if any(left.values()) else ': the store holds none'}"
    if left["failed"] or left["open"]:
        yield f"debates not tallied: {left['failed']:,} failed, {left['open']:,} unfinished"
    if left["round_not_held"]:
        yield f"debates not tallied, which had ended before round {tally.round_number}: {left['round_not_held']:,}"
    if left["incomplete"]:
        yield f"finished debates not tallied, which lack a ballot (see `localtable verify`): {left['incomplete']:,}"
    if left["no_distribution"]:
        yield (
            "debates with a ballot that has no distribution, which rules that read rankings or distributions leave"
            f" out: {left['no_distribution']:,}"
        )
    if tally.not_asked:
        yield f"debates never held, whose question has no partner: {tally.not_asked:,}"


def _answers(tally: Tally) -> Iterator[str]:
    if not tally.debates:
        return
    if not tally.answered:
        yield "no tallied debate's question has an answer: nothing can be said of what is right"
    elif tally.answered < tally.debates:
        yield f"tallied debates whose question has an answer: {tally.answered:,} of {tally.debates:,}"
    without = [
        result.chosen.text
        for result in tally.results
        if any(estimate.n and estimate.low is None for estimate in (result.accuracy, result.accuracy_decided))
    ]
    if without:
        named = "any rule" if len(without) == len(tally.results) > 1 else listed(without)
        yield (
            f"no interval for what is right by {named}: ties are shared, or several debates have one"
            " question, and Wilson's holds for neither"
        )


def _figures(tally: Tally) -> Iterator[str]:
    if not tally.debates:
        return
    if not _has(tally.condorcet_winner):
        yield "no tallied debate has a Condorcet winner: no rule's Condorcet efficiency can be computed"
    nothing = [result.chosen.text for result in tally.results if result.decision_rate.value == 0]
    if nothing:
        yield f"{listed(nothing)} decided nothing: no margin, and nothing right of what was decided"


def _ballots(tally: Tally) -> Iterator[str]:
    if not tally.debates:
        return
    if len(tally.seats) == 1:
        yield "one seat: nothing is put together, so rules differ only in how they read its ballot"
    if tally.tied_ballots:
        yield (
            f"{tally.tied_ballots:,} of {tally.ballots:,} ballots share their first place exactly: their votes were"
            " drawn by the turns' seeds, and rules that read votes take them so"
        )
    if tally.sure_ballots:
        yield (
            f"{tally.sure_ballots:,} of {tally.ballots:,} ballots ({tally.sure_ballots / tally.ballots:.0%}) give more"
            f" than {NEARLY_CERTAIN} to one option: their rankings, and what pools make of them, rest on small"
            " probabilities"
        )


def _has(estimate: Estimate) -> bool:
    return bool(estimate.n and estimate.value)
