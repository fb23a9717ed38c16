"""What was compared: a sweep's design, the controls, and what became of the debates."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

from localtable.analysis.findings import Analysis
from localtable.analysis.methods.words import Used
from localtable.analysis.notes import LACKING
from localtable.analysis.run_facts import ConditionFacts
from localtable.analysis.words import count, listed
from localtable.types import variant_name

MOST_NAMED = 12
"""Combinations that were left out and are named."""
MOST_WRITTEN = 160
"""Characters of a level that are printed."""
_CONTROLS = {
    "first-round": "the first round alone",
    "self-consistency": "as many independent first turns of one model as the debate has turns",
    "solo-revise": "the same rounds with every seat reading itself alone",
    "noise-peers": "peers' turns from the debate on another question",
    "votes-only": "peers' votes without their statements",
    "text-only": "peers' statements without their votes",
    "ring": "each seat reading its two neighbours",
    "homogeneous": "all seats on one model",
}


def design_paragraph(analysis: Analysis, used: Used) -> str:
    """A sweep's factors and levels, the controls, and what became of all debates."""
    chosen = [c for c in analysis.facts.conditions if c.name in analysis.asked.conditions]
    controls = dict.fromkeys(c.control for c in chosen if not c.is_debate)
    sentences = _sweep(analysis)
    if controls:
        named = listed([f"{name} ({_CONTROLS[name]}{_cited(name, used)})" for name in controls])
        sentences.append(f"Controls, from the same seeds and on the same questions: {named}.")
    if len(chosen) > 1:
        sentences.append(
            "Requests that are equal in model, prompt, settings and seed were generated once and serve every condition"
            " that asks for them."
        )
    finished, failed, unfinished = (sum(getattr(c, name) for c in chosen) for name in ("finished", "failed", "open"))
    sentences.append(
        f"Of {finished + failed + unfinished:,} debates over all conditions {finished:,} finished, {failed:,} failed"
        f" and {unfinished:,} were not held; none was replaced."
    )
    return " ".join([*sentences, *_left_out(analysis, chosen)])


def _left_out(analysis: Analysis, chosen: Sequence[ConditionFacts]) -> Iterator[str]:
    """What figures are not of, and where it is missing."""
    for name, verb in (("failed", "failed"), ("open", "were not held"), ("left_out", "had no partner for noise")):
        found = [f"{getattr(c, name):,} in {c.name}" for c in chosen if getattr(c, name)]
        if found and len(chosen) > 1:
            yield f"Those that {verb}: {', '.join(found)}."
    if any(c.failed or c.open for c in chosen):
        yield "Figures are of the finished ones; what the others said counts among the validity figures alone."
    yield from (f"{note[:1].upper()}{note[1:]}." for note in analysis.notes if LACKING in note)


def _sweep(analysis: Analysis) -> list[str]:
    """Its design, and that the baseline is what was described."""
    run = analysis.facts.run
    if run.sweep is None:
        return []
    factors = run.sweep["factors"]
    combinations = [dict(zip(factors, levels, strict=True)) for levels in product(*factors.values())]
    held = [dict(row.levels) for row in run.variants]
    without = [levels for levels in combinations if levels not in held]
    named = listed(
        [f"{name} ({', '.join(_level(*level) for level in levels.items())})" for name, levels in factors.items()]
    )
    design = "a full factorial design" if not without else f"{len(held):,} of the {len(combinations):,} combinations"
    sentences = [
        f"The run is the sweep {run.sweep['name']!r}, {design} of {named}: {count(len(held), 'variant')}. What is"
        f" described above is the baseline, {run.variants[0].name}; each other variant differs from it in its levels."
    ]
    if 0 < len(without) <= MOST_NAMED:
        sentences.append(f"Left out: {'; '.join(map(variant_name, without))}.")
    return sentences


def _level(name: str, written: object) -> str:
    """A level by its name, and what it says of the panel where the name is not that."""
    if str(written) == name or (isinstance(written, str) and Path(written).stem == name):
        return name
    said = json.dumps(written, ensure_ascii=False)
    return f"{name}: {said}" if len(said) <= MOST_WRITTEN else f"{name}: as the store's `run.sweep` has it"


def _cited(control: str, used: Used) -> str:
    found = used.cite(control) if control == "self-consistency" else ""
    return f";{found}" if found else ""
