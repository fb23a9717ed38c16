"""Which comparisons are made, that they find what was planted, and how they are adjusted."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import plain_metrics as plain
import pytest
from analyzed_stores import analysis_of, comparison, random_store, value
from builders import make_panel, make_question, write_script
from store_builders import hold_suite

from localtable.analysis.findings import Analysis
from localtable.analysis.statistics.multiple_tests import benjamini_hochberg, holm
from localtable.errors import ConfigError

QUESTIONS = [
    make_question("Yes", "No", "Maybe", id=f"q{i}", question=f"Is it {i}?", answer="B", tags=[f"passage:{i // 4}"])
    for i in range(40)
]
SURE = {"A": 0.1, "B": 0.8, "C": 0.1}
WRONG = {"A": 0.8, "B": 0.1, "C": 0.1}
FOLLOWER = {"distribution": WRONG, "follows": {"seat": "Bob", "how": "directly", "weight": 0.9}}


def followers(folder: Path, *, controls: tuple[str, ...], **options: Any) -> Path:
    """Bob is right, Ada and Cy are wrong; whoever reads Bob's vote takes it."""
    folder.mkdir(parents=True, exist_ok=True)
    turns = [
        {"seat": "Bob", "distribution": SURE},
        {"seat": "Ada", "round": 2, **FOLLOWER},
        {"seat": "Cy", "round": 2, **FOLLOWER},
        {"distribution": WRONG},
    ]
    panel = make_panel(folder, "Ada", "Bob", "Cy", rounds=2)
    script = write_script(folder, *(deepcopy(turn) for turn in turns))  # YAML would write what is shared as an alias
    return hold_suite(folder / "run.db", panel, QUESTIONS, script, controls=controls, **options)


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return followers(tmp_path_factory.mktemp("planted"), controls=("self-consistency", "solo-revise", "votes-only"))


@pytest.fixture(scope="module")
def analysis(planted: Path) -> Analysis:
    return analysis_of(planted)


def test_three_kinds_of_comparison_are_primary(analysis: Analysis) -> None:
    primary = [test.name for test in analysis.tests if test.family == "primary"]
    assert primary == [
        "majority_accuracy: debate − its first round",
        "martingale_drift: debate − solo-revise",
        "majority_accuracy: debate − self-consistency:toy, 6 samples (total tokens)",
    ]
    assert all(test.family == "exploratory" for test in analysis.tests[len(primary) :])


def test_what_was_planted_is_found(analysis: Analysis) -> None:
    gain = comparison(analysis, "majority_accuracy: debate − its first round")
    assert gain.estimate.value == 1
    assert gain.p.p == pytest.approx(1e-4)  # none of 9,999 random flips is as far out
    drift = comparison(analysis, "martingale_drift: debate − solo-revise")
    assert drift.estimate.value == pytest.approx(2 / 3)
    assert drift.verdict == "different"
    assert value(analysis, "martingale_drift", round="last") == pytest.approx(2 / 3)
    assert value(analysis, "martingale_drift", condition="solo-revise", round="last") == 0
    assert value(analysis, "persuasion", seat="Ada", peer="Bob") == 1
    assert value(analysis, "persuasion", seat="Bob", peer="Ada") == 0
    # Votes are all that Ada follows: without statements nothing changes.
    assert comparison(analysis, "majority_accuracy: debate − votes-only").estimate.value == 0


def test_p_values_are_adjusted_within_their_family(analysis: Analysis) -> None:
    for family, adjust in (("primary", holm), ("exploratory", benjamini_hochberg)):
        tests = [test for test in analysis.tests if test.family == family]
        assert len(tests) > 2
        assert [test.p_adjusted for test in tests] == adjust([test.p.p for test in tests])


def test_families_that_are_shown_do_not_change_what_is_adjusted(planted: Path, analysis: Analysis) -> None:
    assert analysis_of(planted, families=["bias"]).tests == analysis.tests


def test_mcnemar_stands_where_each_question_has_one_yes_or_no(analysis: Analysis, tmp_path: Path) -> None:
    gain = comparison(analysis, "majority_accuracy: debate − its first round")
    assert gain.mcnemar is not None
    assert gain.mcnemar.p == pytest.approx(2 * 0.5 * 0.5**40)  # mid-p: 40 questions won, none lost
    assert gain.mcnemar.n == 40
    assert comparison(analysis, "individual_accuracy: debate − solo-revise").mcnemar is None  # thirds
    repeated = analysis_of(followers(tmp_path / "repeated", controls=(), repeats=2))
    assert comparison(repeated, "majority_accuracy: debate − its first round").mcnemar is None


