"""Many variants of a panel as one run: one store, one pool of engines, equal requests generated once for all of them.

A sweep is begun here; `open_suite` goes on with it as with any other run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from localtable.errors import ConfigError
from localtable.prompts import Wording, check_wording, load_wording
from localtable.protocol import DEBATE, Condition, build_variants
from localtable.runner.inputs import describe_sweep, with_engine_arguments
from localtable.runner.session import RunOptions
from localtable.runner.suite import begin_run, require_whole
from localtable.store import Run, holds_run
from localtable.transcript import panel_to_json
from localtable.types import Panel, Question, Sweep, Variant
from localtable.weights import ModelFiles


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """A sweep's conditions, each with its wording."""

    sweep: Sweep
    conditions: Mapping[int, Condition]
    """By number."""
    wordings: Mapping[int, Wording]
    """By the condition's number."""

    @property
    def num_controls(self) -> int:
        """Conditions beside the variants' debates."""
        return sum(condition.control != DEBATE for condition in self.conditions.values())

    def num_turns(self, num_debates: int) -> int:
        """Turns that models take, if no debate stops early and no answer is shared.

        Args:
            num_debates: Of each condition.
        """
        panels = [condition.panel for condition in self.conditions.values()]
        return num_debates * sum(panel.rounds * len(panel.model_seats) for panel in panels)


def plan_sweep(sweep: Sweep) -> SweepPlan:
    """Build a sweep's conditions and read its wordings; nothing is loaded or stored.

    Raises:
        ConfigError: Two variants are the same, a control means nothing for one, or a wording can't speak to its panel.
    """
    for_all = sweep.controls_for == "all"
    conditions = dict(enumerate(build_variants(sweep.variants, sweep.controls, for_all=for_all), start=1))
    loaded = {prompts: load_wording(prompts) for prompts in {c.panel.prompts for c in conditions.values()}}
    wordings = {number: loaded[condition.panel.prompts] for number, condition in conditions.items()}
    for number, condition in conditions.items():
        try:
            check_wording(wordings[number], condition.panel)
        except ConfigError as error:
            raise ConfigError(f"the variant {condition.debate!r}: {error.message}", hint=error.hint) from None
    _refuse_same(sweep.variants, loaded)
    return SweepPlan(sweep, conditions, wordings)


def _refuse_same(variants: Iterable[Variant], wordings: Mapping[str, Wording]) -> None:
    """Refuse variants that hold the same debates: what would be compared is nothing."""
    seen: dict[str, Variant] = {}
    for variant in variants:
        first = seen.setdefault(_written(variant.panel, wordings), variant)
        if first is variant:
            continue
        levels = [
            f"{first.levels[factor]!r} and {level!r} of {factor!r}"
            for factor, level in variant.levels.items()
            if first.levels[factor] != level
        ]
        raise ConfigError(
            f"the levels {', and '.join(levels)} give the same panel: {first.name!r} and {variant.name!r} differ in "
            "nothing that a debate depends on",
            hint="Take one of them away, or put one combination into `exclude`.",
        )


def _written(panel: Panel, wordings: Mapping[str, Wording]) -> str:
    """All of a panel that its debates depend on."""
    return repr(panel_to_json(replace(panel, name="", moderator=None, prompts=wordings[panel.prompts].sha256)))


def refuse_large(path: Path, sweep: Sweep, num_turns: int, most: int, *, otherwise: str) -> None:
    """Refuse to begin what takes more turns than anybody may have meant; a sweep that is begun goes on.

    Args:
        path: Of the store.
        sweep: What is to be held.
        num_turns: That it takes at most.
        most: That are held.
        otherwise: How to ask for it all the same.

    Raises:
        ConfigError: Says how many they are.
    """
    if num_turns > most and not holds_run(path):
        raise ConfigError(
            f"the sweep {sweep.name!r} takes {num_turns:,} turns; without being asked for, {most:,} are held at most",
            hint=f"{otherwise} to begin it all the same, or take fewer levels, combinations or questions (a limit).",
        )


def begin_sweep(
    path: Path, sweep: Sweep, questions: Iterable[Question], options: RunOptions, *, shard: tuple[int, int] = (1, 1)
) -> None:
    """Put a sweep's inputs into its store; one that holds the same sweep already is left as it is.

    Args:
        path: Of the store.
        sweep: What is held.
        questions: Read once.
        options: What the command says.
        shard: Which of how many slices of the suite this store holds; 1-based.

    Raises:
        ConfigError: As `plan_sweep`; the store holds another run; the questions are wrong.
        PrerequisiteError: Weights or packages are missing.
        StoreError: Another process works on it, or it is damaged.
    """
    arguments = options.engine_arguments
    sweep = replace(
        sweep,
        variants=tuple(
            replace(variant, panel=with_engine_arguments(variant.panel, arguments)) for variant in sweep.variants
        ),
    )
    plan = plan_sweep(sweep)
    require_whole(plan.conditions, shard)

    def describe(engine: str, files: Mapping[str, ModelFiles]) -> Run:
        return describe_sweep(engine, sweep, plan.conditions, files, plan.wordings, shard=shard)

    begin_run(path, plan.conditions, questions, options, describe)
