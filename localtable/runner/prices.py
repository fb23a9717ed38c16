"""What endpoints cost, at the prices that their cards name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from localtable.store import Store
from localtable.types import Card, Price, Turn

PER_TOKENS = 1_000_000


def cost_of(price: Price, prompt_tokens: int, completion_tokens: int) -> float | None:
    """What so many tokens cost; None where the server has counted none, as no request is without a prompt."""
    if not prompt_tokens:
        return None
    return (prompt_tokens * price.input + completion_tokens * price.output) / PER_TOKENS


def summed(by_model: Mapping[str, float | None]) -> dict[str, Any]:
    """The written form: by model and in all, null where something of it is not known; empty where nothing is priced."""
    if not by_model:
        return {}
    known = [cost for cost in by_model.values() if cost is not None]
    total = sum(known) if len(known) == len(by_model) else None
    return {"cost": {"total": total, "models": dict(by_model)}}


def run_cost(store: Store) -> dict[str, Any]:
    """What a run's own generations have cost, those that were taken over from other runs aside."""
    prices = {
        card_id: Price(**card["endpoint"]["price"])
        for card_id, card in store.run().cards.items()
        if card.get("endpoint", {}).get("price")
    }
    rows = store.query(
        # One that was not counted makes the sum a part of what was spent, and that is nobody's cost.
        "SELECT model, CASE WHEN min(prompt_tokens) > 0 THEN sum(prompt_tokens) ELSE 0 END, sum(completion_tokens)"
        " FROM generations WHERE origin IS NULL GROUP BY model"
    )
    spent = {model: (prompt, completion) for model, prompt, completion in rows}
    return summed({model: cost_of(price, *spent[model]) for model, price in prices.items() if model in spent})


def debate_cost(cards: Iterable[Card], turns: Iterable[tuple[str, Turn]]) -> dict[str, Any]:
    """What a debate's turns would cost by themselves.

    Args:
        cards: Of the panel.
        turns: Each with its card's id.
    """
    tokens: dict[str, list[int]] = {}
    uncounted = set()
    for card_id, turn in turns:
        prompt, completion = tokens.setdefault(card_id, [0, 0])
        used = (turn.usage or {}).values()
        if not used or not all(usage.prompt_tokens for usage in used):
            uncounted.add(card_id)
        tokens[card_id] = [
            prompt + sum(usage.prompt_tokens for usage in used),
            completion + sum(usage.completion_tokens for usage in used),
        ]
    return summed(
        {
            card.id: None if card.id in uncounted else cost_of(card.endpoint.price, *tokens[card.id])
            for card in cards
            if card.endpoint is not None and card.endpoint.price is not None and card.id in tokens
        }
    )
