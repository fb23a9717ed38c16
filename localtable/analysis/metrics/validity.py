"""What can be relied on, before anything is read from it: failed, cut, empty, unread; stated against voted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from localtable.analysis.families import Dimension
from localtable.analysis.metrics.metric import EVERYTHING, By, Figure, Metric, share
from localtable.analysis.sample import Sample
from localtable.analysis.statistics.calibration import NEARLY_CERTAIN

if TYPE_CHECKING:
    from localtable.analysis.statistics.arrays import Flags, Numbers

_COUNT = "a count of what the store says of each turn; docs/contracts.md"
_STATED = "what counts as stated: docs/contracts.md"


def _in_turns(
    sample: Sample, numerators: Numbers, denominators: Flags, by: By = EVERYTHING, *, first: int = 1
) -> Iterator[Figure]:
    """By round, and over all of them: turns of failed and unfinished debates count too.

    Args:
        sample: Of the debates.
        numerators: [debates, rounds, seats]
        denominators: [debates, rounds, seats]
        by: What else it is of.
        first: The round in which it can first happen.
    """
    mine = denominators[:, first - 1 :, sample.asked]
    values = numerators[:, first - 1 :, sample.asked]
    for place in range(mine.shape[1]):
        yield share(sample, values[:, place], mine[:, place], ({**by, "round": place + first},))
    flat = (len(mine), mine.shape[1] * mine.shape[2])
    yield share(sample, values.reshape(flat), mine.reshape(flat), (by,))


def _failures(sample: Sample) -> Iterator[Figure]:
    table = sample.condition
    yield share(sample, table.failed, table.failed | table.finished, undefined="no debate has finished or failed")


def _truncated(sample: Sample) -> Iterator[Figure]:
    return _in_turns(sample, sample.condition.turns.truncated, sample.condition.turns.present)


def _empty(sample: Sample) -> Iterator[Figure]:
    return _in_turns(sample, sample.condition.turns.empty, sample.condition.turns.present)


def _thinking_cut(sample: Sample) -> Iterator[Figure]:
    return _in_turns(sample, sample.condition.turns.thinking_cut, sample.condition.turns.thought)


def _names_letter(sample: Sample) -> Iterator[Figure]:
    return _in_turns(sample, sample.condition.turns.names_letter, sample.condition.turns.present)


def _peers_cut(sample: Sample) -> Iterator[Figure]:
    turns = sample.condition.turns
    return _in_turns(sample, turns.peers_cut > 0, turns.present, first=2)


def _stated(sample: Sample) -> Iterator[Figure]:
    return _in_turns(sample, sample.condition.turns.stated >= 0, sample.condition.turns.present)


def _agreement(sample: Sample) -> Iterator[Figure]:
    turns, vote = sample.condition.turns, sample.condition.ballots.vote
    readable = (turns.stated >= 0) & (vote >= 0)
    yield from _in_turns(sample, turns.stated == vote, readable)
    for name, statements in (("cut", turns.truncated), ("whole", ~turns.truncated)):
        yield from _in_turns(sample, turns.stated == vote, readable & statements, {"statement": name})


def _nearly_certain(sample: Sample) -> Iterator[Figure]:
    import numpy as np

    confidence = sample.condition.ballots.confidence
    return _in_turns(sample, confidence > NEARLY_CERTAIN, ~np.isnan(confidence))


def _tied(sample: Sample) -> Iterator[Figure]:
    ballots = sample.condition.ballots
    return _in_turns(sample, ballots.tied, ballots.vote >= 0)


def _label_mass(sample: Sample) -> Iterator[Figure]:
    import numpy as np

    mass = sample.condition.ballots.label_mass
    return _in_turns(sample, np.nan_to_num(mass), ~np.isnan(mass))


def _free_replies(sample: Sample) -> Iterator[Figure]:
    ballots = sample.condition.ballots
    return _in_turns(sample, ballots.free_vote >= 0, ballots.free_asked)


def _free_agreement(sample: Sample) -> Iterator[Figure]:
    ballots = sample.condition.ballots
    return _in_turns(sample, ballots.free_vote == ballots.vote, ballots.free_asked & (ballots.free_vote >= 0))


def _accuracy(sample: Sample, said: Numbers, valid: Flags) -> Iterator[Figure]:
    """By round, invalid turns left out and counted as wrong; a failed debate's missing turns are invalid.

    Args:
        sample: Of the debates.
        said: [debates, rounds, seats] options
        valid: [debates, rounds, seats]
    """
    import numpy as np

    table = sample.condition
    rounds = np.arange(table.num_rounds)
    due = np.where(table.failed[:, None], rounds < table.max_rounds, rounds < table.rounds_held[:, None])
    asked = (due & sample.answered[:, None])[:, :, None] & sample.asked
    right = (said == table.answer[:, None, None]) & valid
    for name, over in (("wrong", asked), ("excluded", asked & valid)):
        for place in range(table.num_rounds):
            by: By = {"invalid": name, "round": place + 1}
            yield share(sample, right[:, place], over[:, place], (by,), undefined="no such turn has an answer")


def _stated_accuracy(sample: Sample) -> Iterator[Figure]:
    turns = sample.condition.turns
    return _accuracy(sample, turns.stated, turns.present & (turns.stated >= 0))


def _vote_accuracy(sample: Sample) -> Iterator[Figure]:
    turns, vote = sample.condition.turns, sample.condition.ballots.vote
    return _accuracy(sample, vote, (vote >= 0) & turns.present & ~turns.truncated & ~turns.empty)


def _thought(sample: Sample) -> str | None:
    return None if sample.condition.turns.thought.any() else "no seat thinks before it speaks"


def _mass_measured(sample: Sample) -> str | None:
    import numpy as np

    known = ~np.isnan(sample.condition.ballots.label_mass)
    return None if known.any() else "label mass was not measured (ballot: {label_mass: true})"


def _replies_asked(sample: Sample) -> str | None:
    asked = sample.condition.ballots.free_asked.any()
    return None if asked else "no ballot was asked for a free reply (ballot: {free_reply: true})"


def _turns(sample: Sample) -> str | None:
    return None if sample.condition.turns.present.any() else "nothing has been said yet"


def _later_turns(sample: Sample) -> str | None:
    later = sample.condition.turns.present[:, 1:].any()
    return None if later else "one round: nobody has read anybody"


def _answers(sample: Sample) -> str | None:
    return _turns(sample) or (None if sample.answered.any() else "no question has an answer")


_BY_MODEL: tuple[Dimension, ...] = ("model",)

METRICS = (
    Metric(
        "failure_rate",
        "validity",
        "share",
        _failures,
        "debates given up ÷ debates given up or finished",
        "a count of debates; none is replaced by another",
        "none",
        by_seat=False,
    ),
    Metric(
        "truncation_rate",
        "validity",
        "share",
        _truncated,
        "statements cut at max_tokens ÷ statements",
        _COUNT,
        "none",
        (_turns,),
        splits=_BY_MODEL,
    ),
    Metric(
        "empty_rate",
        "validity",
        "share",
        _empty,
        "statements still empty when asked for once more ÷ statements",
        _COUNT,
        "none",
        (_turns,),
        splits=_BY_MODEL,
    ),
    Metric(
        "thinking_cut_rate",
        "validity",
        "share",
        _thinking_cut,
        "turns whose thinking its budget ended ÷ turns with thinking",
        _COUNT,
        "none",
        (_turns, _thought),
        splits=_BY_MODEL,
    ),
    Metric(
        "names_letter_rate",
        "validity",
        "share",
        _names_letter,
        "statements that name an option by a letter that they never saw ÷ statements",
        _COUNT,
        "none",
        (_turns,),
        splits=_BY_MODEL,
    ),
    Metric(
        "peers_cut_rate",
        "validity",
        "share",
        _peers_cut,
        "turns that read a peer shortened ÷ turns of later rounds",
        _COUNT,
        "none",
        (_turns, _later_turns),
        splits=_BY_MODEL,
    ),
    Metric(
        "stated_rate",
        "validity",
        "share",
        _stated,
        "statements that name their option ÷ statements",
        _STATED,
        "none",
        (_turns,),
        splits=_BY_MODEL,
    ),
    Metric(
        "stated_agreement",
        "validity",
        "share",
        _agreement,
        "P(vote = stated | stated), over all statements, those cut and those whole",
        _STATED,
        "counting",
        (_turns,),
        splits=_BY_MODEL,
    ),
    Metric(
        "stated_accuracy",
        "validity",
        "share",
        _stated_accuracy,
        "P(stated = answer) over seats, what names no option or was lost with a failed debate counted as wrong, and"
        " left out",
        _STATED,
        "none",
        (_answers,),
        splits=_BY_MODEL,
    ),
    Metric(
        "vote_accuracy",
        "validity",
        "share",
        _vote_accuracy,
        "P(vote = answer) over seats, votes behind a cut or empty statement or lost with a failed debate counted as"
        " wrong, and left out",
        _STATED,
        "counting",
        (_answers,),
        splits=_BY_MODEL,
    ),
    Metric(
        "nearly_certain_rate",
        "validity",
        "share",
        _nearly_certain,
        f"ballots that give their vote more than {NEARLY_CERTAIN} ÷ ballots",
        "above it pools, rankings and calibration rest on the tails of a softmax",
        "counting",
        (_turns,),
        splits=_BY_MODEL,
    ),
    Metric(
        "tied_ballot_rate",
        "validity",
        "share",
        _tied,
        "ballots whose first place is shared exactly ÷ ballots",
        "their vote was drawn by the turn's seed: docs/contracts.md",
        "counting",
        (_turns,),
        splits=_BY_MODEL,
    ),
    Metric(
        "label_mass",
        "validity",
        "share",
        _label_mass,
        "mean probability of all labels together behind the ballot's prefix, nothing constrained",
        "adherence; docs/contracts.md, Ballots as measurements",
        "counting",
        (_turns, _mass_measured),
        splits=_BY_MODEL,
    ),
    Metric(
        "free_reply_rate",
        "validity",
        "share",
        _free_replies,
        "unconstrained replies that the parser accepts ÷ those asked for",
        "adherence; docs/contracts.md, Ballots as measurements",
        "free",
        (_turns, _replies_asked),
        splits=_BY_MODEL,
    ),
    Metric(
        "free_reply_agreement",
        "validity",
        "share",
        _free_agreement,
        "P(the parser's vote = vote | accepted)",
        "adherence; docs/contracts.md, Ballots as measurements",
        "free",
        (_turns, _replies_asked),
        splits=_BY_MODEL,
    ),
)
