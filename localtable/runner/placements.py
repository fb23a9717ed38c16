"""How each model is loaded: its longest turn, its rows, the bytes of its cache."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from localtable.engines.base import EngineSpec
from localtable.engines.registry import ENDPOINT
from localtable.errors import ConfigError, PlacementError
from localtable.runner.models import Model
from localtable.scheduler.calibration import Calibration
from localtable.scheduler.devices import Device, Machine, parse_size
from localtable.scheduler.layout import Demand, Way, lay_out
from localtable.scheduler.pool import Placement
from localtable.scheduler.seating import Seated, Wish, seatings
from localtable.types import Card, Sampling
from localtable.weights import ModelFiles

BLOCK_TOKENS = 32
"""Lengths are rounded up to whole cache blocks; 32 caches most of a ballot's prompt on a CPU (docs/benchmarks.md)."""
OWN_ARGUMENTS = ("max_model_len", "max_num_seqs", "dtype", "kv_cache_memory_bytes")
"""Engine arguments that every engine has: they go by name, not among the engine's own."""
DTYPES = ("bfloat16", "float16", "float32")
SUITE_NUM_SEQS = {"cpu": 64, "mps": 32, "cuda": 256}
"""Turns that an engine works on at once in a suite. On 2 cores SmolLM2 gains nothing beyond (docs/benchmarks.md)."""


Choose = Callable[[Sequence[dict[str, Seated]]], dict[str, Seated]]
"""Takes one of several ways to seat a run's models."""


def seat_models(
    kind: str,
    models: Mapping[str, Model],
    needs: Mapping[str, int],
    machine: Machine,
    calibration: Calibration | None = None,
    *,
    suite: bool,
    choose: Choose = lambda found: found[0],
) -> dict[str, Seated]:
    """Where each model sits and what it takes, by card id; nobody sits anywhere with the scripted engine.

    Args:
        kind: Of the engines.
        models: By card id.
        needs: By card id: tokens of the longest turn.
        machine: What they run on.
        calibration: What engines really took here.
        suite: Whether an engine holds as many turns as are worth it, or those of one debate.
        choose: Takes one of several ways to seat them, by how long they take.

    Raises:
        ConfigError: An engine argument that every engine has is out of bounds.
        PlacementError: A model fits nowhere, or the cache that the user gave holds no turn.
    """
    if kind == "scripted":
        return {}
    wishes = [wish_for(kind, model, needs[card_id], machine, suite=suite) for card_id, model in models.items()]
    found = seatings(wishes, machine, calibration)
    seated = found[0] if len(found) == 1 else choose(found)
    for card_id, seat in seated.items():
        given, turn = seat.wish.cache_bytes, seat.spot.way.turn_bytes
        if given is not None and given < turn:
            raise PlacementError(
                f"kv_cache_memory_bytes of {given:,} holds less than one turn of {card_id}, which can take {turn:,}",
                hint="Raise it, or leave it out.",
            )
    return seated


