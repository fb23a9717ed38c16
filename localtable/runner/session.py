"""From a panel and a question to a transcript: the run's set-up and its end, around the event loop.

What takes long starts first: the engine's modules are imported by a process of their own while this one reads
tokenizers and reckons with lengths.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from localtable.engines.base import EngineSpec
from localtable.engines.registry import Choice, choose
from localtable.errors import ConfigError, EngineImportError, LocaltableError, PrerequisiteError
from localtable.prompts import ByteTokenizer, HfTokenizer, PromptTokenizer, load_wording
from localtable.protocol import Debate, build_round
from localtable.runner.events import EngineChosen, Listener, Note, RunEvent
from localtable.runner.loop import Loop
from localtable.runner.manifest import build_manifest
from localtable.runner.models import Model, build_models, longest_turns
from localtable.scheduler.devices import Device, find_device
from localtable.scheduler.memory import EngineBytes, kv_cache_bytes, weights_bytes
from localtable.scheduler.pool import EnginePool
from localtable.scheduler.worker import Workers
from localtable.types import Card, FileSource, Panel, Question, Transcript, Turn
from localtable.weights import ModelFiles, WeightStore

BLOCK_TOKENS = 32
"""Lengths are rounded up to whole cache blocks; 32 caches most of a ballot's prompt on a CPU (docs/benchmarks.md)."""
OWN_ARGUMENTS = ("max_model_len", "max_num_seqs", "dtype")
"""Engine arguments that every engine has: they go by name, not among the engine's own."""
DTYPES = ("bfloat16", "float16", "float32")