def test_no_mcnemar_where_first_places_are_shared(tmp_path: Path) -> None:
    path = random_store(tmp_path, names=("Ada", "Bob"), repeats=1, controls=())
    assert comparison(analysis_of(path), "majority_accuracy: debate − its first round").mcnemar is None


def test_samples_are_matched_by_tokens(tmp_path: Path) -> None:
    analysis = analysis_of(random_store(tmp_path, repeats=1))
    debate, samples = (
        plain.read_transcripts(tmp_path / "run.db", name) for name in ("debate", "self-consistency:large")
    )
    spent = sum(plain.tokens([t], kind) for t in debate for kind in ("prompt_tokens", "completion_tokens"))

    def took(k: int) -> float:
        seats = [seat.name for seat in samples[0].panel.seats[:k]]
        turns = [turn for t in samples for turn in t.rounds[0].turns if turn.seat in seats]
        return sum(u.prompt_tokens + u.completion_tokens for turn in turns for u in (turn.usage or {}).values())

    k = min(range(1, 16), key=lambda number: abs(took(number) - spent))
    test = comparison(analysis, f"majority_accuracy: debate − self-consistency:large, {k} samples (total tokens)")
    assert f"{k} of 15 samples took {took(k) / spent:.2f} x" in (test.note or "")
    first = [seat.name for seat in samples[0].panel.seats[:k]]
    by_question = {t.question.id: plain.share_right(t, 1, first) for t in plain.answered(samples)}
    differences = [
        plain.share_right(t, len(t.rounds), plain.counting(t)) - by_question[t.question.id]
        for t in plain.answered(debate)
    ]
    assert test.estimate.value == pytest.approx(plain.mean(differences))
    by = {"control": "self-consistency:large", "k": k}
    assert value(analysis, "compute_matched_gain", tokens="total", **by) == pytest.approx(plain.mean(differences))


def test_questions_of_a_passage_are_one_unit(planted: Path, analysis: Analysis) -> None:
    together = analysis_of(planted, cluster="passage")
    assert (together.num_questions, together.num_clusters) == (40, 10)
    for test, apart in zip(together.tests, analysis.tests, strict=True):
        assert test.estimate.n == 10
        assert apart.estimate.n == 40
        assert test.estimate.value == pytest.approx(apart.estimate.value)
        assert test.mcnemar is None
    assert {f.estimate.n for f in together.findings if f.metric.name == "majority_accuracy" and not f.part} == {10}


def test_a_tag_that_no_question_has_makes_no_units(planted: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        analysis_of(planted, cluster="pasage")
    assert "no question has a tag that begins with 'pasage:'" in caught.value.message
    assert "passage" in caught.value.hint


def test_without_controls_it_is_said_what_is_not_tested(tmp_path: Path) -> None:
    analysis = analysis_of(followers(tmp_path, controls=()))
    said = "\n".join(analysis.notes)
    assert "not tested: debate against self-consistency at matched tokens" in said
    assert "not tested: drift against solo-revise" in said
    assert [test.name for test in analysis.tests if test.family == "primary"] == [
        "majority_accuracy: debate − its first round"
    ]


def test_what_a_test_could_have_found_follows_from_how_questions_differ(tmp_path: Path) -> None:
    path = random_store(tmp_path, repeats=1)
    test = comparison(analysis_of(path), "majority_accuracy: debate − its first round")
    transcripts = plain.answered(plain.read_transcripts(path))
    d = [
        float(plain.share_right(t, len(t.rounds), plain.counting(t)) - plain.share_right(t, 1, plain.counting(t)))
        for t in transcripts
    ]
    middle = plain.mean(d)
    error = (sum((x - middle) ** 2 for x in d) / (len(d) - 1) / len(d)) ** 0.5
    assert test.detectable == pytest.approx((1.959964 + 0.841621) * error, rel=1e-5)


def test_where_no_question_differs_nothing_is_said_to_be_detectable(planted: Path, analysis: Analysis) -> None:
    same = comparison(analysis, "majority_accuracy: debate − votes-only")
    assert same.detectable is None
    assert any(note.startswith("no detectable effect") for note in analysis.notes)


def test_controls_alone_are_compared_with_nothing(planted: Path) -> None:
    analysis = analysis_of(planted, "solo-revise")
    assert analysis.tests == ()
    assert any("nothing is compared" in note for note in analysis.notes)
    assert value(analysis, "individual_accuracy", condition="solo-revise", round=1) == pytest.approx(1 / 3)
