"""A panel's data with a patch laid over it: what the levels of a sweep do to a panel's file.

Mappings are merged key by key, anything else takes the place of what was there, and null takes a key away. Seats go by
their names; `*` is every seat with a model.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from localtable.config.card_lookup import find_card_file
from localtable.config.panel import FILE_ENDINGS
from localtable.errors import ConfigError
from localtable.loading import nearest, path_from

ALL_SEATS = "*"
INHERITED = ("sampling", "thinking")
"""What a seat has from the panel where it says nothing of its own."""


def patched(panel: Mapping[str, Any], patch: Mapping[str, Any], where: str) -> dict[str, Any]:
    """A panel's data with a patch laid over it.

    Args:
        panel: As its file has it.
        patch: Keys of a panel; `seats` is a list in place of the panel's, or patches by the seats' names.
        where: What to call the patch in an error.

    Raises:
        ConfigError: It names a seat that isn't there, or its patch is no mapping.
    """
    rest = {key: value for key, value in patch.items() if key != "seats"}
    merged = _merged(panel, rest)
    if "seats" in patch:
        seats = patch["seats"]
        merged["seats"] = _patched_seats(merged, seats, where) if isinstance(seats, dict) else seats
    return merged


def _merged(data: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(data)
    for key, value in patch.items():
        there = found.get(key)
        if value is None:
            found.pop(key, None)
        elif isinstance(value, dict):
            found[key] = _merged(there if isinstance(there, dict) else {}, value)
        else:
            found[key] = value
    return found


def _patched_seats(panel: Mapping[str, Any], patches: Mapping[str, Any], where: str) -> list[Any]:
    """The panel's seats, each with its patches: what is for all of them first."""
    listed = panel.get("seats")
    seats = {str(seat.get("name")): seat for seat in listed if isinstance(seat, dict)} if listed else {}
    for_all = {name: ALL_SEATS for name, seat in seats.items() if seat.get("model") is not None}
    own = {name: name for name in patches if name != ALL_SEATS}
    for names in (for_all if ALL_SEATS in patches else {}, own):
        for name, asked in names.items():
            patch = patches[asked]
            if patch is None and asked != ALL_SEATS and name in seats:
                del seats[name]
                continue
            if not isinstance(patch, dict):
                raise ConfigError(
                    f"{where}: the patch of the seat {asked!r} is no mapping",
                    hint="Write keys of a seat and their values; null, for one seat, leaves it out.",
                )
            if name not in seats and patch.keys().isdisjoint({"model", "confederate"}):
                raise ConfigError(
                    f"{where}: the panel has no seat {name!r}",
                    hint=nearest(name, [*seats, ALL_SEATS], kind="seats")
                    + " A new seat needs a `model`, or a `confederate`.",
                )
            seats[name] = _merged(_with_inherited(panel, seats.get(name, {"name": name}), patch), patch)
    return list(seats.values())


def _with_inherited(panel: Mapping[str, Any], seat: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """The seat, saying itself what it has from the panel, so that a patch of some of it leaves the rest in force."""
    taken = {key: panel[key] for key in INHERITED if key in patch and key not in seat and key in panel}
    return {**seat, **taken}


def with_absolute_paths(panel: Mapping[str, Any], base: Path) -> dict[str, Any]:
    """A panel's data, or a patch, that says the same in whichever folder it is read.

    Args:
        panel: As its file has it.
        base: The folder of that file.
    """
    found = dict(panel)
    prompts, moderator, seats = found.get("prompts"), found.get("moderator"), found.get("seats")
    if isinstance(prompts, str) and prompts.endswith(FILE_ENDINGS):
        found["prompts"] = str(path_from(prompts, base))
    if isinstance(moderator, str):
        found["moderator"] = _absolute_model(moderator, base)
    if isinstance(seats, list):
        found["seats"] = [_seat_with_absolute_paths(seat, base) for seat in seats]
    elif isinstance(seats, dict):
        found["seats"] = {name: _seat_with_absolute_paths(seat, base) for name, seat in seats.items()}
    return found


def _seat_with_absolute_paths(seat: Any, base: Path) -> Any:
    if not isinstance(seat, dict):
        return seat
    found = dict(seat)
    model, confederate = found.get("model"), found.get("confederate")
    if isinstance(model, str):
        found["model"] = _absolute_model(model, base)
    vote = confederate.get("vote") if isinstance(confederate, dict) else None
    if isinstance(confederate, dict) and isinstance(vote, dict) and isinstance(vote.get("file"), str):
        found["confederate"] = {**confederate, "vote": {**vote, "file": str(path_from(vote["file"], base))}}
    return found


def _absolute_model(model: str, base: Path) -> str:
    """What a seat's `model`, or a panel's `moderator`, means, in whichever folder it is read."""
    if model.startswith("hub:") or find_card_file(model) is not None:
        return model
    path = path_from(model, base)
    # Anything else is a card's id that nobody knows, and better called by that.
    return str(path) if path.exists() or "/" in model or model.endswith(FILE_ENDINGS) else model
