"""Summaries: what a moderator wrote, and of whom, held against the debate's facts once more."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import replace
from typing import Any

from localtable.moderator.checks import Ground, check_sentence, ground_of
from localtable.moderator.facts import find_facts
from localtable.moderator.templates import from_templates
from localtable.moderator.writing import split_sentences
from localtable.protocol import Condition, Debate
from localtable.runner.summarizing import told
from localtable.runner.transcripts import stored_debate
from localtable.runner.verify.disagreement import Disagreement, compare
from localtable.runner.verify.rows import UNREADABLE
from localtable.store import Store
from localtable.transcript import summary_from_json
from localtable.types import Summary, TurnPlace


def check_summaries(store: Store, conditions: Mapping[int, Condition]) -> Iterator[Disagreement]:
    """Every stored summary; what it takes from templates must be what they say."""
    rows = store.query("SELECT debate, model, summary FROM summaries ORDER BY debate")
    for number, model, text in rows:
        where = f"the summary of debate {number}"
        try:
            row = store.debate(number)
            if row.condition not in conditions:
                continue  # reported with the debate
            yield from compare(where, "state", row.state, "finished", "a summary is of a debate that is")
            condition, summary = conditions[row.condition], summary_from_json(json.loads(text))
            yield from compare(where, "model", model, summary.by, "the summary says")
            measured = stored_debate(store, row, condition)
            # It may have been written before anything was measured, or behind that.
            told_of = [told(condition, debate) for debate in (_unmeasured(measured), measured)]
            facts = [find_facts(data) for data in told_of]
            templates = [from_templates(*pair) for pair in zip(told_of, facts, strict=True)]
            grounds = [ground_of(*pair) for pair in zip(told_of, facts, strict=True)]
            yield from _check_sentences(summary, templates, grounds, where)
            places = {TurnPlace(r.number, turn.seat) for r in measured.rounds for turn in r.turns}
            yield from _check_places(summary, templates, places, where)
        except UNREADABLE as error:
            yield Disagreement(where, "what is stored", str(error), "values of their kind", "this program writes")


def _unmeasured(debate: Debate) -> Debate:
    rounds = (replace(r, turns=tuple(replace(turn, influence=()) for turn in r.turns)) for r in debate.rounds)
    return replace(debate, rounds=tuple(rounds))


def _check_sentences(
    summary: Summary, templates: Sequence[Summary], grounds: Sequence[Ground], where: str
) -> Iterator[Disagreement]:
    known = {part.sentence for template in templates for part in _parts(template)}
    for name in summary.templated:
        said = [part.sentence for part in getattr(summary, name)]
        if said and known.isdisjoint(said):
            yield Disagreement(where, f"{name}, which is called templated,", said[0], "none of it", "templates say")
    for part in _parts(summary):
        if part.sentence in known:
            continue
        for sentence in split_sentences(part.sentence):
            checked = [check_sentence(sentence, ground) for ground in grounds]
            if not any(found.holds for found in checked):
                problem = checked[-1].problems[0]
                yield Disagreement(where, f"a sentence ({problem.kind})", sentence, problem.what, "the facts say that")


def _check_places(
    summary: Summary, templates: Sequence[Summary], places: Set[TurnPlace], where: str
) -> Iterator[Disagreement]:
    """Whom each sentence is about: a page links there, and prints the option above it."""
    arguments = {(argument.option, argument.turn) for template in templates for argument in template.arguments}
    points = {point.turn for template in templates for point in template.turning_points}
    for argument in summary.arguments:
        if (argument.option, argument.turn) not in arguments:
            about = [argument.option, *(argument.turn or ())]
            yield Disagreement(where, "an argument", about, "no such argument", "the facts know")
    for point in summary.turning_points:
        if point.turn not in points:
            about = list(point.turn or ())
            yield Disagreement(where, "a turning point", about, "no such turning point", "the facts know")
    for sentence in summary.text:
        for turn in sentence.turns:
            if turn not in places:
                yield Disagreement(where, "a sentence's turn", list(turn), "no such turn", "the debate has")


def _parts(summary: Summary) -> Iterator[Any]:
    yield from (*summary.text, *summary.arguments, *summary.turning_points)
