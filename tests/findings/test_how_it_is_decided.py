"""Findings about ballots and rules: the options' order, which rule, confidence, and when to stop."""

from __future__ import annotations

import math

import pytest
from study import ASKED, SURELY, Study

PANEL = """
    name: three copies
    seats:
      - {name: Ada, model: qwen2.5-coder-0.5b-instruct}
      - {name: Bob, model: qwen2.5-coder-0.5b-instruct}
      - {name: Cy, model: qwen2.5-coder-0.5b-instruct}
"""

# ── 9. Votes depend on the options' order and letters ───────────────────────────────────────────────────────


def test_finding_9_seats_that_love_a_letter_are_found_out(study: Study) -> None:
    study.write("panel.yaml", PANEL + "    rounds: 1\n    ballot: {orders: all_rotations}\n")
    study.ask(15)
    study.play([{"label": "A"}])
    study.suite()
    found = study.analyze()
    assert found.value("order_flip_rate", pooled="none") == 1
    assert found.value("permutation_consistency") == 0
    assert [found.value("slot_bias", slot=n) for n in (1, 2, 3)] == pytest.approx([2 / 3, -1 / 3, -1 / 3])
    # All is recalled where the answer is A, and nothing elsewhere.
    assert found.value("recall_spread", orders="own") == pytest.approx(math.sqrt(2) / 3)
    (slots,) = [test for test in found.data["tests"] if test["metric"] == "slot_bias"]
    assert slots["p"] < 0.001


def test_finding_9_seats_that_mind_the_content_are_not(study: Study) -> None:
    study.write("panel.yaml", PANEL + "    rounds: 1\n    ballot: {orders: all_rotations}\n")
    study.ask(15)
    study.play(study.votes("Ada", "right"), study.votes("Bob", "wrong"), study.votes("Cy", "wrong2"))
    study.suite()
    found = study.analyze()
    for pooled in ("none", "halves", "all but one"):
        assert found.value("order_flip_rate", pooled=pooled) == 0
    assert found.value("permutation_consistency") == 1
    assert found.value("pooling_change_rate") == 0
    assert [found.value("slot_bias", slot=n) for n in (1, 2, 3)] == pytest.approx([0, 0, 0])
    assert found.value("recall_spread", orders="own") == pytest.approx(0)
    (slots,) = [test for test in found.data["tests"] if test["metric"] == "slot_bias"]
    assert (slots["p"], slots["reason"]) == (None, "every question chooses all slots alike")


# ── 10. Voting is better for reasoning, consensus for knowledge; more seats rather than more rounds ─────────


def test_finding_10_rules_are_told_apart_by_task_on_one_run(study: Study) -> None:
    """Of reasoning two of three are right; of knowledge all are, or two are wrong together."""
    study.write("panel.yaml", PANEL)
    study.ask(tags=[["reasoning"] if n < 8 else ["knowledge"] for n in range(ASKED)])
    reasoning, known, guessed = study.questions[:8], study.questions[8:12], study.questions[12:]
    study.play(
        *(study.votes(seat, "right", on=reasoning) for seat in ("Ada", "Bob")),
        study.votes(None, "right", on=known),
        study.votes("Ada", "right", on=guessed),
        study.votes(None, "wrong"),
    )
    study.suite()
    found = study.analyze("--by", "tag")

    def by_tag(name: str, rule: str) -> list[float]:
        return [found.value(name, rule=rule, round="last", tag=tag) for tag in ("reasoning", "knowledge")]

    assert by_tag("rule_accuracy", "plurality") == [1, 0.5]
    assert by_tag("rule_accuracy", "unanimity") == [0, 0.5]
    assert by_tag("rule_decision_rate", "unanimity") == [0, 0.5]
    assert found.value("rule_accuracy_decided", rule="unanimity", round="last", tag="knowledge") == 1
    rules = study.tally("--rule", "plurality", "--rule", "unanimity")
    assert rules["plurality"]["accuracy"]["value"] == 0.75
    assert rules["unanimity"]["accuracy_decided"]["value"] == 1
    assert rules["disagreement"] == [[0, 0.75], [0.75, 0]], "wherever one decides and the other does not"


def test_finding_10_more_seats_help_where_more_rounds_do_not(study: Study) -> None:
    study.write("panel.yaml", PANEL)
    study.write(
        "sweep.yaml",
        """
        name: seats or rounds
        panel: panel.yaml
        questions: [suite.jsonl]
        factors:
          rounds: [2, 4]
          seats_there:
            three: {}
            five: {seats: {Dee: {model: qwen2.5-coder-0.5b-instruct}, Eve: {model: qwen2.5-coder-0.5b-instruct}}}
        primary:
          - {metric: majority_accuracy, factor: seats_there, levels: [five, three]}
          - {metric: majority_accuracy, factor: rounds, levels: [4, 2]}
        """,
    )
    study.ask()
    study.play(*(study.votes(seat, "wrong") for seat in ("Ada", "Bob")), study.votes(None, "right"))
    study.sweep()
    found = study.analyze()
    seats = found.test("majority_accuracy: seats_there five − seats_there three")
    assert (seats["value"], seats["p_adjusted"]) == pytest.approx((1, 2 * SURELY))
    rounds = found.test("majority_accuracy: rounds 4 − rounds 2")
    assert (rounds["value"], rounds["p_adjusted"]) == (0, 1)


# ── 12. Scoring the trajectory beats the last round's majority ──────────────────────────────────────────────


