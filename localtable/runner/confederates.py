"""Turns of confederates, which no engine is asked for: stored, shown and exported like everybody's.

Their model is `confederate`, they have no generations and no tokens, and their distribution is what their confidence
says: one-hot by default.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from localtable.ballots import names_a_letter, stated_vote
from localtable.protocol import Debate, scripted_distribution, scripted_vote, statement_for
from localtable.seeds import request_seed
from localtable.types import Ballot, Confederate, Panel, Question, Turn


def confederate_turn(debate: Debate, seat: Confederate, round_number: int) -> Turn:
    """What a confederate says and votes in a round.

    Raises:
        ConfigError: It has no vote on this question, or is not sure enough of it (`with_votes` says so before a run
            begins).
    """
    question, seed = debate.question, debate.panel.seed
    vote = scripted_vote(seat, question, seed, debate.repeat)
    said = statement_for(seat, question.text_of(vote))
    return Turn(
        seat=seat.name,
        position=[other.name for other in debate.order].index(seat.name) + 1,
        statement=said,
        ballot=Ballot(vote, scripted_distribution(seat, vote, question)),
        changed_mind=False,
        finish_reason="stop",
        truncated=False,
        seed=request_seed(seed, debate.repeat, question.id, seat.name, round_number, "statement"),
        usage={},
        stated=stated_vote(said, question),
        names_letter=names_a_letter(said),
    )


def with_votes(questions: Iterable[Question], panels: Iterable[Panel]) -> Iterator[Question]:
    """The questions, each once it is clear that every confederate of these panels has a vote on it, and is sure of it.

    Raises:
        ConfigError: One has none, or would give another option as much; names the question.
    """
    scripted = [(seat, panel.seed) for panel in panels for seat in panel.confederates]
    for question in questions:
        for seat, seed in scripted:
            scripted_distribution(seat, scripted_vote(seat, question, seed, repeat=0), question)
        yield question
