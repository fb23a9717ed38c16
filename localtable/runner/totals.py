"""What a run has come to, counted from its store: the summary of a suite, on the screen and as a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import accumulate
from typing import Any

from localtable.protocol import debate_of
from localtable.runner.inputs import conditions_of
from localtable.runner.prices import run_cost
from localtable.store import Store
from localtable.store.reading import engine_steps, session_counts
from localtable.store.summaries import not_summarized
from localtable.types import CONFEDERATE

SECONDS = ("total", "generating", "loading", "outside_engines")


def run_totals(store: Store) -> dict[str, Any]:
    """The run's totals, as the design's contract has them; `this_run` is this process's part.

    What was measured behind the run is not of it.
    """
    counts = store.counts()
    sessions = [session for session in store.sessions() if session["kind"] == "run"]
    totals: dict[str, Any] = {
        "debates": dict(counts.debates),
        "not_summed_up": sum(not_summed_up(store).values()),
        "turns": counts.turns,
        "reused_turns": counts.reused_turns,
        "ballots": counts.ballots,
        "prompt_tokens": counts.prompt_tokens,
        "cached_tokens": counts.cached_tokens,
        "completion_tokens": counts.completion_tokens,
        "seconds": {name: round(sum(s["seconds"].get(name, 0.0) for s in sessions), 3) for name in SECONDS},
        "activations": {},
        "steps": engine_steps(sessions),
        "conditions": condition_totals(store),
    }
    for session in sessions:
        for model_id, number in session["activations"].items():
            totals["activations"][model_id] = totals["activations"].get(model_id, 0) + number
    nothing: dict[str, Any] = {"id": 0, "seconds": {}, "activations": {}}
    last = next((session for session in sessions if session["id"] == store.session), nothing)
    totals |= run_cost(store)
    totals["this_run"] = {
        **session_counts(store, last["id"]),
        "seconds": {name: last["seconds"].get(name, 0.0) for name in SECONDS},
        "activations": last["activations"],
    }
    return totals


def not_summed_up(store: Store) -> dict[str, int]:
    """By moderator: finished debates without a summary, which `resume` asks it for; none where none is missing."""
    moderated: dict[str, list[int]] = {}
    for number, condition in conditions_of(store.run(), str(store.path)).items():
        if condition.moderator is not None:
            moderated.setdefault(condition.moderator.id, []).append(number)
    missing = {model_id: len(not_summarized(store, numbers)) for model_id, numbers in moderated.items()}
    return {model_id: count for model_id, count in missing.items() if count}


def condition_totals(store: Store) -> dict[str, dict[str, Any]]:
    """By condition: debates by state, and the tokens that it would take by itself.

    A first round that several conditions share counts in each of them: what is compared is what each one costs.
    """
    found: dict[str, dict[str, Any]] = {}
    for name, left_out in store.conditions().values():
        found[name] = {
            "debates": {"open": 0, "finished": 0, "failed": 0},
            "left_out": left_out,
            "prompt_tokens": 0,
            "cached_tokens": 0,
            "completion_tokens": 0,
            "flops": 0.0,
        }
    for name, levels in store.query(
        "SELECT conditions.name, levels FROM conditions JOIN variants ON variants.id = variant"
    ):
        found[name]["levels"] = json.loads(levels)
    for name, state, number in store.query(
        "SELECT conditions.name, state, count(*) FROM debates"
        " JOIN conditions ON conditions.id = condition GROUP BY 1, 2"
    ):
        found[name]["debates"][state] = number
    active = {card_id: _active(card) for card_id, card in store.run().cards.items()}
    for name, model, prompt, cached, completion in store.query(
        "SELECT conditions.name, turns.model, sum(prompt_tokens), sum(cached_tokens), sum(completion_tokens)"
        " FROM steps JOIN generations ON generations.id = generation JOIN turns ON turns.id = turn"
        " JOIN debates ON debates.id = debate JOIN conditions ON conditions.id = condition GROUP BY 1, 2"
    ):
        entry = found[name]
        entry["prompt_tokens"] += prompt
        entry["cached_tokens"] += cached
        entry["completion_tokens"] += completion
        parameters = active[model]
        if parameters is None:
            entry["flops"] = None
        elif entry["flops"] is not None:
            entry["flops"] += estimated_flops(parameters, prompt - cached + completion)
    return found


def estimated_flops(active_parameters: int, tokens: int) -> float:
    """Floating-point operations of a forward pass: 2 N per token (Kaplan et al. 2020, eq. 2.2), attention left out."""
    return 2.0 * active_parameters * tokens


def _active(card: Mapping[str, Any]) -> int | None:
    """None of a model at an endpoint that doesn't say how large it is."""
    parameters = card.get("active_parameters") or card.get("parameters")
    return None if parameters is None else int(parameters)


def validity(store: Store) -> list[dict[str, Any]]:
    """By condition, seat and round: how many statements there are, and how many were cut, empty, or named a letter.

    Those of confederates are scripted, and left out.
    """
    columns = ("condition", "seat", "round", "turns", "truncated", "empty", "names_letter", "peers_cut")
    rows = store.query(
        "SELECT conditions.name, seat, round, count(*), sum(truncated), sum(texts.text = ''), sum(names_letter),"
        " sum(peers_cut > 0) FROM turns JOIN texts ON texts.id = statement JOIN debates ON debates.id = debate"
        " JOIN conditions ON conditions.id = condition WHERE turns.model <> ?"
        " GROUP BY condition, round, seat ORDER BY condition, round, seat",
        CONFEDERATE,
    )
    return [dict(zip(columns, row, strict=True)) for row in rows]


def matched_samples(store: Store) -> list[dict[str, Any]]:
    """For each self-consistency: how many of its samples take the tokens that the debate takes, and how exactly.

    `k` samples' tokens (prompt and completion, thinking included) come nearest to the debate's, over the questions
    that are finished in both; `ratio` is theirs ÷ the debate's. Null where nothing is finished in both.
    """
    run = store.run()
    conditions = conditions_of(run, str(store.path))
    found = []
    for number, condition in conditions.items():
        if condition.control != "self-consistency":
            continue
        debate = debate_of(conditions, number)
        of_debate = sum(_tokens_by_seat(store, debate, number).values())
        by_seat = _tokens_by_seat(store, number, debate)
        sums = list(accumulate(by_seat.get(seat.name, 0) for seat in condition.panel.seats))
        k = min(range(len(sums)), key=lambda i: abs(sums[i] - of_debate)) + 1 if of_debate else None
        ratio = sums[k - 1] / of_debate if k else None
        found.append({"condition": condition.name, "samples": len(sums), "k": k, "ratio": ratio})
    return found


def _tokens_by_seat(store: Store, condition: int, other: int) -> dict[str, int]:
    """By seat: tokens of a condition's turns on questions that are finished in this condition and in the other."""
    rows = store.query(
        "SELECT seat, sum(prompt_tokens + completion_tokens) FROM turns JOIN debates ON debates.id = debate"
        " JOIN steps ON steps.turn = turns.id JOIN generations ON generations.id = generation"
        " WHERE debates.condition = ? AND debates.state = 'finished' AND EXISTS (SELECT 1 FROM debates AS twin"
        " WHERE twin.condition = ? AND twin.question = debates.question AND twin.repeat = debates.repeat"
        " AND twin.state = 'finished') GROUP BY seat",
        condition,
        other,
    )
    return {seat: tokens for seat, tokens in rows}
