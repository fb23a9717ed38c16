"""What a run is given, as a store keeps it, and back: panel, cards, weights, wording, conditions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from localtable.config import load_card, parse_card, parse_panel
from localtable.config.writing import card_to_data
from localtable.errors import ConfigError, PrerequisiteError
from localtable.prompts import Wording, load_wording
from localtable.protocol import Condition, build_conditions
from localtable.store import Run
from localtable.transcript import panel_to_json
from localtable.types import Card, FileSource, Panel, Stop
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
        cards={card.id: card_to_data(card) for card in panel.cards},
        weights={card_id: {"weights": found.weights_hash, "source": found.source} for card_id, found in files.items()},
        prompts_name=wording.name,
        prompts_sha256=wording.sha256,
        prompts=wording.parts.model_dump(mode="json"),
        controls=tuple(controls),
        repeats=repeats,
        shard=shard[0],
        num_shards=shard[1],
    )


def panel_of(run: Run, where: str) -> Panel:
    """The panel that a store keeps.

    Raises:
        ConfigError: What is kept there is no panel.
    """
    cards = {card_id: parse_card(data, f"{where}, card {card_id}", Path("/")) for card_id, data in run.cards.items()}

    def kept(reference: str, base: Path) -> Card:
        return cards[reference] if reference in cards else load_card(reference, base)

    return parse_panel(run.panel, f"{where}, panel", Path("/"), default_stop=Stop(), load=kept)


def conditions_of(run: Run, panel: Panel) -> dict[int, Condition]:
    """The conditions of a run by the numbers that its store gives them."""
    return dict(enumerate(build_conditions(panel, run.controls), start=1))


def wording_of(run: Run, panel: Panel) -> Wording:
    """The wording of a run's prompts, from where the panel names it.

    Raises:
        ConfigError: It is not what the run was begun with.
    """
    wording = load_wording(panel.prompts)
    if wording.sha256 != run.prompts_sha256:
        raise ConfigError(
            f"the prompts {panel.prompts!r} are not what this run was begun with: their hash is "
            f"{wording.sha256[:12]}, the run's {run.prompts_sha256[:12]}",
            hint="Put the wording back as it was (the store keeps it in run.prompts), or begin a new store.",
        )
    return wording


def require_same(stored: Run, given: Run, where: str) -> None:
    """Refuse to go on with a run that was begun with other inputs.

    Raises:
        ConfigError: Says which of them differ.
    """
    names = {
        "panel": "the panel differs",
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
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        keys = [key for key in {**before, **now} if before.get(key) != now.get(key)]
        return f"{keys[0]}: {_short(before.get(keys[0]))} there, {_short(now.get(keys[0]))} here"
    return f"{_short(before)} there, {_short(now)} here"


def _short(value: object, limit: int = 60) -> str:
    shown = repr(value)
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}…"


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


def find_run_weights(
    run: Run, panel: Panel, home: Path, where: str, *, otherwise: str, say: Callable[[str], None]
) -> dict[str, ModelFiles]:
    """The weights that a run was begun with, by card id; none for the scripted engine.

    Args:
        run: The inputs.
        panel: The run's.
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
    found = find_weights(panel, home, say=say)
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
