"""A comparison as plain data: what `compare --json` writes (docs/contracts.md)."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from localtable import __version__
from localtable.analysis.compare.figures import Compared, Distances, Question, QuestionSide
from localtable.analysis.compare.panels import Panel, Spent
from localtable.analysis.statistics.estimate import Estimate, PValue

if TYPE_CHECKING:
    from localtable.analysis.statistics.arrays import Floats

SCHEMA_VERSION = 1


def compared_to_json(compared: Compared) -> dict[str, Any]:
    """The whole comparison; what can't be computed is None, with its reason beside it."""
    seats = [[seat.name for seat in panel.seats] for panel in (compared.first, compared.second)]
    return {
        "schema_version": SCHEMA_VERSION,
        "localtable": __version__,
        "a": _panel(compared.first, compared.spent[0]),
        "b": _panel(compared.second, compared.spent[1]),
        "matched": len(compared.questions),
        "only_a": compared.matching.only_first,
        "only_b": compared.matching.only_second,
        "figures": [{"name": figure.name, **_estimate(figure.estimate)} for figure in compared.figures],
        "accuracy": [
            {
                "name": figure.name,
                "a": _estimate(figure.first),
                "b": _estimate(figure.second),
                "difference": _estimate(figure.difference),
                "test": _test(figure.p),
                "mcnemar": None if figure.mcnemar is None else _test(figure.mcnemar),
            }
            for figure in compared.accuracy
        ],
        "agreement": [
            {"a": one, "b": other, **_estimate(estimate)}
            for one, row in zip(seats[0], compared.agreement, strict=True)
            for other, estimate in zip(seats[1], row, strict=True)
        ],
        "questions": [_question(question) for question in compared.questions],
        "notes": list(compared.notes),
    }


def _panel(panel: Panel, spent: Spent) -> dict[str, Any]:
    return {
        "source": panel.where,
        "import": panel.imported,
        "panel": panel.name,
        "condition": panel.condition,
        "seats": [{"name": seat.name, "model": seat.model} for seat in panel.seats],
        "questions": len(panel.debates),
        "debates": panel.num_debates,
        "left_out": dict(panel.left_out),
        **asdict(spent),
        "seconds": panel.seconds,
    }


def _estimate(estimate: Estimate) -> dict[str, Any]:
    return {
        "value": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "n": estimate.n,
        "method": estimate.method,
        "reason": estimate.reason,
    }


def _test(p: PValue) -> dict[str, Any]:
    return {"p": p.p, "n": p.n, "method": p.method, "reason": p.reason}


def _question(question: Question) -> dict[str, Any]:
    matched = question.matched
    return {
        "id_a": matched.first.id,
        "id_b": matched.second.id,
        "question": matched.first.text,
        "options": list(matched.options),
        "answer": None if matched.answer is None else matched.options[matched.answer],
        "a": _side(question.first, matched.options, matched.first_places),
        "b": _side(question.second, matched.options, matched.second_places),
        "same_outcome": question.same_outcome,
        "votes": _distances(question.votes),
        "probabilities": None if question.probabilities is None else _distances(question.probabilities),
    }


def _side(side: QuestionSide, options: tuple[str, ...], places: tuple[int, ...]) -> dict[str, Any]:
    return {
        "verdicts": [
            {
                "repeat": debate.repeat,
                "kind": debate.kind,
                "options": [options[places[option]] for option in debate.leading],
                "votes": debate.num_votes,
                "of": debate.of,
                "rounds": debate.rounds,
            }
            for debate in side.debates
        ],
        "votes": _by_option(side.shares, options),
        "probabilities": None if side.probabilities is None else _by_option(side.probabilities, options),
    }


def _by_option(values: Floats, options: tuple[str, ...]) -> dict[str, float]:
    return dict(zip(options, values.tolist(), strict=True))


def _distances(distances: Distances) -> dict[str, float]:
    return {"total_variation": distances.total_variation, "jensen_shannon": distances.jensen_shannon}
