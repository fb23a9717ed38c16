"""What seats see by default is what they always saw: every request's key, and with it every prompt, is unchanged."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from builders import CARD, REASONING, make_panel, make_question, record, votes, write_script

from localtable.runner.keys import request_key

WORDING = {
    "name": "golden",
    "system": "Sei {seat}. {persona}",
    "few_shot": "Once upon a time.",
    "statement": {
        "shared": "Question: {question}\n{context}\nOptions:\n{options}",
        "own": "You are {seat}.\n{persona}\nWhich option?",
    },
    "later_round": {
        "shared": "Before:\n\n{turns}",
        "own": "You are {seat}; that of {seat} is yours.\n{persona}\nWhich option now?",
    },
    "peer": "{name} chose: {vote}\n{statement}",
    "ballot": {
        "after": "Vote as {seat}.\n{lettered_options}",
        "before": "You are {seat}.\n{persona}\n{lettered_options}",
        "persuaded": "{seat}: {old_vote} to {new_vote}.\n{lettered_peers}",
        "own_reasoning": "nobody",
    },
}
CONTROLS = ("solo-revise", "noise-peers", "votes-only", "text-only", "ring", "homogeneous", "self-consistency")
SAID = {"Ada": "ABA", "Bob": "BBA", "Cy": "AAB", "Dee": "BAB"}


@pytest.mark.parametrize("visibility", [{}, {"names": "seats", "tally": "hidden", "order": "fixed"}])
def test_the_keys_of_all_requests_are_those_of_before_there_were_switches(
    tmp_path: Path, visibility: dict[str, str]
) -> None:
    """Computed at f82b11b: three questions, two models, every control, thinking, a persona, cut turns, two repeats."""
    (tmp_path / "golden.yaml").write_text(yaml.safe_dump(WORDING))
    panel = make_panel(
        tmp_path,
        *SAID,
        cards=[{**CARD, "id": "one"}, {**CARD, "id": "two", "reasoning": REASONING}],
        rounds="3",
        prompts="golden.yaml",
        ballot={"at": "both"},
        peers={"over": "head_tail", "max_tokens": "90"},
        seed="7",
        visibility=visibility,
    )
    ada, bob, *others = panel.model_seats
    ada = replace(ada, persona="You trust old maps.")
    bob = replace(bob, thinking=replace(bob.thinking, on=True, max_tokens=50))
    panel = replace(panel, seats=(ada, bob, *others))
    questions = [
        make_question("Yes", "No"),
        make_question("Left", "Right", "Up", id="w", question="Where?", context="It rains."),
        make_question("Aye", "Nay", id="z"),
    ]
    held = record(questions, panel, _script(tmp_path), controls=CONTROLS, repeats=2)
    lines = []
    for request in held.requests:
        at = request.origin
        assert at is not None
        place = (at.question_id, at.repeat, at.seat, at.round_number, at.step, at.sample)
        lines.append((*map(str, place), request_key("engine", request, always_draws=True).sha256.hex()))
    assert len(lines) == 1632
    digest = hashlib.sha256(json.dumps(sorted(lines)).encode()).hexdigest()
    assert digest == "ba0bb872646341019d1c032e8f9e6af4ab434fc5265dd60db326629ac069bf8c"


def _script(folder: Path) -> Path:
    turns = []
    for turn in (turn for name, said in SAID.items() for turn in votes(name, *said)):
        if turn["round"] > 1:
            turn["persuaded_by"] = "Ada" if turn["seat"] != "Ada" else "Cy"
        if turn["seat"] == "Cy":
            turn["statement"] += " And so on." * 12
        turns.append({"reasoning": "Hm.", **turn})
    return write_script(folder, *turns)
