"""Which models `localtable models list` shows, and as what."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from localtable.errors import ConfigError
from localtable.loading import nearest

if TYPE_CHECKING:
    from localtable.scheduler.devices import Machine
    from localtable.types import Card
    from localtable.weights import ModelFiles

_PARAMETERS = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*([BM])\s*$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Filters:
    """What a model must be to be listed."""

    family: str | None = None
    license_text: str | None = None
    least: int | None = None
    most: int | None = None
    machine: Machine | None = None

    @classmethod
    def read(
        cls, family: str | None, license_text: str | None, least: str | None, most: str | None, fits: str | None
    ) -> Filters:
        """The command line's texts.

        Raises:
            ConfigError: A size without a unit, bounds in the wrong order, a machine that can't be.
        """
        from localtable.scheduler.gpus import parse_gpus

        bounds = [None if text is None else parse_parameters(text) for text in (least, most)]
        if bounds[0] is not None and bounds[1] is not None and bounds[0] > bounds[1]:
            raise ConfigError(f"--min-size {least} is above --max-size {most}", hint="No model can be both; swap them.")
        return cls(family, license_text, bounds[0], bounds[1], None if fits is None else parse_gpus(fits))


@dataclass(frozen=True, slots=True)
class Listed:
    """A model that is listed."""

    card: Card
    needed_bytes: int | None
    """Of each device, to be worth seating; None where the card lacks figures."""
    devices: int = 1
    """How many it is spread over."""

    def facts(self) -> dict[str, Any]:
        """What JSON says of its needs."""
        return {"needed_bytes": self.needed_bytes, "devices": self.devices}


def choose(cards: Sequence[Card], filters: Filters) -> tuple[list[Listed], list[str]]:
    """The models that pass, and what is to be said of those that could not be judged.

    Raises:
        ConfigError: No model at all is of this family, or under such a licence.
    """
    wanted, license_text = (filters.family or "").lower(), (filters.license_text or "").lower()
    _require_known(filters.family, [family_of(card) for card in cards], "--family", lambda name: name == wanted)
    _require_known(
        filters.license_text, [card.license for card in cards], "--license", lambda name: license_text in name
    )
    listed: list[Listed] = []
    said: list[str] = []
    for card in cards:
        if (
            (wanted and family_of(card).lower() != wanted)
            or license_text not in card.license.lower()
            # At an endpoint nobody says how large it is, and nothing of it has to fit.
            or (card.endpoint is not None and (filters.least, filters.most, filters.machine) != (None,) * 3)
            or (filters.least is not None and card.parameters < filters.least)
            or (filters.most is not None and card.parameters > filters.most)
        ):
            continue
        try:
            entry = _judge(card, filters.machine)
        except ConfigError as error:
            entry = Listed(card, None)
            said += [f"not judged: {error.message}"] if filters.machine else []
        if entry is not None and (entry.needed_bytes is not None or filters.machine is None):
            listed.append(entry)
    return listed, said


def family_of(card: Card) -> str:
    """Models of one origin; the kind of model where the card says nothing."""
    return card.family or card.architecture.model_type


def parse_parameters(text: str) -> int:
    """`8B`, `500M` → a number of parameters.

    Raises:
        ConfigError: No number with a unit.
    """
    match = _PARAMETERS.match(text)
    if not match:
        raise ConfigError(f"{text!r} is no number of parameters", hint="Write it with its unit, such as 8B or 500M.")
    return round(float(match[1]) * (10**9 if match[2].lower() == "b" else 10**6))


def table(rows: Sequence[tuple[Listed, ModelFiles | None]]) -> list[str]:
    """Lines of text, with a head."""
    from localtable.weights import gigabytes

    lines = [("ID", "FAMILY", "PARAMETERS", "CONTEXT", "NEEDS", "LICENSE", "WEIGHTS")]
    for entry, files in rows:
        card = entry.card
        if card.endpoint is not None:
            size = billions(card.parameters) if card.parameters else "unknown"
            lines.append((card.id, family_of(card), size, "–", "–", card.license, f"at {card.endpoint.base_url}"))
            continue
        here = f"{gigabytes(files.size_bytes)} here" if files else "not fetched"
        size = billions(card.parameters)
        if card.active_parameters != card.parameters:
            size += f", {billions(card.active_parameters)} active"
        lines.append((card.id, family_of(card), size, str(card.context_length), _needs(entry), card.license, here))
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]


def billions(count: int) -> str:
    """A number of parameters as people write it."""
    return f"{count / 1e9:.1f}B" if count >= 1e9 else f"{count / 1e6:.0f}M"


def _judge(card: Card, machine: Machine | None) -> Listed | None:
    """A model with what it needs; None where it doesn't fit.

    One GPU, or several of them together where one is too small for it.
    """
    from localtable.scheduler.memory import can_split, useful_bytes

    if card.endpoint is not None:
        return Listed(card, 0, 0)
    if machine is None:
        return Listed(card, useful_bytes(card))
    capacities = sorted(machine.capacities, reverse=True)
    for count in range(1, len(capacities) + 1):
        if count & (count - 1) or not can_split(card, count):
            continue  # ranks come in powers of two: other numbers divide hardly any model's heads
        needed = useful_bytes(card, devices=count)
        if needed <= capacities[count - 1]:
            return Listed(card, needed, count)
    return None


def _needs(entry: Listed) -> str:
    from localtable.scheduler.devices import GIB

    if entry.needed_bytes is None:
        return "?"
    size = f"{entry.needed_bytes / GIB:.1f} GiB"
    return size if entry.devices == 1 else f"{entry.devices} × {size}"


def _require_known(given: str | None, known: list[str], option: str, fits: Any) -> None:
    names = sorted(set(known))
    if given is not None and not any(fits(name.lower()) for name in names):
        raise ConfigError(f"{option} {given}: no model's card says so", hint=nearest(given, names, kind="ones"))
