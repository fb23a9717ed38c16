"""Findings about panels: who is strong, who errs together, what matters beside that."""

from __future__ import annotations

import pytest
from study import SURELY, Study

SMALL, LARGE, THIRD = "qwen2.5-coder-0.5b-instruct", "qwen2.5-coder-1.5b-instruct", "smollm2-135m-instruct"
MIXED = """
    name: three models
    seats:
      - {name: Ada, model: qwen2.5-coder-0.5b-instruct}
      - {name: Bob, model: qwen2.5-coder-1.5b-instruct}
      - {name: Cy, model: smollm2-135m-instruct}
    rounds: 2
"""

# ── 3. Different models help; mixed ability can hurt, the weak mislead the strong ───────────────────────────


def test_finding_3_the_weak_mislead_the_strong(study: Study) -> None:
    study.write(
        "panel.yaml",
        """
        name: one strong, two weak
        seats:
          - {name: Ada, model: qwen2.5-coder-1.5b-instruct}
          - {name: Bob, model: qwen2.5-coder-0.5b-instruct}
          - {name: Cy, model: qwen2.5-coder-0.5b-instruct}
        rounds: 2
        """,
    )
    study.ask()
    study.play(
        study.votes(None, "right", model=LARGE, follows={"weight": 0.9}), study.votes(None, "wrong", model=SMALL)
    )
    study.suite("homogeneous")
    found = study.analyze("--by", "model")
    assert found.value("vulnerability", model=LARGE, round="last") == 1
    assert found.figure("vulnerability", model=SMALL, round="last")["reason"] == "no vote was right"
    assert found.value("best_single_accuracy") == 1
    assert found.value("panel_gain") == -1
    beside = found.test(f"majority_accuracy: debate − homogeneous:{LARGE}")
    assert (beside["value"], beside["p"]) == (-1, SURELY)
    assert found.test(f"majority_accuracy: debate − homogeneous:{SMALL}")["value"] == 0


def test_finding_3_models_that_are_wrong_elsewhere_help(study: Study) -> None:
    """Each is wrong on a third of the questions, and on each question one of the three."""
    study.write("panel.yaml", MIXED)
    study.ask(15)
    models = (SMALL, LARGE, THIRD)
    study.play(
        *(study.votes(None, "wrong", on=study.questions[n::3], model=model) for n, model in enumerate(models)),
        study.votes(None, "right"),
    )
    study.suite("homogeneous")
    found = study.analyze("--by", "model")
    assert found.value("majority_accuracy", round="last") == 1
    for model in models:
        assert found.value("individual_accuracy", model=model, round="last") == pytest.approx(2 / 3)
        beside = found.test(f"majority_accuracy: debate − homogeneous:{model}")
        assert (beside["value"], beside["p"]) == pytest.approx((1 / 3, 2 / 2**5)), "five questions differ"


# ── 4. Models that are both wrong often agree on the wrong option ───────────────────────────────────────────


def test_finding_4_errors_that_are_shared_are_worth_one_vote(study: Study) -> None:
    study.write("panel.yaml", MIXED.replace("rounds: 2", "rounds: 1"))
    study.ask(24, num_options=4)
    study.play(study.votes(None, "wrong", on=study.questions[:12]), study.votes(None, "right"))
    study.suite()
    found = study.analyze()
    assert found.value("error_agreement", round=1) == 1
    assert found.value("error_agreement_chance", round=1) == pytest.approx(1 / 3)
    excess = found.figure("error_agreement_excess", round=1)
    assert excess["value"] == pytest.approx(2 / 3)
    assert excess["low"] > 0
    assert found.value("error_correlation", round=1) == pytest.approx(1)
    assert found.value("effective_votes", round=1) == pytest.approx(1)


def test_finding_4_errors_by_chance_are_no_more_than_chance(study: Study) -> None:
    """Two seats of four options each: every combination once, nine of them both wrong, three of these alike."""
    study.write(
        "panel.yaml",
        """
        name: two models
        seats:
          - {name: Ada, model: qwen2.5-coder-0.5b-instruct}
          - {name: Bob, model: qwen2.5-coder-1.5b-instruct}
        rounds: 1
        """,
    )
    study.ask(16, num_options=4)
    kinds = ("right", "wrong", "wrong2", "wrong3")
    study.play(
        *(
            [
                *study.votes("Ada", kinds[n // 4], on=study.questions[n : n + 1]),
                *study.votes("Bob", kinds[n % 4], on=study.questions[n : n + 1]),
            ]
            for n in range(16)
        )
    )
    study.suite()
    found = study.analyze()
    assert found.value("error_agreement", round=1) == pytest.approx(3 / 9)
    excess = found.figure("error_agreement_excess", round=1)
    assert excess["value"] == pytest.approx(0)
    assert excess["low"] < 0 < excess["high"]
    assert found.value("error_correlation", round=1) == pytest.approx(0)
    assert found.value("effective_votes", round=1) == pytest.approx(2)


# ── 15. Order and the visibility of confidence matter little; strength dominates ────────────────────────────


def test_finding_15_of_three_factors_the_one_that_matters_is_found(study: Study) -> None:
    study.write("panel.yaml", MIXED)
    study.write(
        "sweep.yaml",
        """
        name: what matters
        panel: panel.yaml
        questions: [suite.jsonl]
        factors:
          visibility.order: [fixed, shuffled]
          visibility.confidence: [hidden, shown]
          strength:
            mixed: {}
            strong: {seats: {"*": {model: qwen2.5-coder-1.5b-instruct}}}
        primary:
          - {metric: individual_accuracy, factor: strength, levels: [strong, mixed]}
          - {metric: individual_accuracy, factor: visibility.order, levels: [shuffled, fixed]}
          - {metric: individual_accuracy, factor: visibility.confidence, levels: [shown, hidden]}
        """,
    )
    study.ask()
    study.play(study.votes(None, "right", model=LARGE), study.votes(None, "wrong"))
    study.sweep()
    found = study.analyze()
    tests = {
        factor: found.test(f"individual_accuracy: {factor} {one} − {factor} {other}")
        for factor, one, other in (
            ("strength", "strong", "mixed"),
            ("visibility.order", "shuffled", "fixed"),
            ("visibility.confidence", "shown", "hidden"),
        )
    }
    assert {test["family"] for test in tests.values()} == {"primary"}
    assert tests["strength"]["value"] == pytest.approx(2 / 3)
    assert tests["strength"]["p_adjusted"] == pytest.approx(3 * SURELY), "Holm over three primary comparisons"
    for factor in ("visibility.order", "visibility.confidence"):
        assert (tests[factor]["value"], tests[factor]["p_adjusted"]) == (0, 1)
