"""A tally as plain data: what `tally --json` writes (docs/contracts.md)."""

from __future__ import annotations

from typing import Any

from localtable.analysis.rules.notes import notes
from localtable.analysis.rules.tally import Estimate, RuleResult, Tally


def tally_to_json(tally: Tally) -> dict[str, Any]:
    """One condition's tally; what can't be computed is None and has its reason among the notes."""
    return {
        "condition": tally.condition,
        "seats": [{"name": name, "model": model} for name, model in tally.seats],
        "round": tally.round_number,
        "debates": tally.debates,
        "left_out": {**tally.left_out, "not_asked": tally.not_asked},
        "answered": tally.answered,
        "ballots": {"all": tally.ballots, "tied": tally.tied_ballots, "sure": tally.sure_ballots},
        "condorcet_winner": _estimate(tally.condorcet_winner),
        "rules": [_result(result) for result in tally.results],
        "disagreement": [list(row) for row in tally.disagreement],
        "notes": notes(tally),
    }


def _result(result: RuleResult) -> dict[str, Any]:
    return {
        "rule": result.chosen.text,
        "name": result.chosen.rule.name,
        "parameters": dict(result.chosen.values),
        "reads": result.chosen.rule.reads,
        "n": result.n,
        "decision_rate": _estimate(result.decision_rate),
        "tie_rate": _estimate(result.tie_rate),
        "accuracy": _estimate(result.accuracy),
        "accuracy_decided": _estimate(result.accuracy_decided),
        "margin": _estimate(result.margin),
        "condorcet_efficiency": _estimate(result.condorcet_efficiency),
    }


def _estimate(estimate: Estimate) -> dict[str, float | int | None]:
    return {"value": estimate.value, "n": estimate.n, "low": estimate.low, "high": estimate.high}
