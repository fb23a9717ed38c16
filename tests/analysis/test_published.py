"""Published figures held against a run's: each criterion met, missed, and not to be told; whose figures they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from builders import make_card, refused

from localtable.analysis.published import Judged, judge, needed
from localtable.config.published import Published
from localtable.types import Panel, Sampling, Seat, Stop, Sweep, Variant

VARIANT = "model=big,rounds=2"
BY = {"condition": VARIANT, "round": "last"}


def published(figure: Mapping[str, Any], ids: str | None = "mmlu/") -> Published:
    data = {
        "paper": {"id": "arXiv:0000.00000", "title": "On examples", "read": "nowhere"},
        "models": "some",
        "data": {"name": "some", "ids": ids},
        "differs": [],
        "figures": [{"name": "it", "metric": "majority_accuracy", "source": "read", "models": "any", **figure}],
    }
    return Published.model_validate(data)


def row(low: float | None, high: float | None, **changes: Any) -> dict[str, Any]:
    """A figure of an analysis, as JSON has it."""
    value = None if low is None or high is None else (low + high) / 2
    found = {"name": "majority_accuracy", "by": BY, "value": value, "low": low, "high": high, "n": 50, "reason": None}
    return {**found, **changes}


def sweep() -> Sweep:
    """Two models by two numbers of rounds, one seat."""
    variants = []
    for model in ("big", "tiny"):
        for rounds in (2, 3):
            panel = Panel("one", (Seat("Ada", make_card(model), Sampling()),), rounds=rounds, stop=Stop())
            variants.append(Variant({"seats.*.model": model, "rounds": str(rounds)}, panel))
    return Sweep("trial", {}, tuple(variants))


def judged(
    figure: Mapping[str, Any],
    *rows: Mapping[str, Any],
    tests: tuple[Mapping[str, Any], ...] = (),
    questions: tuple[str, ...] = ("mmlu/law/1",),
    ids: str | None = "mmlu/",
) -> Judged:
    figure = {"by": {"round": "last"}, **figure} if not {"against", "factor"} & figure.keys() else figure
    (found,) = judge(published(figure, ids), {"metrics": rows, "tests": tests}, sweep(), questions)
    return found


@pytest.mark.parametrize(
    ("figure", "low", "high", "answer"),
    [
        ({"same": "interval", "value": 0.5, "margin": 0.05}, 0.46, 0.54, "same"),
        ({"same": "interval", "value": 0.5, "margin": 0.05}, 0.51, 0.59, "different"),
        ({"same": "interval", "value": 0.5, "margin": 0.05}, 0.30, 0.49, "different"),
        ({"same": "interval", "value": 0.5, "margin": 0.05}, 0.40, 0.60, "can't tell"),
        ({"same": "interval", "value": 0.5, "low": 0.4, "high": 0.6, "margin": 0.05}, 0.59, 0.65, "same"),
        ({"same": "interval", "value": 0.5, "low": 0.4, "high": 0.6, "margin": 0.05}, 0.61, 0.65, "different"),
        ({"same": "interval", "low": 0.4, "high": 0.6, "margin": 0.05}, 0.38, 0.41, "same"),
        ({"same": "interval", "low": 0.4, "high": 0.6, "margin": 0.05}, 0.30, 0.39, "different"),
        ({"same": "equivalent", "value": 0.0, "margin": 0.02}, -0.01, 0.02, "same"),
        ({"same": "equivalent", "value": 0.0, "margin": 0.02}, -0.01, 0.03, "can't tell"),
        ({"same": "equivalent", "value": 0.0, "margin": 0.02}, 0.03, 0.05, "different"),
        ({"same": "equivalent", "value": 0.0, "margin": 0.02}, -0.5, 0.5, "can't tell"),
        ({"same": "at_most", "value": 0.7}, 0.5, 0.7, "same"),
        ({"same": "at_most", "value": 0.7}, 0.5, 0.8, "can't tell"),
        ({"same": "at_most", "value": 0.7}, 0.71, 0.8, "different"),
        ({"same": "at_most", "value": 0.7, "margin": 0.1}, 0.71, 0.79, "same"),
        ({"same": "more"}, 0.01, 0.2, "same"),
        ({"same": "more"}, 0.0, 0.2, "can't tell"),
        ({"same": "more"}, -0.2, -0.01, "different"),
        ({"same": "less"}, -0.2, -0.01, "same"),
        ({"same": "less"}, -0.2, 0.1, "can't tell"),
        ({"same": "less"}, 0.01, 0.2, "different"),
    ],
    ids=str,
)
def test_every_criterion_is_met_missed_or_left_open(
    figure: Mapping[str, Any], low: float, high: float, answer: str
) -> None:
    found = judged(figure, row(low, high))
    assert found.answer == answer
    assert bool(found.why) == (answer == "can't tell")
    assert found.row is not None
    assert found.unit == "share"


def test_what_the_analysis_can_t_compute_has_its_reason() -> None:
    figure = {"same": "more"}
    assert judged(figure).why == "the run has no such figure"
    assert judged(figure, row(None, None, reason="one round")).why == "one round"
    assert judged(figure, row(None, None, value=0.5)).why == "it has no interval"
    assert judged(figure, row(0.1, 0.2, by={**BY, "tag": "law"})).row is None, "a part is not the whole"


def test_a_figure_is_looked_up_by_its_levels_control_and_what_else_tells_it_apart() -> None:
    rows = [
        row(0.1, 0.2, by={"condition": VARIANT, "round": 1}),
        row(0.3, 0.4, by={"condition": "model=tiny,rounds=2", "round": 1}),
        row(0.5, 0.6, by={"condition": "model=tiny,rounds=3/solo-revise", "round": 1}),
        row(0.7, 0.8, by={"condition": VARIANT, "round": 1}, name="individual_accuracy"),
    ]
    asked = {"same": "more", "by": {"round": "1"}}
    for place, figure in enumerate(
        [
            asked,
            {**asked, "of": {"seats.*.model": "tiny"}},
            {**asked, "of": {"seats.*.model": "tiny", "rounds": "3"}, "control": "solo-revise"},
            {**asked, "metric": "individual_accuracy"},
        ]
    ):
        assert judged(figure, *rows).row == rows[place]


def test_comparisons_are_looked_up_by_what_is_compared() -> None:
    tests = [
        {**row(0.1, 0.2), "metric": "change_rate", "first": VARIANT, "second": f"{VARIANT}/solo-revise"},
        {**row(0.3, 0.4), "metric": "majority_accuracy", "first": VARIANT, "second": "its first round"},
        {**row(-0.4, -0.3), "metric": "change_rate", "first": "rounds 3", "second": "rounds 2"},
    ]
    asked = [
        {"same": "more", "metric": "change_rate", "against": "solo-revise"},
        {"same": "more", "against": "its first round"},
        {"same": "more", "metric": "change_rate", "factor": "rounds", "between": ["3", "2"]},
    ]
    for place, (figure, answer) in enumerate(zip(asked, ("same", "same", "different"), strict=True)):
        found = judged(figure, tests=tuple(tests))
        assert found.row == tests[place]
        assert (found.answer, found.unit) == (answer, "difference of shares")


def test_of_other_models_nothing_is_said() -> None:
    figure = {"same": "more", "models": ["big"]}
    assert judged(figure, row(0.1, 0.2)).answer == "same"
    found = judged({**figure, "models": ["tiny"]}, row(0.1, 0.2))
    assert (found.answer, found.why) == ("can't tell", "other models")
    assert "no card is the paper's" in judged({**figure, "models": []}, row(0.1, 0.2)).why
    both = {"same": "more", "metric": "change_rate", "factor": "rounds", "between": ["3", "2"]}
    test = {**row(0.1, 0.2), "metric": "change_rate", "first": "rounds 3", "second": "rounds 2"}
    assert judged({**both, "models": ["big", "tiny"]}, tests=(test,)).answer == "same"
    assert judged({**both, "models": ["big"]}, tests=(test,)).why == "other models"


def test_of_other_questions_nothing_is_said() -> None:
    figure = {"same": "more", "models": ["big"]}
    assert judged(figure, row(0.1, 0.2), questions=("mmlu/law/1", "arc/1")).why == "other questions"
    assert judged(figure, row(0.1, 0.2), ids=None).why == "other questions"
    assert judged({**figure, "models": "any"}, row(0.1, 0.2), ids=None).answer == "same", "it is said of all"


def test_what_can_t_be_computed_comes_before_whose_it_is() -> None:
    assert judged({"same": "more", "models": ["tiny"]}, row(None, None, reason="one round")).why == "one round"


@pytest.mark.parametrize(
    ("figure", "said"),
    [
        ({"metric": "majority_acuracy", "same": "more"}, "unknown metric 'majority_acuracy'"),
        ({"metric": "ece", "same": "more", "against": "ring"}, "conditions can't be compared by 'ece'"),
    ],
)
def test_a_metric_that_nobody_computes_is_refused(figure: Mapping[str, Any], said: str) -> None:
    assert said in refused(judged, figure).message
    assert said in refused(needed, published(figure)).message


def test_an_analysis_is_asked_for_what_figures_need() -> None:
    figure = {"same": "more", "by": {"round": "last", "model": "big"}}
    assert needed(published(figure)) == (["model"], ["outcome"])
