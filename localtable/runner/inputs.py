"""What a run is given, as a store keeps it, and back: panels, cards, weights, wordings, conditions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from localtable.config import load_card, parse_card, parse_panel
from localtable.config.writing import card_to_data
from localtable.errors import ConfigError, PrerequisiteError
from localtable.loading import nearest
from localtable.prompts import Wording
from localtable.protocol import DEBATE, Condition, build_conditions, build_variants, cards_of
from localtable.store import Run, VariantRow
from localtable.transcript import panel_to_json
from localtable.types import Card, FileSource, Panel, Stop, Sweep, Variant
from localtable.weights import ModelFiles, WeightStore


def describe_run(
    engine: str,
    panel: Panel,
    files: Mapping[str, ModelFiles],
    wording: Wording,
    *,
    controls: Sequence[str] = (),
    repeats: int = 1,
    shard: tuple[int, int] = (1, 1),
) -> Run:
    """A run's inputs as a store keeps them."""
    return Run(
        engine=engine,
        panel=panel_to_json(panel),
        cards={card.id: card_to_data(card) for card in cards_of([Condition(DEBATE, panel)])},
        weights={card_id: {"weights": found.weights_hash, "source": found.source} for card_id, found in files.items()},
        prompts_name=wording.name,
        prompts_sha256=wording.sha256,
        prompts=wording.parts.model_dump(mode="json"),
        controls=tuple(controls),
        repeats=repeats,
        shard=shard[0],
        num_shards=shard[1],
    )


def describe_sweep(
    engine: str,
    sweep: Sweep,
    conditions: Mapping[int, Condition],
    files: Mapping[str, ModelFiles],
    wordings: Mapping[int, Wording],
    *,
    shard: tuple[int, int] = (1, 1),
) -> Run:
    """A sweep's inputs as a store keeps them.

    Args:
        engine: Of all variants.
        sweep: What is held.
        conditions: The sweep's, by number.
        files: Weights by card id.
        wordings: By the condition's number.
        shard: Which of how many slices of the suite.
    """
    own = {condition.name: wordings[number] for number, condition in conditions.items()}
    first = sweep.variants[0]
    run = describe_run(
        *(engine, first.panel, files, own[first.name]), controls=sweep.controls, repeats=sweep.repeats, shard=shard
    )
    return replace(
        run,
        cards={card.id: card_to_data(card) for card in cards_of(conditions.values())},
        sweep={
            "name": sweep.name,
            "factors": sweep.factors,
            "controls_for": sweep.controls_for,
            "primary": [
                {"metric": contrast.metric, "factor": contrast.factor, "levels": list(contrast.levels)}
                for contrast in sweep.primary
            ],
        },
        variants=tuple(_variant_row(variant, own[variant.name]) for variant in sweep.variants),
    )


def _variant_row(variant: Variant, wording: Wording) -> VariantRow:
    return VariantRow(
        variant.name,
        dict(variant.levels),
        panel_to_json(variant.panel),
        wording.name,
        wording.sha256,
        wording.parts.model_dump(mode="json"),
    )


def _panels(run: Run, where: str) -> Callable[[Mapping[str, Any]], Panel]:
    """What makes a panel of one that the store keeps, with the store's own cards."""
    cards = {card_id: parse_card(data, f"{where}, card {card_id}", Path("/")) for card_id, data in run.cards.items()}

    def kept(reference: str, base: Path) -> Card:
        return cards[reference] if reference in cards else load_card(reference, base)

    return lambda data: parse_panel(data, f"{where}, panel", Path("/"), default_stop=Stop(), load=kept)


def as_written_now(run: Run, where: str) -> Run:
    """A run with its panels as this version writes them: an earlier one had fewer keys, and meant their defaults.

    Raises:
        ConfigError: As `conditions_of`.
    """
    read = _panels(run, where)
    variants = tuple(replace(variant, panel=panel_to_json(read(variant.panel))) for variant in run.variants)
    return replace(run, panel=panel_to_json(read(run.panel)), variants=variants)


def conditions_of(run: Run, where: str) -> dict[int, Condition]:
    """The conditions of a run by the numbers that its store gives them; 1 is its own panel's debate.

    Raises:
        ConfigError: What is kept there is no panel, or no card.
    """
    read = _panels(run, where)
    if not run.variants:
        return dict(enumerate(build_conditions(read(run.panel), run.controls), start=1))
    variants = [Variant(row.levels, read(row.panel)) for row in run.variants]
    for_all = run.sweep is not None and run.sweep["controls_for"] == "all"
    return dict(enumerate(build_variants(variants, run.controls, for_all=for_all), start=1))


