"""Stores that tests read: real runs of the scripted engine, whole, broken off, with debates that failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from builders import CARD, make_panel, make_question, write_script

from localtable.errors import InterruptedRun
from localtable.runner import RunOptions, SuiteOptions, begin_suite, open_suite
from localtable.types import Panel, Question

MODELS = ({**CARD, "id": "small", "name": "Small"}, {**CARD, "id": "large", "name": "Large"})


def run_suite(
    path: Path,
    panel: Panel,
    questions: Sequence[Question],
    script: Path | None = None,
    *,
    controls: Sequence[str] = (),
    repeats: int = 1,
    until: int | None = None,
) -> Path:
    """Hold a suite into a store.

    Args:
        path: Of the store; its folder takes the state that would be under LOCALTABLE_HOME.
        panel: Who sits there.
        questions: What is asked.
        script: What is said; the engine's rule without one.
        controls: Further conditions.
        repeats: Of each debate.
        until: Ask for an end after so many debates.
    """
    ended = 0
    options = RunOptions(
        home=path.parent / "home",
        engine="scripted",
        engine_arguments={"script": str(script)} if script else {},
        should_stop=lambda: until is not None and ended >= until,
    )
    begin_suite(path, panel, questions, options, SuiteOptions(controls=tuple(controls), repeats=repeats))
    if until == 0:
        return path
    with open_suite(path, options) as suite, suppress(InterruptedRun):
        for _ in suite.run():
            ended += 1
    return path


def mixed_store(folder: Path) -> Path:
    """Two models, three conditions and more, two repeats, ties, both ballots, thinking; one question fails."""
    reasoning = {"start": "<think>", "end": "</think>", "switch": "enable_thinking"}
    cards = [{**card, "reasoning": reasoning} for card in MODELS]
    panel = make_panel(folder, "Ada", "Bob", "Cy", cards=cards, ballot={"at": "both"}, thinking={"on": "true"})
    questions = [
        make_question("Yes", "No", id="Ü 1", answer="A", tags=["easy", "ü"]),
        make_question("One", "Two", "Three", id="two", question="How many?"),
        make_question("Yes", "No", id="broken", question="Does it break?", answer="B"),
        make_question("Left", "Right", id="last", question="Where?", answer="B"),
    ]
    script = write_script(
        folder,
        {"question": "broken", "seat": "Bob", "round": 2, "fail": "always"},
        {"question": "two", "seat": "Ada", "distribution": {"A": 0.4, "B": 0.4, "C": 0.2}, "statement": "Zwei, ü\n"},
        {"question": "Ü 1", "seat": "Cy", "round": 1, "vote": "B", "finish_reason": "length", "statement": "So, no"},
        {"question": "Ü 1", "seat": "Cy", "round": 2, "vote": "A", "persuaded_by": "Ada"},
    )
    controls = ("votes-only", "noise-peers", "self-consistency")
    return run_suite(folder / "mixed.db", panel, questions, script, controls=controls, repeats=2)


ASKED = (
    ("tomato", "What is a tomato?", ("Fruit", "Vegetable"), "A"),
    ("whale", "What is a whale?", ("Fish", "Mammal", "Bird"), "B"),
    ("sun", "What is the sun?", ("Planet", "Star"), "B"),
    ("glass", "What is glass?", ("Liquid", "Solid"), "B"),
)
SAID: Mapping[str, Mapping[str, str]] = {
    "tomato": {"Ada": "BA", "Bob": "AA", "Cy": "BB"},
    "whale": {"Ada": "AB", "Bob": "BB", "Cy": "AB"},
    "sun": {"Ada": "BB", "Bob": "BB", "Cy": "BB"},
    "glass": {"Ada": "AA", "Bob": "BA", "Cy": "BB"},
}
"""By question and seat: the vote of each round."""


def example_store(folder: Path) -> Path:
    """The run that docs/store.md shows: four questions, three seats on two models, one control."""
    texts = {name: options for name, _, options, _ in ASKED}
    turns: list[dict[str, Any]] = [
        {
            "question": "whale",
            "seat": "Cy",
            "round": 1,
            "vote": "A",
            "finish_reason": "length",
            "statement": "It swims",
        },
        {"question": "sun", "seat": "Bob", "round": 1, "vote": "B", "statement": "My answer: Planet"},
    ]
    for name, by_seat in SAID.items():
        for seat, said in by_seat.items():
            for number, vote in enumerate(said, start=1):
                changed = number > 1 and vote != said[number - 2]
                turns.append(
                    {
                        "question": name,
                        "seat": seat,
                        "round": number,
                        "vote": vote,
                        "statement": f"My answer: {texts[name]['ABC'.index(vote)]}",
                        **({"persuaded_by": "Bob" if seat != "Bob" else "Ada"} if changed else {}),
                    }
                )
    questions = [make_question(*options, id=name, question=text, answer=a) for name, text, options, a in ASKED]
    panel = make_panel(folder, "Ada", "Bob", "Cy", cards=MODELS)
    return run_suite(folder / "example.db", panel, questions, write_script(folder, *turns), controls=["votes-only"])