def build_placements(
    models: Mapping[str, Model], seated: Mapping[str, Seated], files: Mapping[str, ModelFiles], machine: Machine
) -> dict[str, Placement]:
    """What to load where, by model id.

    Args:
        models: By card id.
        seated: By card id.
        files: By card id.
        machine: What they run on.
    """
    placements = {}
    for card_id, seat in seated.items():
        model, wish, devices = models[card_id], seat.wish, seat.spot.devices
        num_seqs = wish.max_num_seqs
        if wish.kind == "transformers":
            # It has no paged cache: every row takes its longest turn.
            num_seqs = min(num_seqs, seat.spot.cache_bytes // seat.spot.way.turn_bytes)
        spec = _spec(model, wish, machine.devices[devices[0]])
        spec = replace(
            spec,
            folder=files[card_id].folder,
            max_num_seqs=num_seqs,
            kv_cache_bytes=seat.spot.cache_bytes,
            device_bytes=seat.bytes.total - seat.bytes.context,
            arguments={**spec.arguments, **({"tensor_parallel_size": len(devices)} if len(devices) > 1 else {})},
        )
        placements[card_id] = _placement(spec, model, seat)
    return placements


def scripted_placements(
    models: Mapping[str, Model], needs: Mapping[str, int], machine: Machine, *, suite: bool
) -> dict[str, Placement]:
    """The same for the scripted engine: no weights, and no memory but what the user says that its cache takes.

    Raises:
        ConfigError: As `seat_models`.
        PlacementError: That much is nowhere to be had.
    """
    wishes = {
        card_id: wish_for("scripted", model, needs[card_id], machine, suite=suite) for card_id, model in models.items()
    }
    ways = {card_id: Way(1, 0, 0, wish.cache_bytes or 0, cache_given=True) for card_id, wish in wishes.items()}
    spots = lay_out([Demand(card_id, (way,)) for card_id, way in ways.items()], machine)
    return {
        card_id: Placement(
            _spec(models[card_id], wishes[card_id], machine.devices[spot.devices[0]]), spot.total_bytes, spot.devices
        )
        for card_id, spot in spots.items()
    }


def endpoint_placements(models: Mapping[str, Model]) -> dict[str, Placement]:
    """The same for those of the models that are spoken to at an endpoint: on no device, and always awake."""
    placements = {}
    for card_id, model in models.items():
        endpoint = model.card.endpoint
        if endpoint is None:
            continue
        spec = EngineSpec(
            kind=ENDPOINT,
            model_id=card_id,
            folder=None,
            dtype=model.card.dtype,
            max_model_len=model.context_length,
            max_num_seqs=endpoint.max_concurrent,
            kv_cache_bytes=0,
            arguments={name: value for name, value in asdict(endpoint).items() if name != "price"},
        )
        placements[card_id] = Placement(spec, total_bytes=0, devices=(), swap="none")
    return placements


def _spec(model: Model, wish: Wish, device: Device) -> EngineSpec:
    return EngineSpec(
        kind=wish.kind,
        model_id=wish.card.id,
        folder=None,
        dtype=wish.dtype,
        max_model_len=wish.max_model_len,
        max_num_seqs=wish.max_num_seqs,
        kv_cache_bytes=0,
        seed=model.panel.seed,
        device=device.torch_name,
        arguments={name: value for name, value in _given(model).items() if name not in OWN_ARGUMENTS},
    )


def _placement(spec: EngineSpec, model: Model, seat: Seated) -> Placement:
    tokens = max((seat_.sampling.max_tokens for seat_ in model.seats), default=Sampling().max_tokens)
    return Placement(
        spec,
        seat.spot.total_bytes,
        seat.spot.devices,
        load_s=seat.costs.first_load + seat.costs.warm_up,
        turn_s=seat.turn_s(tokens),
        swap=seat.swap,
        asleep_bytes=seat.bytes.asleep,
        wake_s=seat.activate_s,
    )


def wish_for(kind: str, model: Model, longest: int, machine: Machine, *, suite: bool) -> Wish:
    """How a model is to be loaded, for turns of at most `longest` tokens.

    Raises:
        ConfigError: An engine argument that every engine has is out of bounds.
    """
    card, given = model.card, _given(model)
    device = machine.devices[0]
    usual = SUITE_NUM_SEQS[device.kind] if suite else max(len(model.seats), 1)
    return Wish(
        card,
        kind,
        max_model_len=min(-(-longest // BLOCK_TOKENS) * BLOCK_TOKENS, model.context_length),
        max_num_seqs=_number(given.get("max_num_seqs"), "max_num_seqs", "turns") or usual,
        dtype=_dtype(given.get("dtype")) or _usual_dtype(kind, card, device),
        cache_bytes=_size(given.get("kv_cache_memory_bytes")),
        kv_cache_dtype=str(given.get("kv_cache_dtype", "auto")),
        tensor_parallel_size=_number(given.get("tensor_parallel_size"), "tensor_parallel_size", "devices"),
        enforce_eager=str(given.get("enforce_eager", "false")).lower() == "true",
    )


def _given(model: Model) -> Mapping[str, Any]:
    return {**model.card.engine, **model.panel.engine}


def _number(wanted: Any, name: str, of_what: str) -> int | None:
    if wanted is None:
        return None
    if not str(wanted).isdecimal() or int(wanted) < 1:
        raise ConfigError(f"{name} {wanted!r} is no number of {of_what}", hint="Give 1 or more, or leave it out.")
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
