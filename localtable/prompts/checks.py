"""Whether a wording says what a panel wants said: before anything is stored or loaded."""

from __future__ import annotations

from localtable.errors import ConfigError
from localtable.loading import nearest
from localtable.prompts.naming import shown_names
from localtable.prompts.wording import Wording
from localtable.types import Panel


def check_wording(wording: Wording, panel: Panel) -> None:
    """Refuse a panel that this wording can't speak to.

    Raises:
        ConfigError: A role that it has no words for, a persona that it has no place for, names that would be mistaken
            for one another.
    """
    _check_roles(wording, panel)
    _check_own_names(wording, panel)
    if panel.visibility.names != "seats":
        _check_shown_names(wording, panel)


def _check_roles(wording: Wording, panel: Panel) -> None:
    parts = wording.parts
    for seat in panel.model_seats:
        if seat.role is not None and seat.role not in parts.roles:
            raise ConfigError(
                f"{seat.name!r} has the role {seat.role!r}, for which the prompts {wording.name!r} have no words",
                hint=nearest(seat.role, sorted(parts.roles), kind="roles"),
            )
        told = "persona" if seat.persona else "role" if seat.role else None
        own = [parts.statement.own] + ([parts.later_round.own] if panel.rounds > 1 else [])
        if told and "{persona}" not in (parts.system or "") and not all("{persona}" in part for part in own):
            raise ConfigError(
                f"{seat.name!r} has a {told}, and the prompts {wording.name!r} don't say it in every round",
                hint="Put {persona} into `statement.own` and `later_round.own`, or into `system`.",
            )


def _check_own_names(wording: Wording, panel: Panel) -> None:
    own_reasoning = wording.parts.ballot.own_reasoning
    if any(seat.name == own_reasoning for seat in panel.seats):
        raise ConfigError(
            f"a seat is called {own_reasoning!r}, which these prompts say for a mind changed without a peer",
            hint="Give the seat another name.",
        )


def _check_shown_names(wording: Wording, panel: Panel) -> None:
    if panel.visibility.names == "models":
        for seat in panel.confederates:
            if seat.poses_as is None:
                raise ConfigError(
                    f"seats go by their models' names, and {seat.name!r}, a confederate, has none",
                    hint="Say what it `poses_as`, or take `names: seats` or `neutral`.",
                )
    own = {seat.name.casefold(): seat.name for seat in panel.seats}
    taken = {wording.parts.ballot.own_reasoning.casefold(): wording.parts.ballot.own_reasoning}
    for name in shown_names(panel.seats, panel.visibility, wording).values():
        folded = name.casefold()
        if panel.visibility.names == "neutral" and folded in own:
            raise ConfigError(
                f"a seat is called {own[folded]!r}, which is one of the neutral names of these prompts",
                hint="Give the seat another name, or the prompts another `participant`.",
            )
        if folded in taken:
            raise ConfigError(
                f"{name!r} and {taken[folded]!r} would both be shown, and can't be told apart",
                hint="Rename a model's card or what a confederate `poses_as`, or take `names: seats` or `neutral`.",
            )
        taken[folded] = name
