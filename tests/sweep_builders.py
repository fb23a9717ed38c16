"""Sweeps that tests hold: files as a user's would be, runs of the scripted engine."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from builders import CARD, write_panel

from localtable.config import load_suites, load_sweep
from localtable.errors import InterruptedRun
from localtable.runner import RunOptions, begin_sweep, open_suite
from localtable.runner.events import RunEvent, TurnFinished
from localtable.types import Panel, Sweep

CARDS = tuple({**CARD, "id": card_id} for card_id in ("small", "large", "third", "fourth"))
FACTORS: Mapping[str, Any] = {"visibility.order": ["fixed", "shuffled"], "rounds": ["2", "3"]}


def write_sweep(
    folder: Path, *, seats: Sequence[str] = ("Ada", "Bob"), num_questions: int = 4, num_models: int = 2, **changes: Any
) -> Path:
    """A sweep's file with its panel and its questions beside it; a key that is None is left out.

    Args:
        folder: Takes the files.
        seats: Of the panel, in turn on the models.
        num_questions: In the suite.
        num_models: That sit there.
        changes: Keys of the sweep; `panel_keys` are of the panel's file.
    """
    write_panel(folder, *seats, cards=CARDS[:num_models], **changes.pop("panel_keys", {}))
    options = [["Yes", "No"], ["Red", "Green", "Blue"]]
    lines = [
        {"id": f"q{i}", "question": f"Is it {i}?", "options": options[i // 2 % 2], "answer": "A"}
        for i in range(num_questions)
    ]
    (folder / "suite.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    data = {"name": "trial", "panel": "panel.yaml", "questions": ["suite.jsonl"], "factors": FACTORS, **changes}
    path = folder / "sweep.yaml"
    kept = {key: value for key, value in data.items() if value is not None}
    path.write_text(yaml.safe_dump(_plain(kept), sort_keys=False, allow_unicode=True))
    return path


def _plain(data: Any) -> Any:
    if isinstance(data, Mapping):
        return {key: _plain(value) for key, value in data.items()}
    return [_plain(value) for value in data] if isinstance(data, list | tuple) else data


def load(path: Path) -> Sweep:
    return load_sweep(path).sweep


def panels(path: Path) -> dict[str, Panel]:
    """The panels of a sweep's variants, by their names."""
    return {variant.name: variant.panel for variant in load(path).variants}


def hold_sweep(
    store: Path, file: Path, *, stop_after: int | None = None, shard: tuple[int, int] = (1, 1), **options: Any
) -> Path:
    """Begin a sweep and hold it, whole or for so many turns; one that was begun before is gone on with.

    Args:
        store: Takes the run. Its folder takes the state that LOCALTABLE_HOME has.
        file: Of the sweep.
        stop_after: Ask for an end after so many turns.
        shard: Of the suite.
        options: Of `RunOptions`.
    """
    turns: list[RunEvent] = []
    run = RunOptions(
        home=store.parent / "home",
        engine="scripted",
        tell=lambda event: turns.append(event) if isinstance(event, TurnFinished) else None,
        should_stop=lambda: stop_after is not None and len(turns) >= stop_after,
        **options,
    )
    loaded = load_sweep(file)
    begin_sweep(store, loaded.sweep, load_suites(loaded.suites), run, shard=shard)
    with open_suite(store, run) as opened, suppress(InterruptedRun):
        list(opened.run())
    return store
