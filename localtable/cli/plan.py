"""`localtable plan`: what a panel or a sweep will need, and how long it will take, before anything is loaded."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from localtable.cli.options import (
    machine_options,
    moderator_option,
    override,
    panel_options,
    read_gpus,
    read_panel,
    read_size,
    with_moderator,
)
from localtable.cli.work import File
from localtable.errors import ConfigError

if TYPE_CHECKING:
    from localtable.config.sweep import LoadedSweep
    from localtable.scheduler.devices import Machine
    from localtable.scheduler.plan import Workload
    from localtable.scheduler.seating import Wish
    from localtable.types import Card, Panel, Question


@click.command()
@click.argument("suites", nargs=-1, type=File, metavar="[SUITE…]")
@panel_options
@moderator_option
@click.option("--sweep", "sweep_file", type=File, metavar="FILE", help="A sweep, with its own panels and questions.")
@machine_options
@click.option("--questions", type=click.IntRange(1, 10_000_000), help="How many; the suite's own number, or 200.")
@click.option("--engine", type=click.Choice(["vllm", "transformers"]), default="vllm", show_default=True)
@click.option("--simulate", is_flag=True, help="Say also what each engine does when.")
@click.option("--json", "as_json", is_flag=True, help="JSON in place of words.")
def plan(
    suites: tuple[Path, ...],
    panel_file: str | None,
    models: tuple[str, ...],
    rounds: int | None,
    prompts: str | None,
    moderator: str | None,
    sweep_file: Path | None,
    gpus: str | None,
    device_memory: str | None,
    questions: int | None,
    engine: str,
    simulate: bool,
    as_json: bool,
) -> int:
    """Say which engines of a panel sit where, which must swap and how often, and how long a suite will take.

    Nothing is loaded or fetched. The machine is this one, unless --gpus describes another, which need not be here; the
    panel is the demo panel, unless one is named. Lengths are those of SUITE…, or of usual questions. Of a sweep all
    variants and controls are planned as the one run that they are, equal turns counted once.
    """
    from localtable.cli.plan_text import print_plan, print_refusal
    from localtable.errors import PlacementError
    from localtable.places import home
    from localtable.scheduler.calibration import Calibration
    from localtable.scheduler.plan import make_plan, plan_to_json, smallest_change, with_advice
    from localtable.types import Stop

    machine = _machine(gpus, device_memory)
    find: Callable[[], Planned]
    if sweep_file is None:
        panel = override(read_panel(panel_file, models, Stop("never")), rounds=rounds, seed=None, prompts=prompts)
        panel = with_moderator(panel, moderator)
        name = f"The panel {panel.name!r}"
        find = partial(_of_panel, panel, suites, machine, engine, questions)
    elif suites or panel_file or models or rounds or prompts or moderator:
        raise ConfigError(
            f"{sweep_file} says itself who debates on what",
            hint="Leave SUITE, --panel, -m, --rounds, --prompts and --moderator out; --questions N plans for other "
            "numbers.",
        )
    else:
        from localtable.analysis.factor_contrasts import require_comparable
        from localtable.config import load_sweep

        loaded = load_sweep(sweep_file)
        require_comparable(loaded.sweep.primary, str(sweep_file))
        name = f"The sweep {loaded.sweep.name!r}"
        find = partial(_of_sweep, loaded, machine, engine, questions)
    known = None if machine.described else Calibration(home())
    wishes: list[Wish] = []
    try:
        what, wishes, workloads = find()
        made = with_advice(make_plan(wishes, workloads, machine, known), wishes, known)
    except PlacementError as error:
        # Without wishes it is a turn that is too long, whatever the machine.
        advice = smallest_change(wishes, machine, known) if wishes else (error.hint.rstrip("."),)
        if as_json:
            click.echo(json.dumps({"fits": False, "reason": error.message, "advice": list(advice)}, indent=2))
        else:
            print_refusal(name, machine, error.message, advice)
        return error.exit_code
    if as_json:
        click.echo(json.dumps(plan_to_json(made), indent=2, ensure_ascii=False))
    else:
        print_plan(what, made, timeline=simulate)
    return 0


Planned = tuple[str, "list[Wish]", "list[Workload]"]
"""What it is in a line, a wish for each model, and what they do."""


def _of_panel(panel: Panel, suites: Sequence[Path], machine: Machine, engine: str, questions: int | None) -> Planned:
    from localtable.cli.plan_text import panel_line
    from localtable.config import load_suites
    from localtable.places import home
    from localtable.protocol import DEBATE, Condition, cards_of
    from localtable.runner.planning import plan_inputs, tokenizers_here
    from localtable.scheduler.plan import USUAL_QUESTIONS

    cards = cards_of([Condition(DEBATE, panel)])
    _say_left_out(cards)
    given: Sequence[Question] = list(load_suites(suites)) if suites else []
    number = questions or len(given) or USUAL_QUESTIONS
    wishes, workloads = plan_inputs(panel, machine, engine, given, number, tokenizers_here(cards, home()))
    return panel_line(panel, workloads[0]), wishes, workloads


def _of_sweep(loaded: LoadedSweep, machine: Machine, engine: str, questions: int | None) -> Planned:
    from localtable.cli.plan_text import sweep_line
    from localtable.cli.sweep import SweepSize
    from localtable.config import load_suites
    from localtable.places import home
    from localtable.protocol import cards_of
    from localtable.runner.planning import sweep_inputs, tokenizers_here
    from localtable.runner.sweeps import plan_sweep

    plan = plan_sweep(loaded.sweep)
    cards = cards_of(plan.conditions.values())
    _say_left_out(cards)
    given = list(islice(load_suites(loaded.suites), loaded.limit))
    size = SweepSize(plan, questions or len(given))
    wishes, workloads = sweep_inputs(plan, machine, engine, given, size.num_debates, tokenizers_here(cards, home()))
    return sweep_line(size.line(), workloads), wishes, workloads


def _say_left_out(cards: Iterable[Card]) -> None:
    """Models at endpoints are planned as nothing, which is said."""
    for card in cards:
        if card.endpoint is not None:
            click.echo(f"{card.id}: at {card.endpoint.base_url}; takes nothing here, and is not planned for", err=True)


def _machine(gpus: str | None, device_memory: str | None) -> Machine:
    from localtable.scheduler.devices import capped, find_machine

    described, cap = read_gpus(gpus), read_size(device_memory)
    return find_machine(cap) if described is None else capped(described, cap)
