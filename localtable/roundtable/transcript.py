"""A page → a transcript in this program's form, with a note on everything in which the page disagrees with itself.

What a page does not say is null: distributions, seeds, tokens, who read what. Of a debate's rounds it shows the last;
the others have no turns. Its own result line stands beside the verdict that its votes come to in our words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from localtable import __version__
from localtable.config.question import content_id
from localtable.protocol.votes import tally, verdict
from localtable.roundtable.ballots import read_options
from localtable.roundtable.notes import Reading, notes
from localtable.roundtable.page import Page, Said
from localtable.roundtable.responses import Response
from localtable.transcript import SCHEMA_VERSION, check, question_to_json
from localtable.types import SOURCE, Letter, Question, Stop, Verdict

FORMAT = "roundtable"
PANEL = "AI Roundtable"
"""What the service calls it."""


def to_transcript(page: Page, where: str, *, file: str, sha256: str) -> dict[str, Any]:
    """A page as a transcript's plain data, validated.

    Args:
        page: What was read.
        where: What the page is called in an error.
        file: The name of its file.
        sha256: Of its bytes.

    Raises:
        ConfigError: It lists the same option twice, or more options than there are letters.
    """
    options = read_options(page, where)
    question = Question(content_id(page.question, options.texts, None), page.question, options.texts)
    reading = Reading(page, question, _seat_names(page.responses), options)
    turns = [_turn(reading, place) for place in range(len(page.responses))]
    found = _verdict(reading)
    data = {
        "schema_version": SCHEMA_VERSION,
        "question": question_to_json(question),
        "panel": {
            "name": PANEL,
            "rounds": reading.rounds,
            "seats": [
                {"name": name, "model": response.name}
                for name, response in zip(reading.seats, page.responses, strict=True)
            ],
        },
        "repeat": 0,
        "rounds": [
            *({"number": number, "turns": [], "tally": None} for number in range(1, reading.shown_round)),
            {"number": reading.shown_round, "turns": turns, "tally": None if found is None else _tally(reading)},
        ],
        "verdict": None if found is None else _written(found, reading.rounds),
        "turning_points": [],
        "summary": _summary(reading),
        "source": "import",
        "source_result": None if page.result is None else page.result.text,
        "condition": "debate",
        "manifest": {
            "versions": {"localtable": __version__},
            "engine": "import",
            "import": {
                "format": FORMAT,
                "file": file,
                "sha256": sha256,
                "kind": page.kind,
                "models": page.num_models,
                "agreement": page.agreement,
                "options_listed": bool(page.options),
                "votes_listed": options.listed_votes,
                "unread": [{"line": said.line, "text": said.text} for said in page.unread],
                "notes": notes(reading, found),
            },
        },
    }
    check(data, where)
    return data


def _seat_names(responses: Sequence[Response]) -> tuple[str, ...]:
    """The models' names; of two of one name the second is `NAME (2)`."""
    taken: set[str] = set()
    names = []
    for response in responses:
        name, number = response.name, 1
        while name in taken:
            number += 1
            name = f"{response.name} ({number})"
        taken.add(name)
        names.append(name)
    return tuple(names)


def _turn(reading: Reading, place: int) -> dict[str, Any]:
    response, vote = reading.page.responses[place], reading.votes[place]
    ballot: dict[str, Any] | None = None
    if vote is not None:
        ballot = {
            "vote": vote,
            "tied": [],
            "distribution": None,
            "confidence": None,
            "persuaded_by": reading.seat_called(response.persuaded_by),
        }
    turn: dict[str, Any] = {
        "seat": reading.seats[place],
        "position": place + 1,
        "statement": response.statement,
        "reasoning": None,
        "stated": None,
        "ballot": ballot,
        "changed_mind": response.changed,
        "finish_reason": None,
        "truncated": None,
        "seed": None,
        "usage": None,
    }
    if reading.page.is_open:
        turn["answer"] = response.said
    elif response.changed:
        turn["previous_vote"] = reading.options.letter_of(response.previous)
    return turn


def _tally(reading: Reading) -> dict[Letter, int]:
    return tally(reading.question, reading.cast)


def _verdict(reading: Reading) -> Verdict | None:
    """What the votes come to; None where nobody voted. The service goes on where models disagree."""
    if not reading.cast:
        return None
    return verdict(_tally(reading), reading.shown_round, Stop("unanimous"))


def _written(found: Verdict, rounds: int | None) -> dict[str, Any]:
    return {
        "kind": found.kind,
        "options": list(found.options),
        "votes": found.votes,
        "of": found.of,
        "agreement": found.agreement,
        "rounds": rounds,
    }


def _summary(reading: Reading) -> dict[str, Any] | None:
    """The page's own summary in the form of ours: it links to no turn, and how often it was mended nobody says."""
    page = reading.page
    if not (page.summary or page.arguments or page.turning_points):
        return None
    return {
        "by": SOURCE,
        "text": [{"sentence": paragraph, "turns": []} for paragraph in page.summary],
        "arguments": [_argument(reading, argument) for argument in page.arguments],
        "turning_points": [{"round": None, "seat": None, "sentence": point.text} for point in page.turning_points],
        "templated": [],
        "dropped": None,
        "asked_again": None,
    }


def _argument(reading: Reading, argument: Said) -> dict[str, Any]:
    option, sentence = reading.options.split(argument.text)
    return {"option": option, "round": None, "seat": reading.seat_at_start(sentence), "sentence": sentence}
