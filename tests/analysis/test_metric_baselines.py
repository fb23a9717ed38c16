"""What figures are held against: independent jurors, the best single model, an early end, statements that were cut."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import plain_metrics as plain
import pytest
from analyzed_stores import analysis_of, finding, random_store, value
from builders import make_panel, make_question, write_script
from store_builders import NAMED, hold_suite

from localtable.analysis.statistics.jury import condorcet_jury, jury_accuracy

SURE = {"right": {"A": 0.9, "B": 0.1}, "wrong": {"A": 0.1, "B": 0.9}}


@pytest.mark.parametrize("seats", [1, 2, 5, 6])
def test_a_jury_of_sums_is_the_jury_of_accuracies(seats: int) -> None:
    right = np.random.default_rng(seats).random((40, seats)) < 0.6
    judged = np.arange(40) < 30
    statistic = jury_accuracy(right, judged)
    expected = condorcet_jury(right[:30].mean(axis=0).tolist())
    assert float(statistic.function(statistic.sums.sum(axis=0))) == pytest.approx(expected)


def test_an_undefined_jury_is_no_number() -> None:
    statistic = jury_accuracy(np.zeros((3, 2), bool), np.zeros(3, bool))
    assert not np.isfinite(statistic.function(statistic.sums.sum(axis=0)))


def test_the_best_model_is_scored_on_questions_that_did_not_choose_it(tmp_path: Path) -> None:
    """Each of two models is right on one half of the questions."""
    questions = [make_question(id=f"q{i}", question=f"{i}?", answer="A") for i in range(10)]
    turns = [
        {"question": f"q{i}", "seat": seat, "distribution": dict(SURE[said])}
        for i in range(10)
        for seat, said in (("Ada", "right" if i < 5 else "wrong"), ("Bob", "wrong" if i < 5 else "right"))
    ]
    panel = make_panel(tmp_path, "Ada", "Bob", cards=NAMED, rounds=1)
    analysis = analysis_of(hold_suite(tmp_path / "run.db", panel, questions, write_script(tmp_path, *turns)))
    # Left out, a question takes its own point with it: the model that is wrong on it is ahead, 5 to 4.
    assert value(analysis, "best_single_accuracy") == 0
    assert value(analysis, "individual_accuracy", model="small", round=1) == 0.5


def test_a_model_that_is_better_everywhere_is_chosen_everywhere(tmp_path: Path) -> None:
    questions = [make_question(id=f"q{i}", question=f"{i}?", answer="A") for i in range(10)]
    turns = [
        {"seat": "Bob", "distribution": dict(SURE["right"])},
        {"seat": "Ada", "distribution": dict(SURE["wrong"])},
    ]
    panel = make_panel(tmp_path, "Ada", "Bob", cards=NAMED, rounds=2)
    analysis = analysis_of(hold_suite(tmp_path / "run.db", panel, questions, write_script(tmp_path, *turns)))
    assert value(analysis, "best_single_accuracy") == 1
    assert value(analysis, "panel_gain") == -0.5  # one right, one wrong: a shared first place
    assert value(analysis, "vote_gain") == 0


def test_ending_at_the_first_unanimous_round_saves_what_follows(tmp_path: Path) -> None:
    path = random_store(tmp_path, names=("Ada", "Bob"), repeats=1, controls=())
    analysis, transcripts = analysis_of(path), plain.read_transcripts(path)

    def ends(t: plain.Transcript) -> int:
        agreed = [number for number in range(1, 4) if len(set(plain.votes(t)[number - 1].values())) == 1]
        return agreed[0] if agreed else 3

    def generated(t: plain.Transcript, first: int) -> int:
        turns = [turn for round_ in t.rounds[first:] for turn in round_.turns]
        return sum(usage.completion_tokens for turn in turns for usage in (turn.usage or {}).values())

    saved = sum(generated(t, ends(t)) for t in transcripts) / sum(generated(t, 0) for t in transcripts)
    assert 0 < saved < 1
    assert value(analysis, "early_stop_savings", tokens="generated") == pytest.approx(saved)
    table = ("Ada", "Bob")
    judged = plain.answered(transcripts)
    lost = [plain.share_right(t, 3, table) - plain.share_right(t, ends(t), table) for t in judged]
    assert value(analysis, "early_stop_regret") == pytest.approx(plain.mean(lost))


def test_cut_statements_are_told_from_whole_ones(tmp_path: Path) -> None:
    turns = [
        {"seat": "Ada", "finish_reason": "length", "statement": "My answer: Yes", "vote": "B"},
        {"seat": "Bob", "statement": "My answer: Yes", "vote": "A"},
    ]
    questions = [make_question(id=f"q{i}", question=f"{i}?", answer="A") for i in range(4)]
    panel = make_panel(tmp_path, "Ada", "Bob", cards=NAMED, rounds=1)
    analysis = analysis_of(hold_suite(tmp_path / "run.db", panel, questions, write_script(tmp_path, *turns)))
    assert value(analysis, "truncation_rate") == 0.5
    assert value(analysis, "truncation_rate", model="small") == 1
    assert value(analysis, "stated_agreement") == 0.5
    assert value(analysis, "stated_agreement", statement="cut") == 0
    assert value(analysis, "stated_agreement", statement="whole") == 1
    assert value(analysis, "stated_accuracy", invalid="wrong", round=1) == 1
    assert value(analysis, "vote_accuracy", invalid="wrong", round=1) == 0.5
    assert value(analysis, "vote_accuracy", invalid="excluded", round=1) == 1


def test_both_ballots_of_a_turn_tell_reading_from_speaking(tmp_path: Path) -> None:
    turns = [
        {"seat": "Ada", "round": 1, "vote": "A", "vote_before": "A"},
        {"seat": "Ada", "round": 2, "vote": "B", "vote_before": "B"},
        {"seat": "Bob", "round": 1, "vote": "A", "vote_before": "A"},
        {"seat": "Bob", "round": 2, "vote": "B", "vote_before": "A"},
    ]
    questions = [make_question(id=f"q{i}", question=f"{i}?", answer="A") for i in range(4)]
    panel = make_panel(tmp_path, "Ada", "Bob", cards=NAMED, ballot={"at": "both"})
    analysis = analysis_of(
        hold_suite(tmp_path / "run.db", panel, questions, write_script(tmp_path, *turns)), by=["seat"]
    )
    assert value(analysis, "change_by_reading", seat="Ada", round=2) == 1
    assert value(analysis, "change_by_speaking", seat="Ada", round=2) == 0
    assert value(analysis, "change_by_reading", seat="Bob", round=2) == 0
    assert value(analysis, "change_by_speaking", seat="Bob", round=2) == 1
    assert value(analysis, "individual_accuracy", ballot="before", round=2) == 0.5
    assert value(analysis, "individual_accuracy", round=2) == 0


def test_one_question_has_no_other_to_choose_by(tmp_path: Path) -> None:
    panel = make_panel(tmp_path, "Ada", "Bob", cards=NAMED, rounds=1)
    analysis = analysis_of(hold_suite(tmp_path / "run.db", panel, [make_question(answer="A")]))
    reason = finding(analysis, "best_single_accuracy").estimate.reason
    assert reason == "one question: the best model can't be chosen on others"
