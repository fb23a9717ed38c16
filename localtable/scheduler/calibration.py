"""What engines really took and how long it lasted, remembered for the next plan.

One small JSON file for each model, settings and device under LOCALTABLE_HOME, written whole. Nothing depends on it: a
file that can't be read is as good as none.
"""

from __future__ import annotations

import dataclasses
import glob
import hashlib
import json
import warnings
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, NamedTuple

from localtable.errors import LocaltableError
from localtable.scheduler.machine import Device
from localtable.scheduler.memory.observation import Observation
from localtable.scheduler.memory.settings import EngineSettings
from localtable.scheduler.simulate.instance import Speed
from localtable.types import Card
from localtable.whole_file import write_text

FORMAT = 2
"""Of the files; those of other versions are left aside without a word."""
FOLDER = "calibration"
DIGITS = 12
"""Of the key's hash, in a file's name."""
LENGTHS = ("max_model_len", "max_num_seqs", "max_num_batched_tokens", "block_size")
"""Settings that change from panel to panel, and with them neither weights nor speed."""
MOST_BYTES = 1 << 50
MOST_SECONDS = 1e6


class Calibration:
    """The observations under one LOCALTABLE_HOME."""

    def __init__(self, home: Path) -> None:
        """Nothing is read or made before it is asked for."""
        self._folder = home / FOLDER
        self._read: dict[str, list[_Found]] = {}
        """By card id: its files, the oldest first. A plan asks for every layout that it tries."""

    def find(self, card: Card, settings: EngineSettings, device: Device) -> Observation | None:
        """What is known of such an engine; None where nothing is.

        Of the same model on the same device with another context or batch, what doesn't depend on those: weights,
        seconds and rates. A damaged file is warned of and ignored.
        """
        wanted = _key(card, settings, device)
        exact, similar = None, Observation()
        for found in self._files_of(card.id):
            if found.key == wanted:
                exact = found.observation
            if _apart_from_lengths(found.key) == _apart_from_lengths(wanted):
                similar = similar.updated(_apart_from_bytes(found.observation))
        known = similar if exact is None else similar.updated(exact)
        return None if known == Observation() else known

    def remember(self, card: Card, settings: EngineSettings, device: Device, seen: Observation) -> None:
        """Add what was seen; figures that are known already are replaced.

        A disk that takes nothing more is warned of: no run ends over it.
        """
        key = _key(card, settings, device)
        digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
        path = self._folder / f"{card.id}-{digest[:DIGITS]}.json"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a damaged file is written anew
            found = _read(path) if path.is_file() else None
        known = found.observation if found and found.key == key else Observation()
        data = {"format": FORMAT, "key": key, "observation": asdict(known.updated(seen))}
        self._read.pop(card.id, None)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_text(path, json.dumps(data, indent=1) + "\n")
        except (OSError, LocaltableError) as error:
            warnings.warn(f"what {card.id} took could not be remembered: {error}", stacklevel=2)

    def _files_of(self, card_id: str) -> list[_Found]:
        if card_id not in self._read:
            name = f"{glob.escape(card_id)}-{'[0-9a-f]' * DIGITS}.json"
            paths = sorted(self._folder.glob(name), key=_written)
            self._read[card_id] = [found for path in paths if (found := _read(path)) is not None]
        return self._read[card_id]


class _Found(NamedTuple):
    """A file's content."""

    key: dict[str, Any]
    observation: Observation


def _key(card: Card, settings: EngineSettings, device: Device) -> dict[str, Any]:
    """All that decides the figures: the model's shape, how it is started, and what it runs on."""
    return {
        "model": card.id,
        "parameters": card.parameters,
        "quantization": card.quantization,
        "settings": asdict(settings),
        # Whole GiB: a driver's update changes a device's total by a few MiB.
        "device": [device.kind, device.name, round(device.total_bytes / 1024**3) if device.kind == "cuda" else 0],
        "cores": device.cores,
    }


def _apart_from_lengths(key: dict[str, Any]) -> dict[str, Any]:
    settings = {name: value for name, value in key["settings"].items() if name not in LENGTHS}
    return {**key, "settings": settings}


def _apart_from_bytes(observation: Observation) -> Observation:
    """Without what depends on context and batch."""
    return dataclasses.replace(
        observation, kv_block_bytes=None, kv_block_tokens=None, activations_bytes=None, graphs_bytes=None
    )


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _read(path: Path) -> _Found | None:
    try:
        return _parse(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        warnings.warn(f"{path} is damaged and ignored ({type(error).__name__}: {error}); delete it", stacklevel=3)
        return None


def _parse(data: Any) -> _Found | None:
    version = data["format"]
    if version != FORMAT:
        if not isinstance(version, int):
            raise ValueError(f"its format is {version!r}")
        return None
    key, figures = dict(data["key"]), dict(data["observation"])
    dict(key["settings"])
    speed = figures.pop("speed", None)
    unknown = figures.keys() - {field.name for field in fields(Observation)}
    if unknown:
        raise ValueError(f"it has the unknown figure {sorted(unknown)[0]}")
    for name, value in figures.items():
        if value is not None:
            figures[name] = _checked(name, value)
    if speed is not None:
        speed = Speed(**{name: _checked(name, value) for name, value in speed.items()})
    return _Found(key, Observation(**figures, speed=speed))


def _checked(name: str, value: Any) -> Any:
    """A figure of the right type and within reason, so that no plan is built on a damaged one."""
    whole = name.endswith(("_bytes", "_tokens"))
    most = MOST_BYTES if whole else MOST_SECONDS
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float) or not 0 <= value <= most:
        raise ValueError(f"{name} is {value!r}")
    return value
