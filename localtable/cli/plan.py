"""`localtable plan`: what a panel will need, and how long it will take, before anything is fetched or loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from localtable.cli.options import machine_options, override, panel_options, read_gpus, read_panel, read_size
from localtable.cli.work import File

if TYPE_CHECKING:
    from collections.abc import Sequence

    from localtable.scheduler.devices import Machine
    from localtable.types import Question


@click.command()
@click.argument("suites", nargs=-1, type=File, metavar="[SUITE…]")
@panel_options
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
    gpus: str | None,
    device_memory: str | None,
    questions: int | None,
    engine: str,
    simulate: bool,
    as_json: bool,
) -> int:
    """Say which engines of a panel sit where, which must swap and how often, and how long a suite will take.

    Nothing is loaded or fetched. The machine is this one, unless --gpus describes another, which need not be here; the
    panel is the demo panel, unless one is named. Lengths are those of SUITE…, or of usual questions.
    """
    from localtable.cli.plan_text import print_plan, print_refusal
    from localtable.config import load_suites
    from localtable.errors import PlacementError
    from localtable.places import home
    from localtable.runner.planning import plan_inputs
    from localtable.scheduler.calibration import Calibration
    from localtable.scheduler.plan import USUAL_QUESTIONS, make_plan, plan_to_json, smallest_change, with_advice
    from localtable.types import Stop

    panel = override(read_panel(panel_file, models, Stop("never")), rounds=rounds, seed=None, prompts=prompts)
    for card in panel.cards:
        if card.endpoint is not None:
            click.echo(f"{card.id}: at {card.endpoint.base_url}; takes nothing here, and is not planned for", err=True)
    machine = _machine(gpus, device_memory)
    given: Sequence[Question] = list(load_suites(suites)) if suites else []
    number = questions or len(given) or USUAL_QUESTIONS
    wishes, workload = plan_inputs(panel, machine, engine, given, number)
    known = None if machine.described else Calibration(home())
    try:
        made = with_advice(make_plan(wishes, workload, machine, known), wishes, known)
    except PlacementError as error:
        advice = smallest_change(wishes, machine, known)
        if as_json:
            click.echo(json.dumps({"fits": False, "reason": error.message, "advice": list(advice)}, indent=2))
        else:
            print_refusal(panel, machine, error.message, advice)
        return error.exit_code
    if as_json:
        click.echo(json.dumps(plan_to_json(made), indent=2, ensure_ascii=False))
    else:
        print_plan(panel, made, timeline=simulate)
    return 0


def _machine(gpus: str | None, device_memory: str | None) -> Machine:
    from localtable.scheduler.devices import capped, find_machine

    described, cap = read_gpus(gpus), read_size(device_memory)
    return find_machine(cap) if described is None else capped(described, cap)
