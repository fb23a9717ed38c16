"""What measuring takes: reckoned before anything loads, out of the real prompts, and read from the store behind it."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from localtable.engines.base import Completion, Request
from localtable.errors import PlacementError
from localtable.runner.admission import common_prefix
from localtable.runner.influence.loop import Turns
from localtable.runner.influence.measuring import Measuring
from localtable.runner.influence.probes import Probe, open_probes
from localtable.runner.influence.selection import MeasuredTurn
from localtable.runner.session import Seating
from localtable.store import Store
from localtable.store.influences import probes_of
from localtable.types import PART_OF_STEP, Usage

RENDERED = 48
"""Rounds of debates, each on one model, whose prompts are rendered to reckon with all: some 2 s of 4 seats."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is left to measure, and what that will take."""

    turns: int
    """With anything left."""
    probes: int
    requests: int
    prompt_tokens: int
    new_tokens: int
    """Of the prompts, if what they share within a round is computed once."""
    completion_tokens: int
    """As long as the statements that were said."""
    seconds: float | None
    """Loading too; None where no planner knows the engines."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What measuring a store has taken so far, over all times that somebody did."""

    probes: int
    total_s: float
    generating_s: float
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    run_generating_s: float
    """What the debates took, statements and ballots."""
    statements_s: float | None
    """What their statements took, if their ballots were prefilled as fast as the probes; None where that can't be said:
    probes had statements of their own, or a model has had none."""


@dataclass(slots=True)
class _Work:
    """What some probes take."""

    probes: int = 0
    requests: int = 0
    prompt_tokens: int = 0
    new_tokens: int = 0
    completion_tokens: int = 0


