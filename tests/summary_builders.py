"""Written transcripts of debates that nobody held: any votes, distributions and influence, as data that the schema
takes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from builders import make_panel, make_question, make_round, make_turn

from localtable.protocol.votes import verdict
from localtable.transcript import to_json
from localtable.types import LETTERS, Ballot, Influence, Letter, Round, Stop, Transcript, Turn

Vote = Letter | Mapping[Letter, float] | None
"""A letter without a distribution, a distribution, or a vote that is not shown."""
Of = tuple[int, str]
"""A turn: round and seat."""


def written(folder: Path, votes: Mapping[str, Sequence[Vote]], **changes: Any) -> dict[str, Any]:
    """A debate in which each seat votes so, round by round, as JSON data; options are Yes, No, Maybe.

    Args:
        folder: Takes the panel's files.
        votes: By seat.
        changes: As `make_transcript`.
    """
    return to_json(make_transcript(folder, votes, **changes))


def make_transcript(
    folder: Path,
    votes: Mapping[str, Sequence[Vote]],
    *,
    said: Mapping[Of, str] | None = None,
    persuaded: Mapping[Of, str] | None = None,
    influence: Mapping[Of, Sequence[Influence]] | None = None,
    changed: Sequence[Of] = (),
    options: Sequence[str] = ("Yes", "No", "Maybe"),
    finished: bool = True,
    **of_panel: Any,
) -> Transcript:
    """The same as a value.

    Args:
        folder: Takes the panel's files.
        votes: By seat.
        said: Statements; by default such that no two turns say the same.
        persuaded: Who persuaded the seat, as it says.
        influence: What was measured of turns.
        changed: Turns that are said to have changed although nothing before them is shown.
        options: Of the question.
        finished: Whether there is a verdict.
        of_panel: The panel's keys; `condition` is the transcript's.
    """
    question = make_question(*options)
    condition = of_panel.pop("condition", "debate")
    panel = make_panel(folder, *votes, **of_panel)
    rounds: list[Round] = []
    for number in range(1, max(map(len, votes.values())) + 1):
        turns = []
        for seat, of_seat in votes.items():
            vote = of_seat[number - 1] if number <= len(of_seat) else None
            if vote is None:
                continue
            of = (number, seat)
            earlier = of_seat[number - 2] if number > 1 else None
            turn = _turn(seat, vote, number, len(options))
            if earlier is not None:
                turn = replace(turn, changed_mind=_letter(earlier) != turn.ballot.vote)
            turn = replace(
                turn,
                statement=(said or {}).get(of, turn.statement),
                ballot=replace(turn.ballot, persuaded_by=(persuaded or {}).get(of)),
                influence=tuple((influence or {}).get(of, ())),
                changed_mind=turn.changed_mind or of in changed,
            )
            turns.append(turn)
        rounds.append(make_round(number, *turns, letters=LETTERS[: len(options)]))
    counted = rounds[-1].tally
    return Transcript(
        question,
        panel,
        0,
        tuple(rounds),
        verdict(counted, len(rounds), Stop()) if finished else None,
        condition=condition,
    )


def _letter(vote: Vote) -> Letter | None:
    return vote if vote is None or isinstance(vote, str) else max(vote, key=lambda letter: vote[letter])


def _turn(seat: str, vote: Letter | Mapping[Letter, float], number: int, num_options: int) -> Turn:
    letter = _letter(vote)
    assert letter is not None
    distribution = None
    if not isinstance(vote, str):
        distribution = {other: vote.get(other, 0.0) for other in LETTERS[:num_options]}
    statement = f"{seat} says {letter} in round {number}."
    return make_turn(seat, letter, statement=statement, ballot=Ballot(letter, distribution))
