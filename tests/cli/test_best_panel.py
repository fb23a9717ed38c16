"""Which panel a debate takes where none is named."""

from __future__ import annotations

import pytest

from localtable.cli.best_panel import READY, choose
from localtable.config import load_panel
from localtable.places import packaged
from localtable.types import Card, Panel, Stop

FILES = [packaged("examples") / "panels" / f"{name}.yaml" for name in READY]


def cards_of(name: str) -> set[str]:
    return {card.id for card in load_panel(FILES[READY.index(name)], default_stop=Stop()).cards}


def chosen(here: set[str], *, fits: bool = True) -> str | None:
    def is_here(card: Card) -> bool:
        return card.id in here

    found = choose(FILES, is_here, lambda panel: fits, Stop())
    return found[1].stem if found else None


def test_every_ready_panel_is_there_and_they_get_smaller() -> None:
    sizes = [sum(card.parameters for card in load_panel(file, default_stop=Stop()).cards) for file in FILES]
    assert sizes[0] == max(sizes)
    assert sizes[-1] == min(sizes)


@pytest.mark.parametrize("name", READY)
def test_the_panel_whose_models_are_all_here_is_taken(name: str) -> None:
    assert chosen(cards_of(name)) == name
    missing = sorted(cards_of(name))[0]
    assert chosen(cards_of(name) - {missing}) != name


def test_of_several_the_largest_is_taken_that_fits() -> None:
    assert chosen(cards_of("8gib") | cards_of("48gib")) == "48gib"
    everything = set().union(*(cards_of(name) for name in READY))
    large = load_panel(FILES[0], default_stop=Stop()).name

    def small_machine(panel: Panel) -> bool:
        return panel.name != large

    found = choose(FILES, lambda card: card.id in everything, small_machine, Stop())
    assert found is not None
    assert found[1].stem == READY[1]


def test_nothing_fetched_leaves_the_demo_panel() -> None:
    assert chosen(set()) is None
    assert chosen(cards_of("8gib"), fits=False) is None
