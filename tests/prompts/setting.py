"""A question, a table and the model at it, for rendering."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any

from localtable.prompts import PromptTokenizer, Renderer, Wording
from localtable.prompts.wording import WordingFile, parse_wording
from localtable.types import Architecture, Card, Question, Reasoning, Sampling, Seat, ShownTurn, Thinking

ARCHITECTURE = Architecture("llama", 2, 64, 128, 4, 2, 16, 300, True)
CARD = Card(
    id="model-under-test",
    name="Model under test",
    publisher="nobody",
    license="none",
    parameters=1000,
    active_parameters=1000,
    context_length=4096,
    dtype="bfloat16",
    architecture=ARCHITECTURE,
    sources=(),
)
QUESTION = Question(
    id="q",
    question="Which of these rivers is the longest one in Europe?",
    options=("The Danube", "The Volga", "The Rhine"),
    context="Count the whole course, from the source to the sea.",
)
THINKS = Reasoning(start="<think>", end="</think>", switch="enable_thinking")


def seat(name: str, *, persona: str | None = None, think: bool = False) -> Seat:
    return Seat(name, CARD, Sampling(), Thinking(on=think), persona)


SEATS = (
    seat("Ada", persona="You trust old maps."),
    seat("Bea"),
    seat("Chidi the Third", persona="You are a teacher, and very strict."),
)
TURNS = (
    ShownTurn(
        "Ada", "The Danube", "The Danube runs through ten countries.\n\nNo other river here does, so it is the longest."
    ),
    ShownTurn("Bea", "The Volga", "The Volga is about 3,500 km long."),
    ShownTurn("Chidi the Third", "The Volga", "I looked it up: the Volga, with 3,531 km."),
)


WORDING: dict[str, Any] = {
    "name": "plain",
    "statement": {
        "shared": "A question to debate.\n\nQuestion: {question}\n{context}\nOptions:\n{options}",
        "own": "You are {seat}.\n{persona}\nWhich option is right, and why?",
    },
    "later_round": {
        "shared": "In the previous round the participants said:\n\n{turns}",
        "own": "You are {seat}; the turn of {seat} above is yours.\n{persona}\nWhich option is right now, and why?",
    },
    "peer": "{name} chose: {vote}\n{statement}",
    "ballot": {
        "after": "Now vote as {seat}.\n{lettered_options}\nAnswer with JSON.",
        "before": "You are {seat}.\n{persona}\nVote before you speak.\n{lettered_options}\nAnswer with JSON.",
        "persuaded": "Your vote was: {old_vote}\nIt is now: {new_vote}\nWhy?\n{lettered_peers}\nAnswer with JSON.",
        "own_reasoning": "my own reasoning",
    },
}
"""A wording of the tests' own, so that presets may be reworded freely."""


def reworded(**parts: object) -> Wording:
    """That wording with other parts; `statement__own` is the part `statement.own`."""
    data = deepcopy(WORDING)
    for path, value in parts.items():
        *above, last = path.split("__")
        place = data
        for name in above:
            place = place[name]
        place[last] = value
    return parse_wording(WordingFile.model_validate(data), "reworded")


def renderer(
    tokenizer: PromptTokenizer, *, reasoning: Reasoning | None = None, wording: Wording | None = None
) -> Renderer:
    return Renderer(replace(CARD, reasoning=reasoning), tokenizer, wording or reworded())
