"""What a run's models have to do, as the planner and a run's own choice of places reckon with it: debates rehearsed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import compress

from localtable.prompts import ByteTokenizer, Wording
from localtable.protocol import Condition
from localtable.runner.models import Model
from localtable.runner.placements import BLOCK_TOKENS
from localtable.runner.rehearsal import Summing, rehearse, typical
from localtable.scheduler.machine import Machine
from localtable.scheduler.memory.settings import GPU_BLOCK_TOKENS
from localtable.scheduler.plan import SHORTEST, Summaries, Workload
from localtable.types import Question

KEPT_TOKENS = 4
"""The transformers engine finds every token again; to look for them by fours is near enough, and quicker."""


def build_workloads(
    conditions: Mapping[int, Condition],
    wordings: Mapping[int, Wording],
    here: Mapping[int, Mapping[str, Model]],
    moderators: Mapping[int, Model],
    questions: Sequence[Question],
    number: int,
    *,
    kind: str,
    machine: Machine,
) -> dict[int, Workload]:
    """What each condition's debates take, by the condition's number; of those in which nothing runs here, nothing.

    Args:
        conditions: By number.
        wordings: By the condition's number.
        here: The models that run here, by the condition's number and the card's id.
        moderators: By the condition's number.
        questions: At least one; two of the middle length are rehearsed.
        number: Debates of each condition.
        kind: Of the engines.
        machine: What they run on.
    """
    block = _block_tokens(kind, machine)
    return {
        n: _workload(conditions[n], wordings[n], models, moderators.get(n), questions, number, block)
        for n, models in here.items()
        if models or n in moderators
    }


def counts(model: Model) -> bool:
    """Whether a model's tokens can be counted here."""
    return not isinstance(model.renderer.tokenizer, ByteTokenizer)


def _workload(
    condition: Condition,
    wording: Wording,
    models: Mapping[str, Model],
    moderator: Model | None,
    questions: Sequence[Question],
    number: int,
    block_tokens: int,
) -> Workload:
    panel = condition.panel
    seats = tuple(seat for seat in panel.model_seats if seat.card.endpoint is None)
    said = tuple(seat.sampling.max_tokens + (seat.thinking.max_tokens if seat.thinking.on else 0) for seat in seats)
    least = tuple(
        max(1, seat.sampling.min_tokens, int(SHORTEST * bound)) for seat, bound in zip(seats, said, strict=True)
    )
    # What one has said and another reads is compared by its length: all of them count, or none.
    real = all(map(counts, models.values()))
    known = {card_id: model.renderer.tokenizer for card_id, model in models.items() if real}
    played = rehearse(
        panel,
        wording,
        typical(questions),
        {card.id: known.get(card.id, ByteTokenizer()) for card in panel.cards},
        block_tokens=block_tokens,
        said=(SHORTEST + 1) / 2,
        noise=condition.noise,
        moderator=moderator,
    )
    here = [seat.card.endpoint is None for seat in panel.model_seats]
    kept, anew = (
        tuple(tuple(getattr(reading, name) for reading in compress(row, here)) for row in played.turns if any(here))
        for name in ("kept", "anew")
    )
    return Workload(
        tuple(seat.card.id for seat in seats),
        panel.rounds if seats else 0,
        number,
        said,
        least,
        kept,
        anew,
        summaries=None if moderator is None else _summaries(moderator, played.summing),
    )


def _summaries(moderator: Model, summing: Summing | None) -> Summaries:
    """What a moderator takes for each debate; nothing where none can be summed up, but it is loaded to find that."""
    reads, writes = (0, 0) if summing is None else (summing.reads, summing.writes)
    return Summaries(moderator.card.id, reads, writes, int(SHORTEST * writes))


def _block_tokens(kind: str, machine: Machine) -> int:
    """Of a cache."""
    if kind == "transformers":
        return KEPT_TOKENS
    return BLOCK_TOKENS if machine.kind == "cpu" else GPU_BLOCK_TOKENS