def choose_conditions(conditions: Mapping[int, Condition], names: Sequence[str]) -> dict[int, Condition]:
    """Conditions by their names, or by that of a control which is one for each model, or for each variant.

    `debate` is every variant of a sweep.

    Raises:
        ConfigError: The run has none of that name.
    """
    chosen = set[int]()
    for name in names:
        found = {number for number, condition in conditions.items() if name in (condition.name, condition.control)}
        if not found:
            known = list(dict.fromkeys(n for c in conditions.values() for n in (c.name, c.control)))
            hint = nearest(name, known, kind="conditions of this run")
            raise ConfigError(f"the run has no condition {name!r}", hint=hint)
        chosen |= found
    return {number: condition for number, condition in conditions.items() if number in chosen}


def require_same(stored: Run, given: Run, where: str) -> None:
    """Refuse to go on with a run that was begun with other inputs.

    Raises:
        ConfigError: Says which of them differ.
    """
    names = {
        "panel": "the panel differs",
        "sweep": "the sweep differs",
        "variants": "the variants differ",
        "cards": "a model's card differs",
        "weights": "a model's weights differ",
        "prompts_sha256": "the prompts differ",
        "controls": "the controls differ",
        "repeats": "the number of repeats differs",
        "shard": "the shard differs",
        "num_shards": "the number of shards differs",
        "engine": "the engine differs",
        "questions_sha256": "the questions differ",
    }
    stored, given = _without_places(stored), _without_places(given)
    different = [name for name in names if getattr(stored, name) != getattr(given, name)]
    if not different:
        return
    first = different[0]
    more = "".join(f"; {names[name]}" for name in different[1:])
    raise ConfigError(
        f"{where} holds another run: {names[first]} ({_difference(stored, given, first)}){more}",
        hint="Name another --store, or go on with the old run by `localtable resume`.",
    )


_ABOUT = ("sources", "facts_from", "family", "ran")
"""What a card says that changes no answer."""


def _without_places(run: Run) -> Run:
    """A run without where a machine has its weights, whose hashes say whether they are the same, and without what is
    only said about a model.
    """
    cards = {card_id: {k: v for k, v in card.items() if k not in _ABOUT} for card_id, card in run.cards.items()}
    return replace(run, cards=cards, weights={card_id: found["weights"] for card_id, found in run.weights.items()})


def _difference(stored: Run, given: Run, name: str) -> str:
    before, now = getattr(stored, name), getattr(given, name)
    if name == "variants":
        before, now = ({row.name: asdict(row) for row in rows} for rows in (before, now))
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        keys = [key for key in {**before, **now} if before.get(key) != now.get(key)]
        return f"{keys[0]}: {_short(before.get(keys[0]))} there, {_short(now.get(keys[0]))} here"
    return f"{_short(before)} there, {_short(now)} here"


def _short(value: object, limit: int = 60) -> str:
    shown = repr(value)
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}…"


def find_weights(cards: Iterable[Card], home: Path, *, say: Callable[[str], None]) -> dict[str, ModelFiles]:
    """The weights of models, by card id, all of them on this machine already.

    A folder or file of the user's own is taken as it is: hashed the first time, known from then on. A model at an
    endpoint has none.

    Raises:
        PrerequisiteError: Some are missing; says which, and how to get them.
    """
    store = WeightStore(home / "weights")
    local = [card for card in cards if card.endpoint is None]
    found = {card.id: store.find(card) or _take_own(store, card, say) for card in local}
    missing = [card_id for card_id, files in found.items() if files is None]
    if missing:
        raise PrerequisiteError(
            f"the weights of {', '.join(missing)} are not here",
            hint=f"Run `localtable models fetch {' '.join(missing)}`, or add --fetch.",
        )
    return {card_id: files for card_id, files in found.items() if files is not None}


def find_run_weights(
    run: Run, cards: Iterable[Card], home: Path, where: str, *, otherwise: str, say: Callable[[str], None]
) -> dict[str, ModelFiles]:
    """The weights that a run was begun with, by card id; none for the scripted engine.

    Args:
        run: The inputs.
        cards: The run's.
        home: Where weights are.
        where: What the run is called in an error.
        otherwise: What else can be done where other weights are here.
        say: Is told what takes a while.

    Raises:
        PrerequisiteError: As `find_weights`.
        ConfigError: What is here are other weights.
    """
    if run.engine == "scripted":
        return {}
    found = find_weights(cards, home, say=say)
    for card_id, files in found.items():
        if files.weights_hash != run.weights[card_id]["weights"]:
            raise ConfigError(
                f"the weights of {card_id} are not those that {where} was begun with: "
                f"{files.weights_hash[:12]} here, {run.weights[card_id]['weights'][:12]} there",
                hint=f"Fetch the weights that the run was begun with, or {otherwise}.",
            )
    return found


def _take_own(store: WeightStore, card: Card, say: Callable[[str], None]) -> ModelFiles | None:
    if not all(isinstance(source, FileSource) for source in card.sources):
        return None
    say(f"reading the weights of {card.id} for their sums, once")
    return store.fetch(card, say=say)


def with_engine_arguments(panel: Panel, arguments: Mapping[str, object]) -> Panel:
    """What the command says of the engine is the panel's: checked, used and stored like the rest of it."""
    return replace(panel, engine={**panel.engine, **arguments})
