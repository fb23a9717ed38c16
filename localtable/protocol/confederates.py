"""What a confederate votes and says on a question: scripted, so that a study knows what its seats were up against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from localtable.errors import ConfigError
from localtable.seeds import derive
from localtable.types import LETTERS, Confederate, Letter, Panel, Participant, Question, Seat

RIGHT, WRONG = "right", "wrong"
OPTION_SLOT = "{option}"


def scripted_vote(seat: Confederate, question: Question, run_seed: int, repeat: int) -> Letter:
    """The option that a confederate votes for in every round of a debate.

    `wrong` is drawn anew for each question and repeat, and is the same under all conditions of a run.

    Raises:
        ConfigError: The question has no such option, no answer to be right or wrong by, or is not in the seat's list.
    """
    said = seat.vote if isinstance(seat.vote, str) else _vote_on(seat.vote, seat, question)
    if said in (RIGHT, WRONG):
        return _by_answer(said, seat, question, run_seed, repeat)
    # As with a question's answer: a text that is also a letter is the text.
    if said in question.options:
        return LETTERS[question.options.index(said)]
    if said in question.letters:
        return said
    raise ConfigError(
        f"the confederate {seat.name!r} votes {said!r}, which is no option of the question {question.id!r}",
        hint=f"Say {RIGHT}, {WRONG}, a letter from A to {question.letters[-1]}, or an option's text word for word.",
    )


def _vote_on(votes: Mapping[str, str], seat: Confederate, question: Question) -> str:
    if question.id not in votes:
        raise ConfigError(
            f"the confederate {seat.name!r} has no vote on the question {question.id!r}",
            hint="Add the question's id to its votes, or leave the question out.",
        )
    return votes[question.id]


def _by_answer(said: str, seat: Confederate, question: Question, run_seed: int, repeat: int) -> Letter:
    if question.answer is None:
        raise ConfigError(
            f"the confederate {seat.name!r} votes {said!r}, and the question {question.id!r} has no answer",
            hint="Give the question an `answer`, or the confederate an option's letter or text.",
        )
    if said == RIGHT:
        return question.answer
    wrong = [letter for letter in question.letters if letter != question.answer]
    drawn_by = () if seat.together else (seat.name,)
    return wrong[derive("wrong", run_seed, repeat, question.id, *drawn_by) % len(wrong)]


def scripted_distribution(seat: Confederate, vote: Letter, question: Question) -> dict[Letter, float]:
    """A confederate's probabilities: its confidence for the vote, the rest shared by all other options.

    Raises:
        ConfigError: Another option would be as probable as the vote.
    """
    rest = (1 - seat.confidence) / (len(question.options) - 1)
    if seat.confidence <= rest:
        raise ConfigError(
            f"the confederate {seat.name!r} gives its vote {seat.confidence:g}, and each of the other options of the"
            f" question {question.id!r} {rest:g}",
            hint=f"Give it a `confidence` above {1 / len(question.options):.3g}.",
        )
    return {letter: seat.confidence if letter == vote else rest for letter in question.letters}


def panel_on(question: Question, panel: Panel) -> Panel:
    """The panel as one of its debates needs it: of a list of votes by question, the one on this question."""

    def narrowed(seat: Participant) -> Participant:
        if isinstance(seat, Seat) or isinstance(seat.vote, str):
            return seat
        return replace(seat, vote={question.id: seat.vote[question.id]})

    return replace(panel, seats=tuple(map(narrowed, panel.seats))) if panel.confederates else panel


def statement_for(seat: Confederate, option: str) -> str:
    """What a confederate says for an option, by its text."""
    return seat.statement.replace(OPTION_SLOT, option)
