"""A plan in words: where engines sit, what they take, how often they swap, how long it will last."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from localtable.report.words import printable
from localtable.scheduler.devices import GIB, Machine
from localtable.scheduler.plan import Plan, Workload, spoken
from localtable.scheduler.seating import Seated
from localtable.types import Panel

SWAPS = {"none": "stays", "sleep_1": "sleep 1", "sleep_2": "sleep 2", "reload": "reload"}
"""Level 1 keeps weights in host memory, level 2 reads them again; reload closes the engine."""
TABLE_WIDTH = 120
"""Columns that the table of engines takes."""
MAX_SPANS = 60
"""Lines of a timeline that are printed."""


def print_plan(what: str, plan: Plan, *, timeline: bool = False) -> None:
    """A plan for the terminal; `what` is the line that says of what."""
    console = Console(highlight=False, soft_wrap=True)
    # A table keeps its columns where nobody sees a terminal.
    console.width = max(console.width, TABLE_WIDTH)
    console.print(Text(printable(what)))
    console.print(Text(f"on {_machine_in_words(plan.machine)}"))
    console.print(_engines(plan))
    for line in (_swaps(plan), _time(plan), _bound(plan)):
        console.print(Text(line))
    for line in plan.advice:
        console.print(Text(f"What would help: {line}."))
    if timeline:
        _print_timeline(console, plan)


def print_refusal(name: str, machine: Machine, reason: str, advice: tuple[str, ...]) -> None:
    """Why a panel or a sweep can't run, and the smallest change that would make it run."""
    console = Console(highlight=False, soft_wrap=True)
    console.print(Text(printable(f"{name} can't run on {_machine_in_words(machine)}: {reason}.")))
    if not advice:
        console.print(Text("No single change that was tried would make it run; take other models."))
    for number, line in enumerate(advice):
        console.print(Text(f"{'What would make it run' if number == 0 else 'or'}: {line}."))


def panel_line(panel: Panel, work: Workload) -> str:
    """Of what a panel's plan is."""
    num_models = len(set(work.seats))
    models = f"{num_models} models" if num_models > 1 else "one model"
    seats = f"{_number(len(work.seats), 'seat')} on {models}" if work.seats else "no seat on a model here"
    held = f"{seats}, {_number(panel.rounds, 'round')}, {_number(work.questions, 'question')}"
    summed_up = "" if work.summaries is None else f", summed up by {work.summaries.model_id}"
    return f"{panel.name}: {held}{summed_up}"


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' if count != 1 else ''}"


def sweep_line(size: str, workloads: Sequence[Workload]) -> str:
    """The same of a sweep: how much it is, and how much of it is the same."""
    repeated = sum(work.num_repeated for work in workloads)
    turns = sum(work.num_turns for work in workloads)
    moderated = [work for work in workloads if work.summaries is not None]
    summed_up = f"; {sum(work.questions for work in moderated):,} debates summed up" if moderated else ""
    return f"{size}: {turns - repeated:,} to generate, as far as that can be known before{summed_up}"


def _machine_in_words(machine: Machine) -> str:
    return f"{machine}{' (described, not found here)' if machine.described else ''}"


def _engines(plan: Plan) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False, header_style="dim")
    for name in ("model", "on", "weights + cache + other, GiB", "context", "rows", "to make room", "activations"):
        table.add_column(name, justify="left" if name in ("model", "on", "to make room") else "right", no_wrap=True)
    for model_id, seat in plan.seated.items():
        taken = seat.bytes
        other = taken.total - taken.weights - taken.kv_cache
        parts = " + ".join(f"{size / GIB:.1f}" for size in (taken.weights, taken.kv_cache, other))
        table.add_row(
            Text(printable(model_id)),
            _devices(seat, plan.machine),
            f"{parts} = {taken.total / GIB:.1f}",
            f"{seat.wish.max_model_len:,}",
            f"{seat.wish.max_num_seqs:,}",
            SWAPS[seat.swap],
            f"{plan.simulated.activations[model_id]}",
        )
    return table


def _devices(seat: Seated, machine: Machine) -> str:
    if machine.kind != "cuda":
        return machine.kind
    return "GPU " + "+".join(str(device) for device in seat.spot.devices)


def _swaps(plan: Plan) -> str:
    if not any(seat.spot.crowded for seat in plan.seated.values()):
        return "All models fit side by side: each is loaded once, and nothing is swapped."
    why = (
        "Side by side, caches would be so small that swapping is quicker"
        if plan.cramped
        else "Not all models fit side by side"
    )
    return (
        f"{why}. {plan.simulated.num_activations} activations in all, {plan.swaps} beyond "
        "the first loads; their number does not grow with the questions."
    )


def _time(plan: Plan) -> str:
    parts = {name: seconds for name, seconds in plan.seconds.items() if seconds >= 0.5}
    said = ", ".join(f"{spoken(seconds)} {name}" for name, seconds in parts.items())
    return (
        f"Predicted: {spoken(plan.predicted_s)} ({spoken(plan.low_s)} to {spoken(plan.high_s)}): {said}. "
        "Statements are taken to be half as long as they may be, or longer."
    )


def _bound(plan: Plan) -> str:
    ratio = plan.simulated.makespan_s and plan.predicted_s / plan.lower_bound_s if plan.lower_bound_s else 1.0
    return f"No order of swaps could take less than {spoken(plan.lower_bound_s)} (this one: {ratio:.2f} x)."


def _print_timeline(console: Console, plan: Plan) -> None:
    spans = plan.simulated.timeline
    for span in spans[:MAX_SPANS]:
        text = f"{span.start_s:10,.1f} to {span.end_s:10,.1f} s  {span.part:9} {span.model_id}"
        console.print(Text(printable(text)))
    if len(spans) > MAX_SPANS:
        console.print(Text(f"… and {len(spans) - MAX_SPANS:,} more"))