def test_finding_12_what_was_held_longest_wins_by_trajectory(study: Study) -> None:
    """Two of three are right for three rounds and give in in the fourth.

    Right: 2 · 20 (1 + 1/2 + 1/3) − 2 · 25/4. Wrong: 20 (1 + 1/2 + 1/3 + 1/4) + 2 · 30/4. A seat that never moves has
    20 (1 + 1/2 + 1/3 + 1/4).
    """
    study.write("panel.yaml", PANEL + "    rounds: 4\n")
    study.ask()
    given_in = ("right", "right", "right", "wrong")
    study.play(*(study.votes(seat, *given_in) for seat in ("Ada", "Bob")), study.votes("Cy", "wrong"))
    study.suite()
    rules = study.tally("--rule", "trajectory", "--rule", "plurality")
    assert (rules["plurality"]["accuracy"]["value"], rules["trajectory"]["accuracy"]["value"]) == (0, 1)
    assert rules["disagreement"] == [[0, 1], [1, 0]]
    right, wrong, whole = 40 * (11 / 6) - 50 / 4, 20 * (25 / 12) + 60 / 4, 3 * 20 * (25 / 12)
    assert rules["trajectory"]["margin"]["value"] == pytest.approx((right - wrong) / whole)
    found = study.analyze()
    assert found.value("rule_accuracy", rule="trajectory", round="last") == 1
    assert found.value("majority_accuracy", round="last") == 0


def test_finding_12_where_nobody_moves_both_rules_are_one(study: Study) -> None:
    study.write("panel.yaml", PANEL + "    rounds: 4\n")
    study.ask()
    study.play(*(study.votes(seat, "right") for seat in ("Ada", "Bob")), study.votes("Cy", "wrong"))
    study.suite()
    rules = study.tally("--rule", "trajectory", "--rule", "plurality")
    assert rules["plurality"]["accuracy"]["value"] == rules["trajectory"]["accuracy"]["value"] == 1
    assert rules["disagreement"] == [[0, 0], [0, 0]]


# ── 13. Confidence that is shown gives debate a drift; voting by confidence is unstable ─────────────────────


@pytest.mark.parametrize(("wrong", "weighted"), [(0.45, 1), (0.5, 0)])
def test_finding_13_confidence_moves_seats_that_see_it_and_turns_a_weighted_vote(
    study: Study, wrong: float, weighted: int
) -> None:
    """Bob is right and 95 % sure, the others are wrong, and follow whoever is as sure as that where they see it."""
    study.write("panel.yaml", PANEL)
    study.write(
        "sweep.yaml",
        """
        name: confidence
        panel: panel.yaml
        questions: [suite.jsonl]
        factors:
          visibility.confidence: [hidden, shown]
        primary:
          - {metric: martingale_drift, factor: visibility.confidence, levels: [shown, hidden]}
        """,
    )
    study.ask()
    study.play(
        study.votes("Bob", "right", sure=0.95),
        study.votes(None, "wrong", sure=wrong, told="(95 % sure)", follows={"seat": "Bob", "weight": 1}),
        study.votes(None, "wrong", sure=wrong),
    )
    study.sweep()
    found = study.analyze()
    shown, hidden = "confidence=shown", "confidence=hidden"
    assert found.value("martingale_drift", condition=shown, round="last") == pytest.approx(2 / 3)
    assert found.value("martingale_drift", condition=hidden, round="last") == 0
    drift = found.test("martingale_drift: visibility.confidence shown − visibility.confidence hidden")
    assert (drift["value"], drift["p"], drift["family"]) == pytest.approx((2 / 3, SURELY, "primary"))
    # Bins: two thirds are wrong at what they give, a third is right at 0.95; or all are right at 0.95 and 1.
    ece = {c: found.value("ece", condition=c, of="seat", round="last") for c in (shown, hidden)}
    assert ece == pytest.approx({hidden: 2 / 3 * wrong + 0.05 / 3, shown: 0.05 / 3})
    by_rule = {
        rule: found.value("rule_accuracy", condition=hidden, rule=rule, round="last")
        for rule in ("plurality", "confidence_weighted")
    }
    assert by_rule == {"plurality": 0, "confidence_weighted": weighted}, "0.95 against twice what the wrong ones give"


# ── 16. Stop when opinions are stable, or debate only where seats disagree ──────────────────────────────────


def test_finding_16_what_stopping_early_saves_and_costs(study: Study) -> None:
    """Half of the debates agree from the start, half never do; nobody changes a vote, and all turns are as long."""
    study.write("panel.yaml", PANEL + "    rounds: 4\n    stop: {when: never}\n")
    study.ask()
    study.play(study.votes("Ada", "wrong", on=study.questions[:8]), study.votes(None, "right"))
    study.suite()
    found = study.analyze("--by", "agreement")
    assert found.value("early_stop_savings", tokens="generated") == pytest.approx(3 / 8)
    assert found.value("early_stop_savings", tokens="generated", agreement="3:0") == pytest.approx(3 / 4)
    assert found.value("early_stop_savings", tokens="generated", agreement="2:1") == 0
    assert found.value("early_stop_regret") == 0
    assert found.value("rounds_to_stability") == 1
    assert found.value("unsettled_rate") == 0
    assert found.value("debate_gain", agreement="2:1") == 0


def test_finding_16_stopping_costs_what_later_rounds_would_have_put_right(study: Study) -> None:
    study.write("panel.yaml", PANEL + "    rounds: 3\n    stop: {when: never}\n")
    study.ask()
    study.play(study.votes(None, "wrong", "right", "right", on=study.questions[:4]), study.votes(None, "right"))
    study.suite()
    found = study.analyze()
    assert found.value("early_stop_regret") == pytest.approx(1 / 4)
    assert found.value("rounds_to_stability") == pytest.approx(1 + 1 / 4)
    assert found.value("majority_wrong_recovery") == 1
