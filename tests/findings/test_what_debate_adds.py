"""Findings about votes and debate: what voting explains, whether belief drifts, what rethinking alone would do."""

from __future__ import annotations

import math

import pytest
from study import ASKED, SURELY, Study

THREE = """
    name: three copies
    seats:
      - {name: Ada, model: qwen2.5-coder-0.5b-instruct}
      - {name: Bob, model: qwen2.5-coder-0.5b-instruct}
      - {name: Cy, model: qwen2.5-coder-0.5b-instruct}
    rounds: 2
"""
TO_BOB = {"seat": "Bob", "weight": 0.9}


def followers_of_bob(study: Study) -> None:
    """Bob is right and stays; whoever is shown his vote takes it, and is wrong without."""
    study.play(
        study.votes("Bob", "right"),
        study.votes("Ada", "wrong", follows=TO_BOB),
        study.votes("Cy", "wrong2", follows=TO_BOB),
    )


# ── 1. A majority vote explains most of the gain; debate is a martingale in individual belief ────────────────


def test_finding_1_a_martingale_is_told_from_a_drift(study: Study) -> None:
    """Votes move, and as many are led astray as are corrected: all that is gained is gained by voting."""
    study.write("panel.yaml", THREE)
    study.ask(320, answer="A")
    study.play(study.votes("Ada", "right", "wrong"), study.votes("Bob", "right"), study.votes("Cy", "wrong", "right"))
    study.suite("first-round", "solo-revise")
    found = study.analyze()
    assert [found.value("individual_accuracy", round=n) for n in (1, 2)] == pytest.approx([2 / 3] * 2)
    assert [found.value("majority_accuracy", round=n) for n in (1, 2)] == [1, 1]
    assert found.value("vote_gain") == pytest.approx(1 / 3)
    assert found.value("debate_gain") == 0
    assert found.value("change_rate", round=2) == pytest.approx(2 / 3)
    drift = found.figure("martingale_drift", round="last")
    assert (drift["value"], drift["verdict"]) == (0, "equivalent")
    beside = found.test("martingale_drift: debate − solo-revise")
    assert (beside["value"], beside["p"], beside["verdict"]) == (0, 1, "equivalent")


def test_finding_1_a_planted_drift_is_found_and_is_more_than_rethinking(study: Study) -> None:
    study.write("panel.yaml", THREE)
    study.ask()
    followers_of_bob(study)
    study.suite("first-round", "solo-revise")
    found = study.analyze()
    assert found.figure("martingale_drift", round="last")["verdict"] == "different"
    beside = found.test("martingale_drift: debate − solo-revise")
    assert beside["value"] == pytest.approx(2 / 3)
    assert (beside["p"], beside["verdict"], beside["family"]) == (SURELY, "different", "primary")
    gain = found.test("majority_accuracy: debate − its first round")
    # Three seats, three options: a third each at first.
    assert gain["value"] == pytest.approx(2 / 3)
    assert gain["p_adjusted"] == pytest.approx(2 * SURELY), "Holm over two primary comparisons"


# ── 2. At equal compute debate rarely beats self-consistency ────────────────────────────────────────────────


@pytest.mark.parametrize(("lost", "p"), [(ASKED, SURELY), (8, 2 / 2**8), (0, 1)])
def test_finding_2_debate_beside_as_many_samples_as_cost_the_same(study: Study, lost: int, p: float) -> None:
    """Every sample is right; the debate's second round unlearns it on some of the questions."""
    study.write("panel.yaml", THREE)
    study.ask()
    study.play(study.votes(None, "right", "wrong", on=study.questions[:lost]), study.votes(None, "right"))
    study.suite("self-consistency")
    found = study.analyze()
    (matched,) = [
        figure
        for figure in found.data["metrics"]
        if figure["name"] == "compute_matched_gain" and figure["by"]["tokens"] == "total"
    ]
    assert matched["value"] == pytest.approx(-lost / ASKED)
    # Second rounds read more than first ones, so that more than the six samples would be due: all six are taken.
    assert matched["by"]["k"] == 6
    name = "self-consistency:qwen2.5-coder-0.5b-instruct, 6 samples (total tokens)"
    test = found.test(f"majority_accuracy: debate − {name}")
    assert (test["value"], test["p"]) == pytest.approx((-lost / ASKED, p))
    assert test["family"] == "primary"


# ── 11. Independent first drafts raise diversity ────────────────────────────────────────────────────────────


def test_finding_11_talk_costs_the_diversity_that_independent_drafts_have(study: Study) -> None:
    study.write("panel.yaml", THREE)
    study.ask()
    followers_of_bob(study)
    study.suite("solo-revise")
    found = study.analyze()
    assert found.value("vote_entropy", round=1) == pytest.approx(math.log(3)), "three seats, three options"
    assert found.value("vote_entropy", round=2) == 0
    assert found.value("vote_entropy", condition="solo-revise", round=2) == pytest.approx(math.log(3))
    assert found.value("oracle_accuracy", round=1) == 1
    assert found.value("oracle_gap", round=1) == pytest.approx(2 / 3)


# ── 14. Revising alone or reading noise matches debate ──────────────────────────────────────────────────────


def test_finding_14_what_seats_would_do_anyway_is_no_gain_of_debate(study: Study) -> None:
    """Half of the wrong seats think better of it in round 2, whatever they have read."""
    study.write("panel.yaml", THREE)
    study.ask()
    study.play(study.votes("Ada", "wrong", "right"), study.votes("Bob", "wrong"), study.votes("Cy", "right"))
    study.suite("solo-revise", "noise-peers")
    found = study.analyze()
    for control in ("solo-revise", "noise-peers"):
        for metric in ("majority_accuracy", "correction_rate", "vulnerability"):
            test = found.test(f"{metric}: debate − {control}")
            assert (test["value"], test["p"]) == (0, 1)
        assert found.value("correction_rate", condition=control, round="last") == 0.5
    assert found.value("correction_rate", round="last") == 0.5


def test_finding_14_what_peers_do_is_more_than_both_controls(study: Study) -> None:
    study.write("panel.yaml", THREE)
    study.ask()
    followers_of_bob(study)
    study.suite("solo-revise", "noise-peers")
    found = study.analyze()
    for control in ("solo-revise", "noise-peers"):
        test = found.test(f"individual_accuracy: debate − {control}")
        assert test["value"] == pytest.approx(2 / 3)
        assert test["p"] == SURELY
        assert found.value("correction_rate", condition=control, round="last") == 0
    assert found.value("correction_rate", round="last") == 1
