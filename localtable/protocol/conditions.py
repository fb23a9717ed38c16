"""The conditions of a run: the debate itself, and the controls that it is compared with.

A control is the same debate under another rule: other rounds, other seats, or another view of the previous round. All
of them draw the seeds that the debate draws, so that an equal prompt is an equal request, generated once for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from localtable.errors import ConfigError
from localtable.types import Card, Panel, Seat

DEBATE = "debate"
CONTROLS = (
    "first-round",
    "self-consistency",
    "solo-revise",
    "noise-peers",
    "votes-only",
    "text-only",
    "ring",
    "homogeneous",
)
"""What `--control` takes. `self-consistency` and `homogeneous` are a condition for each model of the panel."""


@dataclass(frozen=True, slots=True)
class View:
    """What a seat reads of the previous round; its own turn it always reads whole."""

    reads: Literal["everyone", "itself", "neighbours"] = "everyone"
    """`neighbours`: the seats before and behind it in the panel's order, which is a ring."""
    shows: Literal["all", "votes", "text"] = "all"
    noise: bool = False
    """What peers say comes from the debate on another question."""


PLAIN_VIEW = View()
"""The debate's own: everybody reads everything."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A rule under which every question of a run is debated."""

    name: str
    """`debate`, a control's name, or a control's name, a colon and a model's id."""
    panel: Panel
    view: View = PLAIN_VIEW

    @property
    def control(self) -> str:
        """The name without the model."""
        return self.name.partition(":")[0]


_VIEWS = {
    "solo-revise": View(reads="itself"),
    "noise-peers": View(noise=True),
    "votes-only": View(shows="votes"),
    "text-only": View(shows="text"),
    "ring": View(reads="neighbours"),
}


def build_conditions(panel: Panel, controls: Sequence[str]) -> tuple[Condition, ...]:
    """The debate and its controls, in the order in which a store numbers them.

    Raises:
        ConfigError: A control that is not known, stands twice, or means nothing for this panel.
    """
    conditions = [Condition(DEBATE, panel)]
    for control in controls:
        if control not in CONTROLS:
            raise ConfigError(f"unknown control {control!r}", hint=f"Controls: {', '.join(CONTROLS)}.")
        if controls.count(control) > 1:
            raise ConfigError(f"the control {control!r} stands twice", hint="Name it once.")
        conditions += _conditions_of(panel, control)
    return tuple(conditions)


def _conditions_of(panel: Panel, control: str) -> list[Condition]:
    if control == "first-round":
        return [Condition(control, replace(panel, rounds=1))]
    if control == "self-consistency":
        return [Condition(f"{control}:{card.id}", _samples(panel, card)) for card in panel.cards]
    if control == "homogeneous":
        return [Condition(f"{control}:{card.id}", _all_of(panel, card)) for card in panel.cards]
    if panel.rounds == 1:
        raise ConfigError(
            f"the control {control!r} changes what seats read in later rounds, and the panel {panel.name!r} has one",
            hint="Give the panel two rounds or more, or leave the control out.",
        )
    if control == "ring" and len(panel.seats) < 4:
        raise ConfigError(
            f"in a ring of {len(panel.seats)} seats everybody's neighbours are everybody, as in the debate",
            hint="Take four seats or more, or leave the control out.",
        )
    if control != "solo-revise" and len(panel.seats) < 2:
        raise ConfigError(
            f"the control {control!r} changes what is read of peers, and the panel {panel.name!r} has one seat",
            hint="Give the panel two seats or more, or leave the control out.",
        )
    return [Condition(control, panel, _VIEWS[control])]


def _all_of(panel: Panel, card: Card) -> Panel:
    """Every seat on one model; a seat that changes its model speaks as the model's own first seat does."""
    first = next(seat for seat in panel.seats if seat.card.id == card.id)

    def moved(seat: Seat) -> Seat:
        if seat.card.id == card.id:
            return seat
        return replace(seat, card=card, sampling=first.sampling, thinking=first.thinking)

    return replace(panel, seats=tuple(moved(seat) for seat in panel.seats))


def _samples(panel: Panel, card: Card) -> Panel:
    """As many independent first turns of one model as the debate has turns.

    The first of them are the seats of the homogeneous panel, under their own names: the same prompts and seeds, so
    that what the debate has generated serves here too. Further samples are seats with a number behind the name.
    """
    seats = _all_of(panel, card).seats
    samples = list(seats)
    names = {seat.name.casefold() for seat in seats}
    for number in range(2, panel.rounds + 1):
        for seat in seats:
            name = f"{seat.name} {number}"
            while name.casefold() in names:
                name += "'"
            names.add(name.casefold())
            samples.append(replace(seat, name=name))
    return replace(panel, seats=tuple(samples), rounds=1)
