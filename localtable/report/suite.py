"""A suite's totals on a terminal: what was held, what it cost, what of it can be relied on."""

from __future__ import annotations

from collections import Counter
from typing import Any

from rich.console import Console
from rich.text import Text

from localtable.analysis import wilson
from localtable.protocol import DEBATE
from localtable.report.analysis.figures import NOTHING
from localtable.report.analysis.sheet import Row
from localtable.report.analysis.terminal_sheet import TerminalSheet
from localtable.report.words import cost_text, one_line, printable
from localtable.runner.totals import matched_samples, not_summed_up, validity
from localtable.store import Store
from localtable.store.reading import count_states, first_failures, right_by_condition

LISTED = 10
"""Failed debates that are named one by one."""
WIDE = 1_000
"""Columns where there is no terminal: the conditions of a sweep have long names."""
_COLUMNS = ("condition", "finished", "failed", "open", "right", "95 %", "prompts", "generated", "PFLOPs")
_ODD = {
    "truncated": "cut",
    "empty": "empty",
    "names_letter": "naming a letter",
    "peers_cut": "reading cut peers",
}
"""What makes a statement doubtful, and how it is called in the table."""


def print_totals(store: Store, totals: dict[str, Any], console: Console) -> None:
    """Print what a run has come to so far.

    Args:
        store: Of the run.
        totals: Its `run_totals`.
        console: Where it goes.
    """
    if not console.is_terminal:  # nothing has to fit into a width there
        console = Console(file=console.file, width=WIDE)
    console.print(Text(_headline(totals)), soft_wrap=True)
    for line in _steps(totals):
        console.print(Text(printable(line)), soft_wrap=True)
    TerminalSheet(console).rows(_COLUMNS, _conditions(store, totals))
    _print_validity(store, console)
    for line in _samples(store) + _not_summed_up(store) + _failed(store):
        console.print(Text(printable(one_line(line))), soft_wrap=True)


def _headline(totals: dict[str, Any]) -> str:
    debates, seconds, this = totals["debates"], totals["seconds"], totals["this_run"]
    parts = [f"{debates['finished']:,} debates finished"]
    parts += [f"{debates[state]:,} {state}" for state in ("failed", "open") if debates[state]]
    turns = f"{totals['turns']:,} turns"
    if totals["reused_turns"]:
        turns += f" ({totals['reused_turns']:,} re-used)"
    cached = totals["cached_tokens"] / max(totals["prompt_tokens"], 1)
    generated = f"{totals['completion_tokens']:,} tokens generated"
    spent = this["seconds"]
    if spent["total"]:
        rate = this["completion_tokens"] / max(spent["generating"], 1e-3)
        generated += f" at {rate:,.0f}/s"
    parts += [turns, generated, f"{cached:.0%} of prompt tokens cached"]
    if "cost" in totals:
        parts.append(cost_text(totals["cost"]))
    total = max(seconds["total"], 1e-9)
    shares = ", ".join(f"{seconds[name] / total:.0%} {name.split('_')[0]}" for name in list(seconds)[1:])
    return f"{', '.join(parts)}; {seconds['total']:,.0f} s ({shares})"


def _steps(totals: dict[str, Any]) -> list[str]:
    """By model how full its batches were, and what of its time went into prompts."""
    lines = []
    for model_id, steps in totals["steps"].items():
        rows = steps["decode_rows"] / steps["decode_steps"] if steps["decode_steps"] else 0.0
        line = f"{model_id}: {rows:,.1f} turns in a step, {steps['prompt_tokens']:,} prompt tokens computed"
        if steps["prompt_seconds"] is not None:
            line += f" in {steps['prompt_seconds'] / steps['seconds']:.0%} of its steps' {steps['seconds']:,.0f} s"
        lines.append(line)
    return lines


def _conditions(store: Store, totals: dict[str, Any]) -> list[Row]:
    right = {name: (good, judged) for name, good, judged in right_by_condition(store)}
    rows = []
    for name, entry in totals["conditions"].items():
        good, judged = right.get(name, (0, 0))
        low, high = wilson(good, judged)
        cells = [
            *(f"{entry['debates'][state]:,}" for state in ("finished", "failed", "open")),
            f"{good / judged:.1%}" if judged else NOTHING,
            f"[{low * 100:.1f}, {high * 100:.1f}]" if judged else NOTHING,
            f"{entry['prompt_tokens']:,}",
            f"{entry['completion_tokens']:,}",
            NOTHING if entry["flops"] is None else f"{entry['flops'] / 1e15:,.2f}",
        ]
        rows.append(Row(name, cells))
    return rows


def _print_validity(store: Store, console: Console) -> None:
    """What of the statements can't be relied on: by seat and round in the debate, by round in the controls; in a
    sweep, which has many of both, by condition.
    """
    is_sweep = store.run().sweep is not None
    rows: dict[tuple[str, str, str], Counter[str]] = {}
    for row in validity(store):
        seat = row["seat"] if row["condition"] == DEBATE else "all"
        place = (row["condition"], "all" if is_sweep else str(row["round"]), seat)
        counts = rows.setdefault(place, Counter())
        counts.update({name: row[name] for name in ("turns", *_ODD)})
    found = []
    for (condition, number, seat), counts in rows.items():
        named = [condition] if is_sweep else [condition, f"round {number}", *([seat] if seat != "all" else [])]
        shares = [f"{counts[name] / counts['turns']:.1%}" if counts[name] else NOTHING for name in _ODD]
        found.append(Row(", ".join(named), [f"{counts['turns']:,}", *shares]))
    if any(counts[name] for counts in rows.values() for name in _ODD):
        TerminalSheet(console).rows(["", "statements", *_ODD.values()], found)


def _samples(store: Store) -> list[str]:
    lines = []
    for row in matched_samples(store):
        if row["k"] is not None:
            taken = f"{row['k']} of {row['samples']} samples take {row['ratio']:.2f} x the debate's tokens"
            lines.append(f"{row['condition']}: {taken}")
    alone = {name: left_out for name, left_out in store.conditions().values() if left_out}
    if alone:
        where = next(iter(alone)) if len(alone) == 1 else f"noise-peers, {len(alone)} conditions"
        lines.append(f"{where}: {sum(alone.values()):,} debates left out, whose question has no partner")
    return lines


def _not_summed_up(store: Store) -> list[str]:
    return [
        f"{count:,} debate{'' if count == 1 else 's'} not summed up by {model_id}: `localtable resume` asks again"
        for model_id, count in not_summed_up(store).items()
    ]


def _failed(store: Store) -> list[str]:
    conditions = [name for name, _ in store.conditions().values()]
    failed = count_states(store, conditions)["failed"]
    lines = [f"failed: {f.question} ({f.condition}): {f.reason}" for f in first_failures(store, conditions, LISTED)]
    return [*lines, f"and {failed - LISTED:,} more failed"] if failed > LISTED else lines