def forecast(measuring: Measuring) -> Forecast:
    """Reckon with what is not stored yet.

    Raises:
        LocaltableError: As `seat_run`.
    """
    left = measuring.left()
    by_model: defaultdict[str, list[list[MeasuredTurn]]] = defaultdict(list)
    for _, group in groupby((turn for turn in measuring.turns if left[turn.id]), key=_place):
        same = list(group)
        for model in dict.fromkeys(turn.model for turn in same):
            by_model[model].append([turn for turn in same if turn.model == model])
    if not by_model:
        return Forecast(0, 0, 0, 0, 0, 0, 0.0)
    seating = measuring.seat()
    whole, seconds = _Work(), 0.0
    for model, groups in by_model.items():
        seen = _rendered(measuring, measuring.begun(seating), groups[:: -(-len(groups) // RENDERED)])
        probes = sum(left[turn.id] for group in groups for turn in group)
        work = _scaled(seen, probes)
        seconds += _seconds(seating, model, work)
        for name in _Work.__slots__:
            setattr(whole, name, getattr(whole, name) + getattr(work, name))
    return Forecast(
        sum(1 for turn in measuring.turns if left[turn.id]),
        whole.probes,
        whole.requests,
        whole.prompt_tokens,
        whole.new_tokens,
        whole.completion_tokens,
        seconds if seating.seated else None,
    )


def _place(turn: MeasuredTurn) -> tuple[int, int]:
    return (turn.debate, turn.round_number)


def _rendered(measuring: Measuring, turns: Turns, groups: Sequence[Sequence[MeasuredTurn]]) -> _Work:
    """What the probes of these rounds take, out of their prompts."""
    work = _Work()
    for group in groups:
        shared: list[tuple[int, ...]] = []
        for turn in group:
            try:
                stored = probes_of(measuring.store, turn.id)
                probes = open_probes(turns.begun(turn), turn.id, measuring.wanted.kinds, stored)
            except PlacementError:
                continue  # said when it is measured
            said, used = turns.said(turn)
            # Samples differ in their seeds alone: one of them stands for all.
            times = Counter((probe.kind, probe.replaced) for probe in probes)
            for probe in {(probe.kind, probe.replaced): probe for probe in probes}.values():
                shared += _add(work, probe, times[probe.kind, probe.replaced], said, used)
        ordered = sorted(shared)
        work.new_tokens += sum(map(len, ordered)) - sum(map(common_prefix, ordered, ordered[1:]))
    return work


def _add(work: _Work, probe: Probe, times: int, said: tuple[int, ...], used: int) -> list[tuple[int, ...]]:
    """Add a probe's requests; gives back the prompts of which others may have computed a part."""
    prompts = _prompts(probe, said)
    work.probes += times
    work.requests += times * len(prompts)
    work.prompt_tokens += times * sum(map(len, prompts))
    if probe.kind == "direct":
        work.completion_tokens += len(prompts)
        return prompts
    # Behind a statement everything is its sample's own.
    first, *ballots = prompts
    work.completion_tokens += times * (used + len(ballots))
    work.new_tokens += times * sum(max(len(prompt) - len(first) - len(said), 0) for prompt in ballots)
    return [first]


def _prompts(probe: Probe, said: tuple[int, ...]) -> list[tuple[int, ...]]:
    """What a probe will ask, if its statement is as the one that was said."""
    prompts, request = [], probe.next_request()
    while request is not None:
        prompts.append(request.prompt_token_ids)
        probe.take(request, _stand_in(request, said))
        request = probe.next_request()
    return prompts


def _stand_in(request: Request, said: tuple[int, ...]) -> Completion:
    if request.constraint is None:
        is_statement = request.origin is not None and request.origin.step == "statement"
        return Completion(request.request_id, said if is_statement else (), "stop", 0, 0, 0)
    ids = request.constraint.token_ids
    even = dict.fromkeys(ids, -math.log(len(ids)))
    return Completion(request.request_id, ids[:1], "length", 0, 0, 1, logprobs=even)


def _scaled(work: _Work, probes: int) -> _Work:
    factor = probes / work.probes if work.probes else 0.0
    return _Work(probes, *(round(getattr(work, name) * factor) for name in _Work.__slots__[1:]))


def _seconds(seating: Seating, model: str, work: _Work) -> float:
    seated = seating.seated.get(model)
    if seated is None:
        return 0.0
    generating = work.new_tokens * seated.speed.prefill_s
    generating += (work.completion_tokens - work.requests) * seated.speed.decode_s(seated.rows)
    return seated.costs.first_load + seated.costs.warm_up + generating


# ── behind it ───────────────────────────────────────────────────────────────────────────────────────────────


def cost_so_far(store: Store) -> Cost:
    """What measuring has taken, and what the run itself had taken."""
    sessions = store.sessions()
    measured = [session for session in sessions if session["kind"] == "influence"]
    run = [session for session in sessions if session["kind"] == "run"]
    (probes,) = next(store.query("SELECT count(*) FROM probes"))
    usage = sum(_usage(store, "influence", None).values(), Usage())
    run_s = _sum(run, "generating")
    return Cost(
        probes,
        _sum(measured, "total"),
        _sum(measured, "generating"),
        usage.prompt_tokens,
        usage.cached_tokens,
        usage.completion_tokens,
        run_s,
        _statements_s(store, run_s),
    )


def _sum(sessions: Sequence[Mapping[str, Mapping[str, float]]], part: str) -> float:
    return sum(session["seconds"].get(part, 0.0) for session in sessions)


def _usage(store: Store, kind: str, steps: Sequence[str] | None) -> dict[str, Usage]:
    """By model: tokens that sessions of a kind had generated, for these steps or for all."""
    rows = store.query(
        "SELECT generations.model, sum(prompt_tokens), sum(cached_tokens), sum(completion_tokens) FROM generations"
        " JOIN sessions ON sessions.id = session WHERE kind = ?1 AND origin IS NULL AND (?2 IS NULL OR"
        " generations.id IN (SELECT generation FROM steps WHERE step IN (SELECT value FROM json_each(?2))))"
        " GROUP BY generations.model",
        kind,
        None if steps is None else json.dumps(steps),
    )
    return {model: Usage(*tokens) for model, *tokens in rows}


def _statements_s(store: Store, run_s: float) -> float | None:
    if next(store.query("SELECT 1 FROM probes WHERE kind = 'total'"), None) is not None:
        return None
    spent = dict(
        store.query(
            "SELECT model, sum(timeline.ended - began) FROM timeline JOIN sessions ON sessions.id = session"
            " WHERE kind = 'influence' AND phase = 'generate' GROUP BY model"
        )
    )
    probes = _usage(store, "influence", None)
    ballots_s = 0.0
    for model, usage in _usage(store, "run", [s for s, part in PART_OF_STEP.items() if part == "ballot"]).items():
        measured = probes.get(model, Usage())
        if not spent.get(model) or measured.prompt_tokens <= measured.cached_tokens:
            return None
        speed = (measured.prompt_tokens - measured.cached_tokens) / spent[model]
        ballots_s += (usage.prompt_tokens - usage.cached_tokens) / speed
    return run_s - ballots_s if run_s > ballots_s else None
