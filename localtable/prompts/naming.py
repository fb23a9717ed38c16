"""What seats are called in prompts: by their own names, by numbers, or by their models.

One name for each seat of a debate, wherever it is named: in its own part, in what others read of it, in the question
who persuaded. Everywhere else (store, transcript, screens) seats keep their own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from localtable.prompts.wording import Wording, fill
from localtable.types import Participant, Seat, Visibility


def shown_names(seats: Sequence[Participant], visibility: Visibility, wording: Wording) -> dict[str, str]:
    """What each seat is called, by its own name.

    Args:
        seats: In the order in which they speak: neutral names count them in it.
        visibility: Says what they go by.
        wording: Has the words.
    """
    match visibility.names:
        case "neutral":
            return {seat.name: _neutral(number, wording) for number, seat in enumerate(seats, start=1)}
        case "models":
            return _by_model({seat.name: _model(seat) for seat in seats}, wording)
        case _:
            return {seat.name: seat.name for seat in seats}


def longest_names(
    seats: Sequence[Participant], visibility: Visibility, wording: Wording, length: Callable[[str], int]
) -> dict[str, str]:
    """The longest name that each seat can have, whoever speaks first."""
    names = shown_names(seats, visibility, wording)
    if visibility.names == "seats":
        return names
    # Seats that change names with each other: all of them, or those of one model.
    group = {seat.name: _model(seat) if visibility.names == "models" else "" for seat in seats}
    longest: dict[str, str] = {}
    for seat, name in names.items():
        longest[group[seat]] = max(longest.get(group[seat], name), name, key=length)
    return {seat.name: longest[group[seat.name]] for seat in seats}


def _neutral(number: int, wording: Wording) -> str:
    return fill(wording.parts.participant, {"number": str(number)})


def _model(seat: Participant) -> str:
    name = seat.card.name if isinstance(seat, Seat) else seat.poses_as or ""
    # A card's name may have lines, and each of them would begin like a turn.
    return " ".join(name.split())


def _by_model(models: Mapping[str, str], wording: Wording) -> dict[str, str]:
    """The models' names; where several seats have one, they are counted."""
    seats_of = Counter(models.values())
    met = Counter[str]()
    named = {}
    for seat, model in models.items():
        met[model] += 1
        number = {"model": model, "number": str(met[model])}
        named[seat] = fill(wording.parts.same_model, number) if seats_of[model] > 1 else model
    return named
