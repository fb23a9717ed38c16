"""How each model is loaded: its longest turn, its rows, the bytes of its cache."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from localtable.engines.base import EngineSpec
from localtable.errors import ConfigError, PlacementError
from localtable.runner.models import Model
from localtable.scheduler.devices import Device, parse_size
from localtable.scheduler.memory import EngineBytes, kv_cache_bytes, weights_bytes
from localtable.scheduler.pool import Placement
from localtable.types import Card
from localtable.weights import ModelFiles

BLOCK_TOKENS = 32
"""Lengths are rounded up to whole cache blocks; 32 caches most of a ballot's prompt on a CPU (docs/benchmarks.md)."""
OWN_ARGUMENTS = ("max_model_len", "max_num_seqs", "dtype", "kv_cache_memory_bytes")
"""Engine arguments that every engine has: they go by name, not among the engine's own."""
DTYPES = ("bfloat16", "float16", "float32")
SUITE_NUM_SEQS = {"cpu": 64, "mps": 32, "cuda": 256}
"""Turns that an engine works on at once in a suite. On 2 cores SmolLM2 gains nothing beyond (docs/benchmarks.md)."""
LOAD_BYTES_PER_S = 1e9
"""Until a model has been loaded once: how fast it is."""
TURN_PARAMETERS_PER_S = 1e9
"""The same for turns: what they are to each other matters, and they grow with the parameters that a token needs."""
SHARE = 0.9
"""Of the memory that weights and activations leave: what a suite's caches take together."""


@dataclass(frozen=True, slots=True)
class _Need:
    """What one model wants."""

    length: int
    num_seqs: int
    dtype: str
    fixed_bytes: int
    """Weights and activations."""
    cache_bytes: int
    """For `num_seqs` turns of `length` tokens, or what the user gave."""
    turn_bytes: int
    """For one turn."""
    cache_given: bool
    """The user said how much."""


def build_placements(
    kind: str,
    models: Mapping[str, Model],
    needs: Mapping[str, int],
    files: Mapping[str, ModelFiles],
    device: Device,
    *,
    suite: bool,
) -> dict[str, Placement]:
    """What to load, and the bytes that it takes, by model id.

    A debate's engine holds the turns of its seats. A suite's holds as many as are worth it, and its cache shrinks to
    its share of the memory so that the models stay side by side; if not even one turn fits in it, each takes what the
    device has, one after another.

    Raises:
        ConfigError: An engine argument that every engine has is out of bounds.
        PlacementError: The cache that the user gave holds no turn.
    """
    wanted = {card_id: _need(kind, model, needs[card_id], device, suite=suite) for card_id, model in models.items()}
    left = device.free_bytes - sum(need.fixed_bytes for need in wanted.values())
    placements = {}
    for card_id, model in models.items():
        need = wanted[card_id]
        cache = need.cache_bytes
        if suite and not need.cache_given:
            share = int(left * SHARE) // len(models)
            room = share if share >= need.turn_bytes else device.free_bytes - need.fixed_bytes
            cache = max(min(cache, room), need.turn_bytes)
        # The transformers engine has no paged cache: every row takes its longest turn.
        num_seqs = min(need.num_seqs, cache // need.turn_bytes) if kind == "transformers" else need.num_seqs
        spec = EngineSpec(
            kind=kind,
            model_id=card_id,
            folder=files[card_id].folder if card_id in files else None,
            dtype=need.dtype,
            max_model_len=need.length,
            max_num_seqs=num_seqs,
            kv_cache_bytes=cache,
            seed=model.panel.seed,
            device=device.torch_name,
            arguments={name: value for name, value in _given(model).items() if name not in OWN_ARGUMENTS},
        )
        placements[card_id] = Placement(
            spec,
            0 if kind == "scripted" else need.fixed_bytes + cache,
            load_s=need.fixed_bytes / LOAD_BYTES_PER_S,
            turn_s=model.card.active_parameters / TURN_PARAMETERS_PER_S,
        )
    return placements


def _need(kind: str, model: Model, longest: int, device: Device, *, suite: bool) -> _Need:
    card, given = model.card, _given(model)
    length = min(-(-longest // BLOCK_TOKENS) * BLOCK_TOKENS, model.context_length)
    usual = SUITE_NUM_SEQS[device.kind] if suite else len(model.seats)
    num_seqs = _num_seqs(given.get("max_num_seqs")) or usual
    dtype = _dtype(given.get("dtype")) or _usual_dtype(kind, card, device)
    # The transformers engine keeps its last batch's keys and values beside the running one's.
    copies = 2 if kind == "transformers" else 1
    turn = kv_cache_bytes(card, dtype, copies * length, BLOCK_TOKENS)
    wanted = _size(given.get("kv_cache_memory_bytes"))
    if wanted is not None and wanted < turn:
        raise PlacementError(
            f"kv_cache_memory_bytes of {wanted:,} holds less than one turn of {card.id}, which can take {turn:,}",
            hint="Raise it, or leave it out.",
        )
    fixed = EngineBytes(weights_bytes(card, dtype), 0).total
    whole = kv_cache_bytes(card, dtype, copies * num_seqs * length, BLOCK_TOKENS)
    return _Need(length, num_seqs, dtype, fixed, wanted or whole, turn, wanted is not None)


def _given(model: Model) -> Mapping[str, Any]:
    return {**model.card.engine, **model.panel.engine}


def _num_seqs(wanted: Any) -> int | None:
    if wanted is None:
        return None
    if not str(wanted).isdecimal() or int(wanted) < 1:
        raise ConfigError(f"max_num_seqs {wanted!r} is no number of turns", hint="Give 1 or more, or leave it out.")
    return int(wanted)


def _size(wanted: Any) -> int | None:
    if wanted is None:
        return None
    return int(wanted) if str(wanted).isdecimal() else parse_size(str(wanted))


def _dtype(wanted: Any) -> str | None:
    if wanted is not None and wanted not in DTYPES:
        raise ConfigError(f"dtype {wanted!r} is none that engines compute in", hint=f"Give {', '.join(DTYPES)}.")
    return str(wanted) if wanted is not None else None


def _usual_dtype(kind: str, card: Card, device: Device) -> str:
    # In bfloat16 the transformers engine's own batches differ from each other; on a CPU it computes in float32.
    return "float32" if kind == "transformers" and device.kind == "cpu" else card.dtype
