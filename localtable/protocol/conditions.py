"""The conditions of a run: the debate itself, and the controls that it is compared with.

A control is the same debate under another rule: other rounds, other seats, or another visibility of the previous round,
which is the panel's own with a switch or two the other way. All of them draw the seeds that the debate draws, so that
an equal prompt is an equal request, generated once for all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from localtable.errors import ConfigError
from localtable.types import Card, Panel, Participant, Seat, Variant, Visibility

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
class Condition:
    """A rule under which every question of a run is debated."""

    name: str
    """`debate`, a control's name, or a control's name, a colon and a model's id. In a sweep a variant's name, and a
    control's has its variant's and a slash before it."""
    panel: Panel
    noise: bool = False
    """What peers say comes from the debate on another question."""
    debate: str = DEBATE
    """The debate that it is, or of which it is a control, by name."""
    levels: Mapping[str, str] = field(default_factory=dict)
    """In a sweep: by factor the variant's level."""

    @property
    def control(self) -> str:
        """Which control it is, without variant and model; `debate` for none."""
        if self.name == self.debate:
            return DEBATE
        return self.name.removeprefix(f"{self.debate}/").partition(":")[0]

    @property
    def moderator(self) -> Card | None:
        """Who sums its debates up; controls are summed up from templates."""
        return self.panel.moderator if self.control == DEBATE else None


def _solo(visibility: Visibility) -> Visibility:
    return replace(visibility, reads="itself", tally="hidden")


def _votes_only(visibility: Visibility) -> Visibility:
    return replace(visibility, votes="shown", statements="hidden")


def _text_only(visibility: Visibility) -> Visibility:
    # Whatever says how somebody voted is hidden with the votes.
    return replace(visibility, votes="hidden", confidence="hidden", tally="hidden", statements="shown")


def _ring(visibility: Visibility) -> Visibility:
    return replace(visibility, reads="neighbours")


_SEEN: dict[str, Callable[[Visibility], Visibility]] = {
    "solo-revise": _solo,
    "votes-only": _votes_only,
    "text-only": _text_only,
    "ring": _ring,
}
"""Controls of what is read, by what they make of the panel's own visibility."""


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


def build_variants(variants: Sequence[Variant], controls: Sequence[str], *, for_all: bool) -> tuple[Condition, ...]:
    """The conditions of a sweep, in the order in which a store numbers them: each variant, and its controls.

    Args:
        variants: The baseline first.
        controls: By name.
        for_all: Whether every variant has them, or the baseline alone.

    Raises:
        ConfigError: As `build_conditions`; says of which variant.
    """
    found: list[Condition] = []
    for variant in variants:
        asked = controls if for_all or variant is variants[0] else ()
        try:
            conditions = build_conditions(variant.panel, asked)
        except ConfigError as error:
            raise ConfigError(f"the variant {variant.name!r}: {error.message}", hint=error.hint) from None
        for condition in conditions:
            is_debate = condition.control == DEBATE
            name = variant.name if is_debate else f"{variant.name}/{condition.name}"
            found.append(replace(condition, name=name, debate=variant.name, levels=variant.levels))
    return tuple(found)


def debate_of(conditions: Mapping[int, Condition], number: int) -> int:
    """The number of the debate that a condition is, or of which it is a control."""
    return next(n for n, condition in conditions.items() if condition.name == conditions[number].debate)


def cards_of(conditions: Iterable[Condition]) -> tuple[Card, ...]:
    """The distinct models of all conditions, moderators among them, in the order of their first seat."""
    cards = (card for condition in conditions for card in (*condition.panel.cards, condition.moderator))
    return tuple({card.id: card for card in cards if card is not None}.values())


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
    if control == "noise-peers":
        return [_noise(panel)]
    seen = _SEEN[control](panel.visibility)
    if seen == panel.visibility:
        raise ConfigError(
            f"the control {control!r} is what the panel {panel.name!r} does itself",
            hint="Leave the control out, or the visibility that makes it so.",
        )
    return [Condition(control, replace(panel, visibility=seen))]


def _noise(panel: Panel) -> Condition:
    if not panel.visibility.peers_shown and panel.visibility.tally == "hidden":
        raise ConfigError(
            f"the control 'noise-peers' changes what is read of peers, and seats of the panel {panel.name!r} read "
            "nothing of them",
            hint="Leave the control out, or the visibility that makes it so.",
        )
    return Condition("noise-peers", panel, noise=True)


def _all_of(panel: Panel, card: Card) -> Panel:
    """Every seat on one model, confederates aside; one that changes it speaks as the model's own first seat does."""
    first = next(seat for seat in panel.model_seats if seat.card.id == card.id)

    def moved(seat: Participant) -> Participant:
        if not isinstance(seat, Seat) or seat.card.id == card.id:
            return seat
        return replace(seat, card=card, sampling=first.sampling, thinking=first.thinking)

    return replace(panel, seats=tuple(moved(seat) for seat in panel.seats))


def _samples(panel: Panel, card: Card) -> Panel:
    """As many independent first turns of one model as the debate has turns.

    The first of them are the seats of the homogeneous panel, under their own names: the same prompts and seeds, so
    that what the debate has generated serves here too. Further samples are seats with a number behind the name.
    """
    seats = _all_of(panel, card).model_seats
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
