"""What tests of many rooms are built from: toy cards, panels and questions, scripts, debates without a model.

Nothing here is a double: debates run through the real runner, pool and scripted engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import settings

from localtable.config import parse_card, parse_panel, parse_question
from localtable.engines.base import EngineSpec, Request
from localtable.errors import ConfigError
from localtable.prompts import ByteTokenizer, load_wording
from localtable.protocol import Debate, build_conditions, cards_of
from localtable.runner import RunOptions, hold_debate
from localtable.runner.events import RunEvent
from localtable.runner.inputs import describe_run
from localtable.runner.keys import request_key
from localtable.runner.loop import Loop, Outcome
from localtable.runner.models import Model, build_models, build_moderators, longest_turns
from localtable.runner.session import models_of
from localtable.runner.summarizing import length_for
from localtable.scheduler.pool import EnginePool, Placement, Swap
from localtable.scheduler.worker import EngineHandle, InlineEngine
from localtable.store import IN_MEMORY, Noise, Store
from localtable.types import Ballot, Card, Panel, Question, Round, Stop, Transcript, Turn, Usage

settings.register_profile("localtable", deadline=None, max_examples=60)  # two slow cores are no defect
settings.load_profile("localtable")

CARD: Mapping[str, Any] = {
    "id": "toy",
    "name": "Toy",
    "publisher": "nobody",
    "license": "Apache-2.0",
    "parameters": "1000000",
    "context_length": "200000",
    "architecture": {
        "model_type": "llama",
        "num_hidden_layers": "2",
        "hidden_size": "8",
        "intermediate_size": "16",
        "num_attention_heads": "2",
        "num_key_value_heads": "2",
        "head_dim": "4",
        "vocab_size": "258",
        "tie_word_embeddings": "true",
    },
    "sources": [{"file": "."}],
}
"""A card as its file holds it: scalars are text there."""

REASONING = {"start": "<think>", "end": "</think>", "switch": "enable_thinking"}


def make_card(card_id: str = "toy", **changes: Any) -> Card:
    return parse_card({**CARD, "id": card_id, "name": card_id.title(), **changes}, "the card", Path("/nowhere"))


def make_question(*options: str, **changes: Any) -> Question:
    data = {"id": "q", "question": "Is a tomato a fruit?", "options": list(options or ("Yes", "No")), **changes}
    return parse_question(data, "the question")


def make_panel(folder: Path, *names: str, cards: Iterable[Mapping[str, Any]] = (CARD,), **changes: Any) -> Panel:
    """A panel of these seats, in turn on these cards, read from files as a user's would be."""
    data = {"name": "panel", "seats": _seats(folder, names, cards), "stop": {"when": "never"}, **changes}
    return parse_panel(data, "the panel", folder, default_stop=Stop())