def _ignore(event: RunEvent) -> None:
    pass


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What a command says beside question and panel."""

    home: Path
    engine: str = "auto"
    engine_reason: str = ""
    """Why this engine, where that isn't the user's own choice."""
    engine_arguments: Mapping[str, Any] = field(default_factory=dict)
    device_memory_bytes: int | None = None
    tell: Listener = _ignore
    should_stop: Callable[[], bool] = lambda: False
    stream: bool = False
    on_partial: Callable[[Transcript], None] = lambda transcript: None
    """Called with what there is, before an error or an interruption goes on to the caller."""


@dataclass(frozen=True, slots=True)
class Session:
    """Everything that a run has between its set-up and its end."""

    panel: Panel
    chosen: Choice
    device: Device
    files: Mapping[str, ModelFiles]
    models: Mapping[str, Model]
    loop: Loop
    started: float

    def transcript(self, debate: Debate) -> Transcript:
        """A debate as it stands, with its manifest."""
        manifest = build_manifest(
            self.chosen,
            self.device,
            self.panel,
            self.models,
            self.files,
            self.loop,
            len(debate.question.options),
            time.monotonic() - self.started,
        )
        return Transcript(debate.question, self.panel, debate.repeat, debate.rounds, debate.verdict, manifest=manifest)


@contextmanager
def open_session(
    panel: Panel, questions: Sequence[Question], options: RunOptions, *, max_num_seqs: int | None = None
) -> Iterator[Session]:
    """A panel at its table: models read, lengths reckoned with, engines ready to be loaded; all ended at the end.

    Args:
        panel: Who sits at the table.
        questions: All that will be asked, for the longest prompt.
        options: What the command says beside them.
        max_num_seqs: How many turns an engine holds at once; by default those of one debate.

    Raises:
        PrerequisiteError: Weights or packages are missing.
        PlacementError: A prompt or a model doesn't fit.
    """
    started = time.monotonic()
    # What the command says of the engine is the panel's from here on: checked, used and stored like the rest of it.
    panel = replace(panel, engine={**panel.engine, **options.engine_arguments})
    chosen = choose(options.engine)
    if options.engine_reason:
        chosen = chosen._replace(reason=options.engine_reason)
    options.tell(EngineChosen(chosen.kind, chosen.reason))
    device = find_device(options.device_memory_bytes)
    files = (
        {}
        if chosen.kind == "scripted"
        else find_weights(panel, options.home, say=lambda text: options.tell(Note(text)))
    )
    with Workers(options.home) as workers:
        workers.prepare(chosen.kind, device.torch_name)
        models = _read_models(panel, files)
        pool = EnginePool(
            build_specs(chosen.kind, models, questions, files, device, max_num_seqs),
            capacity_bytes=device.free_bytes,
            start=workers.start,
            take_turns=device.kind == "cpu" and chosen.kind != "scripted",
            loads_at_once=1,
        )
        loop = Loop(models, pool, tell=options.tell, should_stop=options.should_stop, stream=options.stream)
        yield Session(panel, chosen, device, files, models, loop, started)


def hold_debate(question: Question, panel: Panel, options: RunOptions) -> Transcript:
    """Hold one debate, from loading to verdict; `auto` goes on with transformers where vLLM doesn't import.

    Raises:
        PrerequisiteError, PlacementError: As `open_session`.
        EngineLoadError, EngineError: An engine died; `on_partial` has been given what was finished.
        InterruptedRun: `should_stop` said so; likewise.
    """
    try:
        return _hold(question, panel, options)
    except EngineImportError as error:
        if options.engine != "auto":
            raise
        return _hold(question, panel, replace(options, engine="transformers", engine_reason=error.message))


def _hold(question: Question, panel: Panel, options: RunOptions) -> Transcript:
    with open_session(panel, [question], options) as session:
        try:
            (debate,) = session.loop.run([Debate(question, session.panel)])
        except LocaltableError:
            for unfinished, turns in session.loop.unfinished:
                if turns or unfinished.rounds:
                    options.on_partial(_partial(session.transcript(unfinished), unfinished, turns))
            raise
        return session.transcript(debate)


def _partial(transcript: Transcript, debate: Debate, turns: Sequence[Turn]) -> Transcript:
    number = debate.open_round
    rounds = debate.rounds
    if turns and number is not None:
        rounds = (*rounds, build_round(debate, number, turns))
    manifest = {**transcript.manifest, "interrupted": True}
    return replace(transcript, rounds=rounds, verdict=None, manifest=manifest)


def find_weights(panel: Panel, home: Path, *, say: Callable[[str], None]) -> dict[str, ModelFiles]:
    """The panel's weights, by card id, all of them on this machine already.

    A folder or file of the user's own is taken as it is: hashed the first time, known from then on.

    Raises:
        PrerequisiteError: Some are missing; says which, and how to get them.
    """
    store = WeightStore(home / "weights")
    found = {card.id: store.find(card) or _take_own(store, card, say) for card in panel.cards}
    missing = [card_id for card_id, files in found.items() if files is None]
    if missing:
        raise PrerequisiteError(
            f"the weights of {', '.join(missing)} are not here",
            hint=f"Run `localtable models fetch {' '.join(missing)}`, or add --fetch.",
        )
    return {card_id: files for card_id, files in found.items() if files is not None}


def _take_own(store: WeightStore, card: Card, say: Callable[[str], None]) -> ModelFiles | None:
    if not all(isinstance(source, FileSource) for source in card.sources):
        return None
    say(f"reading the weights of {card.id} for their sums, once")
    return store.fetch(card, say=say)


def _read_models(panel: Panel, files: Mapping[str, ModelFiles]) -> dict[str, Model]:
    tokenizers: dict[str, PromptTokenizer] = {
        card.id: HfTokenizer(files[card.id].folder) if files else ByteTokenizer() for card in panel.cards
    }
    return build_models(panel, tokenizers, load_wording(panel.prompts), real_templates=bool(files))


def build_specs(
    kind: str,
    models: Mapping[str, Model],
    questions: Sequence[Question],
    files: Mapping[str, ModelFiles],
    device: Device,
    max_num_seqs: int | None = None,
) -> dict[str, tuple[EngineSpec, int]]:
    """What to load, and the bytes that it takes, by model id.

    Raises:
        PlacementError: A prompt doesn't fit its model.
        ConfigError: An engine argument that every engine has is out of bounds.
    """
    needs = longest_turns(models, questions)
    specs: dict[str, tuple[EngineSpec, int]] = {}
    for card_id, model in models.items():
        card, given = model.card, {**model.card.engine, **model.panel.engine}
        length = _rounded(needs[card_id], model.context_length)
        num_seqs = _num_seqs(given.get("max_num_seqs")) or max_num_seqs or len(model.seats)
        dtype = _dtype(given.get("dtype")) or _usual_dtype(kind, card, device)
        # The transformers engine keeps its last batch's keys and values beside the running one's.
        copies = 2 if kind == "transformers" else 1
        cache = kv_cache_bytes(card, dtype, copies * num_seqs * length, BLOCK_TOKENS)
        total = 0 if kind == "scripted" else EngineBytes(weights_bytes(card, dtype), cache).total
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


def _num_seqs(wanted: Any) -> int | None:
    if wanted is None:
        return None
    if not str(wanted).isdecimal() or int(wanted) < 1:
        raise ConfigError(f"max_num_seqs {wanted!r} is no number of turns", hint="Give 1 or more, or leave it out.")
    return int(wanted)


def _dtype(wanted: Any) -> str | None:
    if wanted is not None and wanted not in DTYPES:
        raise ConfigError(f"dtype {wanted!r} is none that engines compute in", hint=f"Give {', '.join(DTYPES)}.")
    return str(wanted) if wanted is not None else None


def _usual_dtype(kind: str, card: Card, device: Device) -> str:
    # In bfloat16 the transformers engine's own batches differ from each other; on a CPU it computes in float32.
    return "float32" if kind == "transformers" and device.kind == "cpu" else card.dtype
