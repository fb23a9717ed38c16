"""What each engine did when, a row for each device, and in seconds what that comes to."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from localtable.store import Store

WIDTH = 1000.0
LABEL = 70.0
ROW, HEIGHT = 30.0, 20.0
NARROWEST = WIDTH / 2000
"""What is nearer together than this is drawn as one: a long run has more stretches than a page has room for."""
PHASES = ("generate", "load", "wake", "sleep")


@dataclass(frozen=True, slots=True)
class Stretch:
    """An engine in one phase."""

    x: float
    width: float
    colour: int
    phase: str
    title: str


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """A device's time."""

    label: str
    y: float
    stretches: Sequence[Stretch]


@dataclass(frozen=True, slots=True)
class SessionLine:
    """A session: one scale from its first stretch to its last."""

    number: int
    seconds: float
    rows: Sequence[DeviceRow]
    height: float


@dataclass(frozen=True, slots=True)
class ModelTime:
    """Seconds that a model's engine has spent, by phase, over all sessions and devices."""

    model: str
    colour: int
    seconds: Sequence[float]
    """In the order of `PHASES`."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """All sessions of a run."""

    sessions: Sequence[SessionLine]
    models: Sequence[ModelTime]
    phases: Sequence[str] = PHASES


def read_timeline(store: Store) -> Timeline:
    """What a store's timeline has; sessions in which nothing was loaded are left out."""
    rows = [
        (session, model, tuple(json.loads(devices)) or (0,), phase, began, ended)
        for session, model, devices, phase, began, ended in store.query(
            "SELECT session, model, devices, phase, began, ended FROM timeline ORDER BY session, began"
        )
    ]
    colours = {model: place for place, model in enumerate(dict.fromkeys(row[1] for row in rows))}
    by_session: dict[int, list[tuple[str, tuple[int, ...], str, float, float]]] = {}
    for session, *rest in rows:
        by_session.setdefault(session, []).append(tuple(rest))
    sessions = [_session(number, own, colours) for number, own in by_session.items()]
    models = [
        ModelTime(
            model,
            colour,
            [sum(r[5] - r[4] for r in rows if r[1] == model and r[3] == phase) for phase in PHASES],
        )
        for model, colour in colours.items()
    ]
    return Timeline(sessions, models)


def _session(
    number: int, own: Sequence[tuple[str, tuple[int, ...], str, float, float]], colours: dict[str, int]
) -> SessionLine:
    total = max(row[4] for row in own) or 1.0
    devices = sorted({device for row in own for device in row[1]})
    rows = [
        DeviceRow(f"device {device}", ROW * place, list(_stretches(own, device, colours, total)))
        for place, device in enumerate(devices)
    ]
    return SessionLine(number, total, rows, ROW * len(devices))


def _stretches(
    own: Sequence[tuple[str, tuple[int, ...], str, float, float]],
    device: int,
    colours: dict[str, int],
    total: float,
) -> Iterator[Stretch]:
    scale = WIDTH / total
    open_model, open_phase, began, ended = "", "", 0.0, 0.0

    def stretch() -> Stretch:
        width = max((ended - began) * scale, NARROWEST)
        title = f"{open_model}: {open_phase}, {began:,.1f} to {ended:,.1f} s"
        return Stretch(round(LABEL + began * scale, 1), round(width, 1), colours[open_model], open_phase, title)

    for model, devices, phase, start, end in own:
        if device not in devices:
            continue
        if (model, phase) == (open_model, open_phase) and (start - ended) * scale < NARROWEST:
            ended = end
            continue
        if open_model:
            yield stretch()
        open_model, open_phase, began, ended = model, phase, start, end
    if open_model:
        yield stretch()
