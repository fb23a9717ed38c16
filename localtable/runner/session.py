"""From a panel and a question to a transcript: the run's set-up and its end, around the event loop.

What takes long starts first: the engine's modules are imported by a process of their own while this one reads
tokenizers and reckons with lengths.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from localtable.engines.base import EngineSpec
from localtable.engines.registry import choose
from localtable.errors import LocaltableError, PrerequisiteError
from localtable.prompts import ByteTokenizer, HfTokenizer, PromptTokenizer, load_wording
from localtable.protocol import Debate, build_round
from localtable.runner.events import Listener, RunEvent
from localtable.runner.loop import Loop
from localtable.runner.manifest import build_manifest
from localtable.runner.models import Model, build_models, longest_turns
from localtable.scheduler.devices import Device, find_device
from localtable.scheduler.memory import EngineBytes, kv_cache_bytes, weights_bytes
from localtable.scheduler.pool import EnginePool
from localtable.scheduler.worker import Workers
from localtable.types import Card, Panel, Question, Transcript
from localtable.weights import ModelFiles, WeightStore

BLOCK_TOKENS = 32
"""Lengths are rounded up to whole cache blocks; 32 caches most of a ballot's prompt on a CPU (docs/benchmarks.md)."""
OWN_ARGUMENTS = ("max_model_len", "max_num_seqs", "dtype")
"""Engine arguments that the session passes by name, not among the engine's own."""


def _ignore(event: RunEvent) -> None:
    pass


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What a command says beside question and panel."""

    home: Path
    engine: str = "auto"
    engine_arguments: Mapping[str, Any] = field(default_factory=dict)
    device_memory_bytes: int | None = None
    tell: Listener = _ignore
    should_stop: Callable[[], bool] = lambda: False
    stream: bool = False
    on_partial: Callable[[Transcript], None] = lambda transcript: None
    """Called with what there is, before an error or an interruption goes on to the caller."""


def hold_debate(question: Question, panel: Panel, options: RunOptions) -> Transcript:
    """Hold one debate, from loading to verdict.

    Raises:
        PrerequisiteError: Weights or packages are missing.
        PlacementError: A prompt or a model doesn't fit.
        EngineLoadError, EngineError: An engine died; `on_partial` has been given what was finished.
        InterruptedRun: `should_stop` said so; likewise.
    """
    started = time.monotonic()
    chosen = choose(options.engine)
    device = find_device(options.device_memory_bytes)
    files = {} if chosen.kind == "scripted" else find_weights(panel, options.home)
    with Workers(options.home) as workers:
        workers.prepare(chosen.kind, device.torch_name)
        models = _read_models(panel, files)
        specs = build_specs(chosen.kind, models, question, files, device, options.engine_arguments)
        pool = EnginePool(
            specs,
            capacity_bytes=device.free_bytes,
            start=workers.start,
            take_turns=device.kind == "cpu" and chosen.kind != "scripted",
            loads_at_once=1,
        )
        loop = Loop(models, pool, tell=options.tell, should_stop=options.should_stop, stream=options.stream)

        def transcript(debate: Debate) -> Transcript:
            manifest = build_manifest(
                chosen, device, panel, models, files, loop, len(question.options), time.monotonic() - started
            )
            return Transcript(question, panel, 0, debate.rounds, debate.verdict, manifest=manifest)

        try:
            (debate,) = loop.run([Debate(question, panel)])
        except (LocaltableError, KeyboardInterrupt):
            for unfinished, turns in loop.unfinished:
                if turns or unfinished.rounds:
                    options.on_partial(_partial(transcript(unfinished), unfinished, turns))
            raise
        return transcript(debate)


def _partial(transcript: Transcript, debate: Debate, turns: list[Any]) -> Transcript:
    from dataclasses import replace

    number = debate.open_round
    rounds = debate.rounds
    if turns and number is not None:
        rounds = (*rounds, build_round(debate, number, turns))
    manifest = {**transcript.manifest, "interrupted": True}
    return replace(transcript, rounds=rounds, verdict=None, manifest=manifest)


def find_weights(panel: Panel, home: Path) -> dict[str, ModelFiles]:
    """The panel's weights, by card id, all of them on this machine already.

    Raises:
        PrerequisiteError: Some are missing; says which, and how to get them.
    """
    store = WeightStore(home / "weights")
    found = {card.id: store.find(card) for card in panel.cards}
    missing = [card_id for card_id, files in found.items() if files is None]
    if missing:
        raise PrerequisiteError(
            f"the weights of {', '.join(missing)} are not here",
            hint=f"Run `localtable models fetch {' '.join(missing)}`, or add --fetch.",
        )
    return {card_id: files for card_id, files in found.items() if files is not None}


def _read_models(panel: Panel, files: Mapping[str, ModelFiles]) -> dict[str, Model]:
    tokenizers: dict[str, PromptTokenizer] = {
        card.id: HfTokenizer(files[card.id].folder) if files else ByteTokenizer() for card in panel.cards
    }
    return build_models(panel, tokenizers, load_wording(panel.prompts), real_templates=bool(files))


def build_specs(
    kind: str,
    models: Mapping[str, Model],
    question: Question,
    files: Mapping[str, ModelFiles],
    device: Device,
    arguments: Mapping[str, Any],
) -> dict[str, tuple[EngineSpec, int]]:
    """What to load, and the bytes that it takes, by model id.

    Raises:
        PlacementError: A prompt doesn't fit its model.
    """
    needs = longest_turns(models, [question])
    specs: dict[str, tuple[EngineSpec, int]] = {}
    for card_id, model in models.items():
        card = model.card
        length = _rounded(needs[card_id], model.context_length)
        num_seqs = len(model.seats)
        dtype = _dtype(kind, card, device)
        cache = kv_cache_bytes(card, dtype, num_seqs * length, BLOCK_TOKENS)
        total = 0 if kind == "scripted" else EngineBytes(weights_bytes(card, dtype), cache).total
        given = {**card.engine, **model.panel.engine, **arguments}
        spec = EngineSpec(
            kind=kind,
            model_id=card_id,
            folder=files[card_id].folder if card_id in files else None,
            dtype=dtype,
            max_model_len=length,
            max_num_seqs=num_seqs,
            kv_cache_bytes=cache,
            seed=model.panel.seed,
            device=device.torch_name,
            arguments={name: value for name, value in given.items() if name not in OWN_ARGUMENTS},
        )
        specs[card_id] = (spec, total)
    return specs


def _rounded(length: int, limit: int) -> int:
    return min(-(-length // BLOCK_TOKENS) * BLOCK_TOKENS, limit)


def _dtype(kind: str, card: Card, device: Device) -> str:
    # In bfloat16 the transformers engine's own batches differ from each other; on a CPU it computes in float32.
    return "float32" if kind == "transformers" and device.kind == "cpu" else card.dtype
