"""Every figure against the same figure in plain Python, on stores of the scripted engine that vote at random."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import plain_metrics as plain
import pytest
from analyzed_stores import analysis_of, finding, random_store, value
from store_builders import alter, one

from localtable.analysis.findings import Analysis
from localtable.types import Transcript

CONFEDERATES = {
    "seats": [
        {"name": "Ada", "model": "small.yaml"},
        {"name": "Bob", "model": "large.yaml"},
        {"name": "Cy", "model": "small.yaml"},
        {"name": "Con", "confederate": {"vote": "B", "statement": "It is {option}."}},
        {"name": "Cat", "confederate": {"vote": "A", "statement": "It is {option}.", "counts": True}},
    ],
    "controls": (),
}


@pytest.fixture(
    scope="module",
    params=[
        pytest.param({}, id="plain"),
        pytest.param({"stop": {"when": "threshold", "share": 0.6}}, id="ended early"),
        pytest.param(CONFEDERATES, id="confederates"),
        pytest.param({"names": ("Ada", "Bob"), "repeats": 1, "controls": ("solo-revise",)}, id="two seats"),
    ],
)
def held(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Analysis, list[Transcript]]:
    path = random_store(tmp_path_factory.mktemp("held"), **request.param)
    return analysis_of(path), plain.read_transcripts(path)


BY_ROUND: dict[str, Callable[[list[Transcript], int], float]] = {
    "individual_accuracy": plain.individual_accuracy,
    "majority_accuracy": plain.majority_accuracy,
    "oracle_accuracy": plain.oracle_accuracy,
    "unanimity_rate": plain.unanimity_rate,
    "error_agreement": plain.error_agreement,
    "effective_votes": plain.effective_votes,
    "jury_accuracy": plain.jury,
}
OF_CHANGES: dict[str, Callable[[list[Transcript], int], float]] = {
    "correction_rate": plain.correction_rate,
    "vulnerability": plain.vulnerability,
    "change_rate": plain.change_rate,
}
WHOLE: dict[str, Callable[[list[Transcript]], float]] = {
    "debate_gain": plain.debate_gain,
    "majority_wrong_recovery": plain.recovery,
    "rounds_to_stability": plain.rounds_to_stability,
    "modal_adoption": plain.modal_adoption,
    "conformity": plain.conformity,
    "obstinacy": plain.obstinacy,
    "conformity_gap": lambda transcripts: plain.conformity(transcripts) - plain.obstinacy(transcripts),
}


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("name", BY_ROUND)
def test_figures_of_a_round(held: tuple[Analysis, list[Transcript]], name: str, number: int) -> None:
    analysis, transcripts = held
    assert value(analysis, name, round=number) == pytest.approx(BY_ROUND[name](transcripts, number))


@pytest.mark.parametrize("number", [2, 3])
@pytest.mark.parametrize("name", OF_CHANGES)
def test_figures_of_what_changes(held: tuple[Analysis, list[Transcript]], name: str, number: int) -> None:
    analysis, transcripts = held
    assert value(analysis, name, round=number) == pytest.approx(OF_CHANGES[name](transcripts, number))


@pytest.mark.parametrize("name", WHOLE)
def test_figures_of_whole_debates(held: tuple[Analysis, list[Transcript]], name: str) -> None:
    analysis, transcripts = held
    assert value(analysis, name) == pytest.approx(WHOLE[name](transcripts))


def test_figures_that_are_broken_down_by_themselves(held: tuple[Analysis, list[Transcript]]) -> None:
    analysis, transcripts = held
    assert value(analysis, "martingale_drift", round="last") == pytest.approx(plain.drift(transcripts))
    assert value(analysis, "modal_adoption", mode="wrong") == pytest.approx(
        plain.modal_adoption(transcripts, right=False)
    )
    assert value(analysis, "modal_adoption", mode="right") == pytest.approx(
        plain.modal_adoption(transcripts, right=True)
    )
    assert value(analysis, "brier", of="seat", round=1) == pytest.approx(plain.brier(transcripts, 1))
    assert value(analysis, "seat_value", seat="Ada", round=2) == pytest.approx(plain.seat_value(transcripts, "Ada", 2))
    assert value(analysis, "seat_shapley", seat="Bob", round=2) == pytest.approx(plain.shapley(transcripts, "Bob", 2))
    assert value(analysis, "rule_margin", rule="plurality", round=2) == pytest.approx(
        plain.plurality_margin(transcripts, 2)
    )
    assert value(analysis, "change_by_confidence", confidence="0.5 to 0.7") == pytest.approx(
        plain.change_by_confidence(transcripts, 0.5, 0.7)
    )
    for kind, called in (("prompt", "prompt_tokens"), ("generated", "completion_tokens"), ("cached", "cached_tokens")):
        assert value(analysis, "tokens_per_question", tokens=kind) == pytest.approx(plain.tokens(transcripts, called))


def test_variance_is_told_apart_where_debates_are_held_more_than_once(
    held: tuple[Analysis, list[Transcript]],
) -> None:
    analysis, transcripts = held
    parts = [finding(analysis, "accuracy_variance", part=part, round=1).estimate for part in ("between", "within")]
    if analysis.facts.run.repeats == 1:
        assert [part.value for part in parts] == [None, None]
        assert {part.reason for part in parts} == {"no question has two repeats"}
    else:
        assert [part.value for part in parts] == pytest.approx(plain.variances(transcripts, 1))


def test_what_seats_are_worth_sums_to_what_the_panel_is_worth(held: tuple[Analysis, list[Transcript]]) -> None:
    analysis, transcripts = held
    chance = plain.mean(1 / len(t.question.options) for t in plain.answered(transcripts))
    models, counting = plain.models(transcripts[0]), plain.counting(transcripts[0])
    worth = sum(value(analysis, "seat_shapley", seat=seat, round=1) for seat in models)
    worth += sum(plain.shapley(transcripts, seat, 1) for seat in counting if seat not in models)
    assert worth == pytest.approx(value(analysis, "majority_accuracy", round=1) - chance)


def test_what_a_run_took_is_what_its_sessions_say(tmp_path: Path) -> None:
    path = random_store(tmp_path / "held", number=4)
    total, generating = one(
        path, "SELECT sum(seconds ->> '$.total'), sum(seconds ->> '$.generating') FROM sessions WHERE kind = 'run'"
    )
    tokens, debates = one(
        path, "SELECT (SELECT sum(completion_tokens) FROM generations), (SELECT count(*) FROM debates)"
    )

    def of_the_run(name: str, **by: str) -> float | None:
        (found,) = [f for f in analysis_of(path).findings if f.metric.name == name and dict(f.by) == by]
        return found.estimate.value

    assert of_the_run("seconds", part="total") == pytest.approx(total)
    assert of_the_run("device_hours") == pytest.approx(total / 3600)
    assert of_the_run("debates_per_hour") == pytest.approx(debates * 3600 / total)
    assert of_the_run("generated_tokens_per_second") == pytest.approx(tokens / generating)
    alter(path, "UPDATE timeline SET devices = '[1, 2]' WHERE model = 'large'")
    assert of_the_run("device_hours") == pytest.approx(3 * total / 3600), "devices 0, 1 and 2"


def test_how_full_batches_were_is_what_steps_say(tmp_path: Path) -> None:
    path = random_store(tmp_path / "held", number=4)
    steps = {
        "large": {"seconds": 8, "decode_steps": 50, "decode_rows": 400, "prompt_tokens": 900, "prompt_seconds": 6.0},
        "small": {"seconds": 1, "decode_steps": 0, "decode_rows": 0, "prompt_tokens": 90, "prompt_seconds": None},
    }
    alter(path, f"UPDATE sessions SET facts = json_set(facts, '$.steps', json('{json.dumps(steps)}'))")
    found = {
        (finding.metric.name, dict(finding.by)["model"]): finding.estimate.value
        for finding in analysis_of(path).findings
        if finding.metric.name in ("rows_per_step", "prompt_time_share")
    }
    assert found == {
        ("rows_per_step", "large"): 8.0,
        ("prompt_time_share", "large"): 0.75,
        ("rows_per_step", "small"): None,
        ("prompt_time_share", "small"): None,
    }


def test_confederates_are_met_and_never_judged(tmp_path: Path) -> None:
    path = random_store(tmp_path / "held", **CONFEDERATES)
    analysis, transcripts = analysis_of(path), plain.read_transcripts(path)
    scripted = ("Con", "Cat")
    assert value(analysis, "confederate_adoption") == pytest.approx(
        plain.conformity(transcripts, lambda _, peer: peer in scripted)
    )
    assert {f.by.get("seat") for f in analysis.findings} & set(scripted) == set()
    assert {f.by["peer"] for f in analysis.findings if f.metric.name == "persuasion"} >= set(scripted)
    assert any("Con and Cat sat there by script" in note and "Cat count" in note for note in analysis.notes)


def test_the_last_round_is_each_debates_own(tmp_path: Path) -> None:
    path = random_store(tmp_path / "held", stop={"when": "threshold", "share": 0.6})
    analysis, transcripts = analysis_of(path), plain.read_transcripts(path)
    lengths = {len(t.rounds) for t in transcripts}
    assert lengths > {1}
    answered = [t for t in transcripts if t.question.answer is not None]
    ended = plain.mean(plain.share_right(t, len(t.rounds), plain.counting(t)) for t in answered)
    assert value(analysis, "majority_accuracy", round="last") == pytest.approx(ended)
    assert value(analysis, "rounds_held") == pytest.approx(plain.mean(len(t.rounds) for t in transcripts))
    assert any("ended early" in note for note in analysis.notes)


def test_n_is_the_number_of_questions_with_a_case(held: tuple[Analysis, list[Transcript]]) -> None:
    analysis, transcripts = held
    answered = {t.question.id for t in transcripts if t.question.answer is not None}
    assert finding(analysis, "majority_accuracy", round=1).estimate.n == len(answered)
    wrong = {
        t.question.id
        for t, _, before, _ in plain.steps(transcripts, 2)
        if t.question.id in answered and before != t.question.answer
    }
    assert finding(analysis, "correction_rate", round=2).estimate.n == len(wrong)