def _seats(folder: Path, names: Sequence[str], cards: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    files = []
    for card in cards:
        files.append(f"{card['id']}.yaml")
        (folder / files[-1]).write_text(yaml.safe_dump(dict(card)))
    return [{"name": name, "model": files[i % len(files)]} for i, name in enumerate(names)]


def write_panel(folder: Path, *names: str, cards: Iterable[Mapping[str, Any]] = (CARD,), **changes: Any) -> Path:
    """The same as a file, for the command line."""
    path = folder / "panel.yaml"
    path.write_text(
        yaml.safe_dump({"name": "panel", "seats": _seats(folder, names, cards), **changes}, allow_unicode=True)
    )
    return path


def write_script(folder: Path, *turns: Mapping[str, Any], **keys: Any) -> Path:
    path = folder / "script.yaml"
    path.write_text(yaml.safe_dump({"turns": list(turns), **keys}, allow_unicode=True))
    return path


def votes(seat: str, *by_round: str) -> list[dict[str, Any]]:
    """A seat's votes round by round, each with a statement that no other seat makes."""
    return [
        {"seat": seat, "round": number, "vote": vote, "statement": f"{seat} says {vote} in round {number}."}
        for number, vote in enumerate(by_round, start=1)
    ]


@dataclass
class Held:
    """A debate that was held, and everything that was seen of it."""

    transcript: Transcript | None = None
    partial: Transcript | None = None
    events: list[RunEvent] = field(default_factory=list)
    error: Exception | None = None

    @property
    def whole(self) -> Transcript:
        if self.error is not None:
            raise self.error
        assert self.transcript is not None
        return self.transcript

    def turn(self, seat: str, number: int) -> Turn:
        transcript = self.transcript or self.partial
        assert transcript is not None
        return next(turn for turn in transcript.rounds[number - 1].turns if turn.seat == seat)


def hold(
    folder: Path, question: Question, panel: Panel, script: Path | None = None, *, stop_after: int | None = None
) -> Held:
    """Hold a debate on the scripted engine; what it raises is kept, not raised.

    Args:
        folder: Takes the state that would be under LOCALTABLE_HOME.
        question: What is asked.
        panel: Who sits there.
        script: What is said; the engine's rule without one.
        stop_after: Ask for an end after so many finished turns.
    """
    held = Held()

    def finished() -> int:
        return sum(type(event).__name__ == "TurnFinished" for event in held.events)

    options = RunOptions(
        home=folder / "home",
        engine="scripted",
        engine_arguments={"script": str(script)} if script else {},
        tell=held.events.append,
        should_stop=lambda: stop_after is not None and finished() >= stop_after,
    )
    try:
        held.transcript = hold_debate(
            question, panel, options, on_partial=lambda partial: setattr(held, "partial", partial)
        )
    except Exception as error:  # noqa: BLE001  the test looks at it
        held.error = error
    return held


@dataclass
class Recorded:
    """A debate that was held with its requests written down."""

    outcomes: list[Outcome]
    log: list[tuple[Request, ...] | RunEvent]
    """In order: batches as they reached an engine, and what was told."""
    pool: EnginePool
    models: Mapping[str, Model]
    most_running: Mapping[str, int]
    """By model: how many requests its engine had at once, at most."""

    @property
    def requests(self) -> list[Request]:
        return [request for entry in self.log if isinstance(entry, tuple) for request in entry]

    @property
    def events(self) -> list[RunEvent]:
        return [entry for entry in self.log if not isinstance(entry, tuple)]

    @property
    def debates(self) -> list[Debate]:
        return [outcome.debate for outcome in self.outcomes]

    @property
    def debate(self) -> Debate:
        (debate,) = self.debates
        return debate

    def prompts(self, seat: str | None = None, round_number: int | None = None, step: str | None = None) -> list[str]:
        """The prompts, as text, of the requests that fit."""
        return [ByteTokenizer().decode(request.prompt_token_ids) for request in self.of(seat, round_number, step)]

    def of(self, seat: str | None = None, round_number: int | None = None, step: str | None = None) -> list[Request]:
        """The requests that fit."""
        return [
            request
            for request in self.requests
            if request.origin is not None
            and seat in (None, request.origin.seat)
            and round_number in (None, request.origin.round_number)
            and step in (None, request.origin.step)
        ]


def record(
    question: Question | Sequence[Question],
    panel: Panel,
    script: Path | None = None,
    *,
    sizes: Mapping[str, int] | None = None,
    capacity: int = 0,
    controls: Sequence[str] = (),
    repeats: int = 1,
    max_num_seqs: int = 64,
    always_draws: bool = True,
    swap: Swap = "reload",
    asleep_bytes: int = 0,
    free_bytes: Callable[[int], int] | None = None,
) -> Recorded:
    """Hold debates in the real loop, store and pool, with every request that reaches an engine written down.

    Args:
        question: One or several.
        panel: Who sits there.
        script: What is said; the engine's rule without one.
        sizes: Bytes of each model, by card id.
        capacity: What all awake engines may take together.
        controls: Further conditions.
        repeats: Of each debate.
        max_num_seqs: Rows of each engine.
        swap: How models make room for each other.
        asleep_bytes: What each keeps while it sleeps.
        always_draws: False treats a greedy request's seed as real engines do: as nothing.
        free_bytes: What a device says is free.
    """
    wording = load_wording(panel.prompts)
    conditions = dict(enumerate(build_conditions(panel, controls), start=1))
    tokenizers = {card.id: ByteTokenizer() for card in cards_of(conditions.values())}
    models = build_models(panel, tokenizers, wording, real_templates=False)
    questions = [question] if isinstance(question, Question) else question
    sitting = {number: models_of(models, condition) for number, condition in conditions.items()}
    needs = longest_turns(sitting.values(), questions)
    moderators = build_moderators(conditions, models, tokenizers, dict.fromkeys(conditions, wording))
    for moderator in moderators.values():
        models.setdefault(moderator.card.id, moderator)
        needs[moderator.card.id] = max(needs.get(moderator.card.id, 0), length_for(moderator))
    log: list[tuple[Request, ...] | RunEvent] = []
    most_running = dict.fromkeys(models, 0)

    class Recorder(InlineEngine):
        def submit(self, batch: Sequence[Request]) -> None:
            log.append(tuple(batch))
            super().submit(batch)
            most_running[self.spec.model_id] = max(most_running[self.spec.model_id], len(self._unfinished))

    handles: list[EngineHandle] = []

    def start(spec: EngineSpec) -> EngineHandle:
        handles.append(Recorder(spec))
        return handles[-1]

    arguments = {"script": str(script)} if script else {}
    specs = {
        card_id: EngineSpec("scripted", card_id, None, "float32", needs[card_id], max_num_seqs, 0, arguments=arguments)
        for card_id in models
    }
    pool = EnginePool(
        {
            card_id: Placement(spec, (sizes or {}).get(card_id, 0), swap=swap, asleep_bytes=asleep_bytes)
            for card_id, spec in specs.items()
        },
        capacities=[capacity],
        start=start,
        turns=None,
        free_bytes=free_bytes,
        optional=models.keys() - set(chain.from_iterable(sitting.values())),
    )
    run = describe_run("scripted", panel, {}, wording, controls=controls, repeats=repeats)
    names = [condition.name for condition in conditions.values()]
    noise = [Noise(c.name, c.debate, panel.seed) for c in conditions.values() if c.noise]
    with Store.create(IN_MEMORY, run, questions, names, noise=noise) as store:
        store.begin_session({})
        loop = Loop(
            store,
            conditions,
            sitting,
            pool,
            key_of=lambda model_id, request: request_key(model_id, request, always_draws=always_draws),
            tell=log.append,
            should_stop=lambda: False,
            moderators=moderators,
        )
        try:
            outcomes = list(loop.run())
        finally:
            pool.close()
            for handle in handles:
                handle.close()
    return Recorded(outcomes, log, pool, models, most_running)


def make_turn(seat: str, vote: str, *, position: int = 1, statement: str = "So it is.", **changes: Any) -> Turn:
    """A finished turn on a question of two options or more."""
    other = "B" if vote == "A" else "A"
    ballot = changes.pop("ballot", Ballot(vote, {vote: 0.75, other: 0.25}))
    turn = Turn(
        seat=seat,
        position=position,
        statement=statement,
        ballot=ballot,
        changed_mind=False,
        finish_reason="stop",
        truncated=False,
        seed=1,
        usage={"statement": Usage(10, 0, 5), "ballot": Usage(20, 15, 1)},
    )
    return replace(turn, **changes)


def make_round(number: int, *turns: Turn, letters: str = "AB") -> Round:
    tally = {letter: sum(turn.ballot.vote == letter for turn in turns) for letter in letters}
    return Round(number, tuple(replace(turn, position=i) for i, turn in enumerate(turns, start=1)), tally)


def refused(call: Any, *arguments: Any, **keywords: Any) -> ConfigError:
    """The error with which a call refuses its input, held against what every such error owes its reader."""
    with pytest.raises(ConfigError) as caught:
        call(*arguments, **keywords)
    return _checked(caught.value)


def given_or_refused(call: Any, *arguments: Any, **keywords: Any) -> Any:
    """What a call gives; None where it refuses its input as it should. Any other error is let through."""
    try:
        return call(*arguments, **keywords)
    except ConfigError as error:
        _checked(error)
        return None


def _checked(error: ConfigError) -> ConfigError:
    assert error.exit_code == 2
    assert error.message, "it says what is wrong"
    assert error.hint, "it says what to do"
    assert "\n" not in error.message, "it is one line"
    assert len(error.message) < 1000, "it does not repeat a whole file"
    return error
