"""`localtable influence`: how far peers have moved seats, measured over a store."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from localtable.cli.options import engine_options, run_options
from localtable.cli.output import STDOUT, json_output, write_json
from localtable.cli.signals import stop_on_signal
from localtable.cli.work import File, refuse_changes, say
from localtable.errors import InterruptedRun

if TYPE_CHECKING:
    from rich.console import Console

    from localtable.analysis.influence import By, Measurement
    from localtable.runner.events import Listener, RunEvent
    from localtable.runner.influence import Cost, Forecast, Measuring
    from localtable.types import Panel

SCHEMA_VERSION = 1
LINE_EVERY_S = 10.0


@click.command()
@click.argument("store", type=File, metavar="DB")
@click.option("--direct", is_flag=True, help="What reading a peer does to the vote before the statement; the default.")
@click.option("--total", type=int, metavar="S", help="The same through S pairs of new statements, 8 or more: costly.")
@click.option("--all", "everything", is_flag=True, help="Every turn of later rounds, not only those that moved.")
@click.option("--condition", "wanted", multiple=True, metavar="NAME", help="In place of the debate; repeatable.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Turns on the suite's first N questions only.")
@click.option("--dry-run", is_flag=True, help="Say what it would take, and load nothing.")
@click.option("--json", "json_text", metavar="FILE|-", help="Write all figures; - puts them in the table's place.")
@engine_options
@click.option("--quiet", is_flag=True, help="Print the figures only.")
def influence(
    store: Path,
    direct: bool,
    total: int | None,
    everything: bool,
    wanted: Sequence[str],
    limit: int | None,
    dry_run: bool,
    json_text: str | None,
    engine: str,
    engine_args: tuple[str, ...],
    seed: int | None,
    gpus: str | None,
    device_memory: str | None,
    quiet: bool,
) -> int:
    """Measure how far each peer has moved each seat: its ballot is asked again with a neutral turn in the peer's place.

    By default for seats that moved since their own previous round, of the debate, without new statements. What is
    measured is kept in DB, and is not asked for again.
    """
    from rich.console import Console

    from localtable.protocol import DEBATE
    from localtable.runner.influence import Wanted, cost_so_far, forecast, open_measuring

    refuse_changes(seed, engine_args)
    out = json_output(json_text, store)
    console = Console(stderr=True)
    options = run_options(engine, engine_args, gpus, device_memory)
    asked = Wanted(direct or total is None, total, everything, tuple(wanted) or (DEBATE,), limit)
    tell = _teller(console, quiet=quiet)
    with stop_on_signal() as should_stop:
        options = replace(options, should_stop=should_stop, tell=tell)
        with open_measuring(store, asked, options) as measuring:
            _say_turns(measuring, console)
            ahead = forecast(measuring)
            if not quiet or dry_run:
                _say_forecast(ahead, console)
            if dry_run:
                return 0
            if ahead.probes:
                _measure(measuring, ahead.probes, tell, console, quiet=quiet)
                _say_cost(cost_so_far(measuring.store), len(measuring.failures), console)
            found = _read(measuring)
            if json_text is not None:
                write_json(out, _to_json(measuring, found, cost_so_far(measuring.store)))
            if json_text != STDOUT:
                _print(measuring, found)
    return 0


def _teller(console: Console, *, quiet: bool) -> Listener:
    from localtable.runner.events import Note
    from localtable.scheduler.pool import EngineDied, EngineLoaded, EngineLoading

    def tell(event: RunEvent) -> None:
        match event:
            case Note(text):
                say(console, text)
            case EngineDied(model_id, error):
                say(console, f"{model_id} died: {error.message}")
            case EngineLoading(model_id) if not quiet:
                say(console, f"loading {model_id}")
            case EngineLoaded(model_id, info, seconds) if not quiet:
                say(console, f"{model_id} ready on {info.device} in {seconds:.1f} s")
            case _:
                pass

    return tell


def _say_turns(measuring: Measuring, console: Console) -> None:
    later, moved = len(measuring.later), sum(turn.moved for turn in measuring.later)
    if not later:
        say(console, "no turn that has read a peer is finished: nothing to measure")
    elif not measuring.turns:
        say(console, f"of {later:,} turns that have read peers none has moved: nothing to measure (--all takes all)")
    else:
        say(console, f"{later:,} turns have read peers, {moved:,} have moved; {len(measuring.turns):,} are wanted")


def _say_forecast(ahead: Forecast, console: Console) -> None:
    if not ahead.probes:
        return
    from localtable.cli.progress import duration

    seconds = "" if ahead.seconds is None else f", about {duration(ahead.seconds)}"
    spoken = ahead.completion_tokens - ahead.requests
    said = f", {spoken:,} to generate" if spoken > 0 else ""
    say(
        console,
        f"{ahead.probes:,} ballots to ask for {ahead.turns:,} turns: {ahead.requests:,} requests, about"
        f" {ahead.prompt_tokens:,} prompt tokens, {ahead.new_tokens:,} of them to prefill{said}{seconds}",
    )


def _measure(measuring: Measuring, total: int, tell: Listener, console: Console, *, quiet: bool) -> None:
    done, due = 0, time.monotonic() + LINE_EVERY_S
    try:
        for number in measuring.run(tell):
            done += number
            if not quiet and time.monotonic() >= due:
                due = time.monotonic() + LINE_EVERY_S
                say(console, f"{done:,} of {total:,} ballots")
    except InterruptedRun as error:
        error.hint = "What is measured is kept: the same command goes on."
        raise


def _say_cost(cost: Cost, failed: int, console: Console) -> None:
    cached = cost.cached_tokens / max(cost.prompt_tokens, 1)
    shares = []
    if cost.run_generating_s:
        shares.append(f"{cost.generating_s / cost.run_generating_s:.0%} of what the debates took")
    if cost.statements_s is not None:
        shares.append(f"about {cost.generating_s / cost.statements_s:.0%} of their statements alone")
    say(
        console,
        f"{cost.probes:,} ballots in {cost.total_s:.1f} s, {cost.generating_s:.1f} s of them generating"
        + (f" ({', '.join(shares)})" if shares else "")
        + f"; {cost.prompt_tokens:,} prompt tokens, {cached:.0%} of them cached, {cost.completion_tokens:,} generated",
    )
    if failed:
        say(console, f"{failed:,} could not be measured; the same command tries them again")


# ── the figures ─────────────────────────────────────────────────────────────────────────────────────────────


def _read(measuring: Measuring) -> dict[int, list[Measurement]]:
    """By condition: what is stored of the turns that are wanted."""
    from localtable.analysis.influence import read_measurements

    return {
        number: read_measurements(measuring.store, [turn.id for turn in measuring.turns if turn.condition == number])
        for number in measuring.conditions
    }


def _print(measuring: Measuring, found: Mapping[int, list[Measurement]]) -> None:
    from rich.console import Console

    from localtable.analysis.influence import claims, pairs
    from localtable.report.influence import print_influence

    console = Console(highlight=False)
    for number, measurements in found.items():
        condition = measuring.conditions[number]
        names = _names(condition.panel)
        # Where each model has one seat, both matrices say the same.
        levels = [by for by in names if by == "model" or len(names["seat"]) > len(names["model"])]
        for kind in sorted({one.kind for one in measurements}):
            matrices = [(by, names[by], pairs(measurements, kind, by, names[by])) for by in levels]
            print_influence(condition.name, kind, matrices, claims(measurements, kind), console)


def _names(panel: Panel) -> dict[By, list[str]]:
    """What rows and columns are called, in the panel's order."""
    seats = panel.seats
    return {"model": list(dict.fromkeys(seat.model_id for seat in seats)), "seat": [seat.name for seat in seats]}


def _to_json(measuring: Measuring, found: Mapping[int, list[Measurement]], cost: Cost) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "schema_version": SCHEMA_VERSION,
        "run": measuring.store.run().uuid,
        "conditions": [_condition_to_json(measuring, number, found[number]) for number in found],
        "cost": asdict(cost),
    }


def _condition_to_json(measuring: Measuring, number: int, measurements: Sequence[Measurement]) -> dict[str, Any]:
    from dataclasses import asdict

    from localtable.analysis.influence import claims, pairs

    condition = measuring.conditions[number]
    names = _names(condition.panel)
    later = [turn for turn in measuring.later if turn.condition == number]
    return {
        "condition": condition.name,
        "turns": {
            "later": len(later),
            "moved": sum(turn.moved for turn in later),
            "wanted": sum(turn.condition == number for turn in measuring.turns),
            "measured": len({one.turn for one in measurements}),
        },
        "influence": [
            {
                "kind": kind,
                **{f"by_{by}": [asdict(pair) for pair in pairs(measurements, kind, by, names[by])] for by in names},
                "persuaded_by": asdict(claims(measurements, kind)),
            }
            for kind in sorted({one.kind for one in measurements})
        ],
    }
