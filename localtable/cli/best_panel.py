"""Who sits at the table where nobody was named: the largest ready panel that is fetched and fits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from localtable.errors import LocaltableError
from localtable.places import home, packaged
from localtable.scheduler.devices import Machine
from localtable.types import Card, Panel, Stop

READY = ("2x80gib", "80gib", "48gib", "24gib", "16gib", "8gib")
"""Panels of `examples/panels/`, the largest first; after them comes the demo panel."""


def find_best_panel(default_stop: Stop, machine: Machine) -> tuple[Panel, Path] | None:
    """The best ready panel that could run now.

    Args:
        default_stop: Of panels that say nothing.
        machine: What it would run on.

    Returns:
        The panel and its file; None where only the demo panel is left.
    """
    from localtable.weights import WeightStore

    store = WeightStore(home() / "weights")
    folder = packaged("examples") / "panels"
    files = [folder / f"{name}.yaml" for name in READY]
    return choose(files, lambda card: store.find(card) is not None, lambda panel: _fits(panel, machine), default_stop)


def choose(
    files: Sequence[Path], is_here: Callable[[Card], bool], fits: Callable[[Panel], bool], default_stop: Stop
) -> tuple[Panel, Path] | None:
    """The first of these panels whose models are all here and that fits."""
    from localtable.config import load_panel

    for file in files:
        panel = load_panel(file, default_stop=default_stop)
        if all(map(is_here, panel.cards)) and fits(panel):
            return panel, file
    return None


def _fits(panel: Panel, machine: Machine) -> bool:
    from localtable.runner.planning import plan_inputs
    from localtable.scheduler.seating import seat_all

    wishes, _ = plan_inputs(panel, machine, "vllm", [], 1)
    try:
        seat_all(wishes, machine)
    except LocaltableError:  # too large, or a card that can't be planned with
        return False
    return True
