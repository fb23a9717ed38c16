"""Whole debates on the scripted engine: what is said, shown, voted, counted and kept."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from builders import CARD, REASONING, Held, hold, make_panel, make_question, record, votes, write_script

from localtable.config import load_question
from localtable.engines.base import Completion, Request
from localtable.errors import ConfigError, EngineError, EngineLoadError, InterruptedRun, PlacementError
from localtable.protocol import Debate
from localtable.report.view import DebateView
from localtable.report.words import result_line
from localtable.runner.events import EngineLoaded, EngineLoading, RoundClosed, RoundOpened, TurnFinished
from localtable.runner.manifest import TIMINGS
from localtable.runner.turn_loop import MAX_TRIES
from localtable.runner.turns import begin_turn
from localtable.seeds import request_seed
from localtable.transcript import to_json
from localtable.types import Transcript, Usage

DATA = Path(__file__).parent.parent / "data" / "reference"
HOSTED = ("Grok 4.1 Fast", "GPT-5.4", "GLM 5", "Claude Opus 4.6", "Gemini 3.1 Pro", "Kimi K2.5")
QUESTION = make_question("Yes", "No", "Maybe")


def untimed(transcript: Transcript) -> dict[str, Any]:
    data = to_json(transcript)
    del data["manifest"][TIMINGS]
    return data


# ── the reference ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Held:
    folder = tmp_path_factory.mktemp("reference")
    question = load_question(DATA / "question.yaml")
    cards = [{**CARD, "id": f"model-{i}"} for i in range(len(HOSTED))]
    return hold(folder, question, make_panel(folder, *HOSTED, cards=cards), DATA / "script.yaml")


def test_the_reference_debate_ends_in_the_tie_that_it_was(reference: Held) -> None:
    transcript = reference.whole
    assert transcript.verdict is not None
    assert result_line(transcript.question, transcript.verdict) == "Tie — By end of 2027, Yes (2/6 votes each)"
    assert [dict(round_.tally) for round_ in transcript.rounds] == [
        {"A": 1, "B": 1, "C": 1, "D": 3, "E": 0},
        {"A": 1, "B": 1, "C": 2, "D": 2, "E": 0},
    ]
    assert not transcript.verdict.agreement


def test_the_reference_debate_has_one_changed_mind_and_who_changed_it(reference: Held) -> None:
    view = DebateView(to_json(reference.whole))
    (change,) = view.facts.changes
    assert view.change_line(change) == "GLM 5: Yes → By end of 2027 in round 2, persuaded by GPT-5.4"


# ── rounds ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_unanimity_ends_a_debate_after_the_first_round(tmp_path: Path) -> None:
    panel = make_panel(tmp_path, "Ada", "Bob", stop={"when": "unanimous"}, rounds="5")
    script = write_script(tmp_path, {"vote": "B"})
    transcript = hold(tmp_path, QUESTION, panel, script).whole
    assert len(transcript.rounds) == 1
    assert transcript.verdict is not None
    assert (transcript.verdict.kind, transcript.verdict.agreement, transcript.verdict.rounds) == ("unanimous", True, 1)


def test_a_debate_goes_on_until_its_seats_agree(tmp_path: Path) -> None:
    panel = make_panel(tmp_path, "Ada", "Bob", stop={"when": "unanimous"}, rounds="5")
    script = write_script(tmp_path, *votes("Ada", "A", "A", "A"), *votes("Bob", "B", "B", "A"))
    transcript = hold(tmp_path, QUESTION, panel, script).whole
    assert [round_.tally["A"] for round_ in transcript.rounds] == [1, 1, 2]
    assert transcript.verdict is not None
    assert transcript.verdict.rounds == 3


def test_without_a_stop_rule_every_round_takes_place(tmp_path: Path) -> None:
    panel = make_panel(tmp_path, "Ada", "Bob", rounds="4")
    transcript = hold(tmp_path, QUESTION, panel, write_script(tmp_path, {"vote": "A"})).whole
    assert len(transcript.rounds) == 4


def test_the_first_round_is_blind(tmp_path: Path) -> None:
    panel = make_panel(tmp_path, "Ada", "Bob", "Cy")
    script = write_script(tmp_path, *votes("Ada", "A", "A"), *votes("Bob", "B", "B"), *votes("Cy", "C", "C"))
    held = record(QUESTION, panel, script)
    for seat in ("Ada", "Bob", "Cy"):
        prompts = held.prompts(seat=seat, round_number=1)
        assert len(prompts) == 2
        for other in {"Ada", "Bob", "Cy"} - {seat}:
            assert not [prompt for prompt in prompts if other in prompt]


def test_later_rounds_show_the_round_before_with_statements_and_votes(tmp_path: Path) -> None:
    panel = make_panel(tmp_path, "Ada", "Bob", rounds="3")
    script = write_script(tmp_path, *votes("Ada", "A", "B", "A"), *votes("Bob", "B", "B", "C"))
    held = record(QUESTION, panel, script)
    for seat in ("Ada", "Bob"):
        (second,) = held.prompts(seat=seat, round_number=2, step="statement")
        assert "Ada chose: Yes\n> Ada says A in round 1." in second
        assert "Bob chose: No\n> Bob says B in round 1." in second
        (third,) = held.prompts(seat=seat, round_number=3, step="statement")
        assert "Ada chose: No\n> Ada says B in round 2." in third
        assert "round 1" not in third


def test_all_seats_read_the_same_turns_in_the_same_order(tmp_path: Path) -> None:
    names = ("Ada", "Bob", "Cy")
    script = write_script(tmp_path, *(turn for name in names for turn in votes(name, "A", "A")))
    held = record(QUESTION, make_panel(tmp_path, *names), script)
    prompts = held.prompts(round_number=2, step="statement")
    shared = {prompt[: prompt.index("You are ")] for prompt in prompts}
    assert len(prompts) == 3
    assert len(shared) == 1
    order = [turn.seat for turn in held.debate.rounds[0].turns]
    places = [shared.copy().pop().index(f"{name} chose") for name in order]
    assert places == sorted(places)


def test_statements_name_options_by_text_and_letters_live_in_the_ballot_only(tmp_path: Path) -> None:
    question = make_question("Zebra", "Yak", "Xerus")
    held = record(question, make_panel(tmp_path, "Ada", "Bob"))
    for prompt in held.prompts(step="statement"):
        assert "- Zebra\n- Yak\n- Xerus" in prompt
        assert "A. Zebra" not in prompt
    for prompt in held.prompts(step="ballot"):
        assert "A. Zebra\nB. Yak\nC. Xerus" in prompt


def test_events_tell_the_whole_story_in_order(tmp_path: Path) -> None:
    held = hold(tmp_path, QUESTION, make_panel(tmp_path, "Ada", "Bob"))
    kinds = [type(event) for event in held.events]
    assert kinds.count(EngineLoading) == kinds.count(EngineLoaded) == 1
    told = [(type(e).__name__, getattr(e, "round_number", None) or getattr(e, "number", None)) for e in held.events]
    rounds = [entry for entry in told if entry[0] in ("RoundOpened", "TurnFinished", "RoundClosed")]
    one = [("TurnFinished", 1), ("TurnFinished", 1)]
    two = [("TurnFinished", 2), ("TurnFinished", 2)]
    closed = ("RoundClosed", None)
    assert rounds == [("RoundOpened", 1), *one, closed, ("RoundOpened", 2), *two, closed]
    assert {RoundOpened, TurnFinished, RoundClosed} <= set(kinds)


# ── turns ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_changed_mind_is_asked_who_persuaded_it(tmp_path: Path) -> None:
    panel = make_panel(tmp_path, "Ada", "Bob", "Cy")
    turns = [*votes("Ada", "A", "A"), *votes("Bob", "B", "A"), *votes("Cy", "C", "C")]
    for who, kept in (("Ada", "Ada"), ("Cy", "Cy"), ("my own reasoning, none of them", None)):
        script = write_script(tmp_path, *({**turn, "persuaded_by": who} for turn in turns))
        held = hold(tmp_path, QUESTION, panel, script)
        assert held.turn("Bob", 2).changed_mind
        assert held.turn("Bob", 2).ballot.persuaded_by == kept
        for seat, number in (("Ada", 1), ("Ada", 2), ("Bob", 1), ("Cy", 2)):
            assert not held.turn(seat, number).changed_mind
            assert held.turn(seat, number).ballot.persuaded_by is None


def test_a_ballot_is_one_decode_step_and_one_more_for_a_changed_mind(tmp_path: Path) -> None:
    script = write_script(tmp_path, *votes("Ada", "A", "A"), *votes("Bob", "B", "A"))
    held = hold(tmp_path, QUESTION, make_panel(tmp_path, "Ada", "Bob"), script)
    spent = {
        (turn.seat, round_.number): turn.usage["ballot"].completion_tokens
        for round_ in held.whole.rounds
        for turn in round_.turns
        if turn.usage is not None
    }
    assert spent == {("Ada", 1): 1, ("Bob", 1): 1, ("Ada", 2): 1, ("Bob", 2): 2}


@pytest.mark.parametrize(("at", "steps"), [("after", 1), ("before", 1), ("both", 2)])
def test_a_ballot_is_cast_before_or_after_or_both(tmp_path: Path, at: str, steps: int) -> None:
    panel = make_panel(tmp_path, "Ada", "Bob", rounds="1", ballot={"at": at})
    script = write_script(tmp_path, {"vote": "B", "vote_before": "C", "statement": "I say so."})
    held = hold(tmp_path, QUESTION, panel, script)
    turn = held.turn("Ada", 1)
    assert turn.ballot.vote == ("C" if at == "before" else "B")
    assert (turn.ballot_before.vote if turn.ballot_before else None) == ("C" if at == "both" else None)
    assert turn.usage is not None
    assert turn.usage["ballot"].completion_tokens == steps
    assert turn.statement == "I say so."


def test_a_ballot_before_the_statement_reads_peers_and_has_nothing_of_the_seat_s_own(tmp_path: Path) -> None:
    panel = make_panel(tmp_path, "Ada", "Bob", ballot={"at": "both"})
    script = write_script(tmp_path, *votes("Ada", "A", "A"), *votes("Bob", "B", "B"))
    held = record(QUESTION, panel, script)
    (before,) = held.prompts(seat="Ada", round_number=2, step="before")
    assert "Bob says B in round 1." in before
    assert "in round 2" not in before
    (after,) = held.prompts(seat="Ada", round_number=2, step="ballot")
    assert "Ada says A in round 2." in after


def test_a_mind_changed_by_a_ballot_before_the_statement_is_asked_too(tmp_path: Path) -> None:
    panel = make_panel(tmp_path, "Ada", "Bob", ballot={"at": "before"})
    turns = [{**turn, "persuaded_by": "Bob"} for turn in (*votes("Ada", "A", "B"), *votes("Bob", "B", "B"))]
    held = hold(tmp_path, QUESTION, panel, write_script(tmp_path, *turns))
    assert held.turn("Ada", 2).ballot.persuaded_by == "Bob"


def test_every_step_continues_the_tokens_of_the_one_before(tmp_path: Path) -> None:
    cards = [{**CARD, "reasoning": REASONING}]
    panel = make_panel(tmp_path, "Ada", "Bob", cards=cards, thinking={"on": "true", "max_tokens": "40"})
    script = write_script(tmp_path, *votes("Ada", "A", "A"), *votes("Bob", "B", "A"))
    held = record(QUESTION, panel, script)
    steps = ("thinking", "statement", "ballot", "persuaded")
    prompts = [r.prompt_token_ids for step in steps for r in held.of("Bob", 2, step)]
    assert len(prompts) == len(steps)
    for earlier, later in pairwise(prompts):
        assert later[: len(earlier)] == earlier


def test_an_empty_statement_is_asked_for_once_more_then_kept_and_counted(tmp_path: Path) -> None:
    script = write_script(tmp_path, {"seat": "Ada", "statement": "", "vote": "A"}, {"vote": "A"})
    panel = make_panel(tmp_path, "Ada", "Bob", rounds="1")
    held = record(QUESTION, panel, script)
    asked = held.of("Ada", step="statement")
    assert len(asked) == 2
    assert asked[0].prompt_token_ids == asked[1].prompt_token_ids
    assert asked[0].seed != asked[1].seed
    assert asked[0].request_id != asked[1].request_id
    assert [request.origin.sample for request in asked if request.origin] == [0, 1]
    ada, bob = (next(t for t in held.debate.rounds[0].turns if t.seat == seat) for seat in ("Ada", "Bob"))
    assert (ada.statement, ada.attempts, bob.attempts) == ("", 2, 1)
    assert ada.seed == asked[1].seed
    assert ada.usage is not None
    assert ada.usage["statement"].completion_tokens == 2, "the end of turn, twice"


def test_an_empty_turn_can_be_shown_to_peers(tmp_path: Path) -> None:
    script = write_script(tmp_path, {"seat": "Ada", "statement": ""}, {"seat": "Bob", "statement": "Well."})
    assert len(hold(tmp_path, QUESTION, make_panel(tmp_path, "Ada", "Bob"), script).whole.rounds) == 2


def test_a_distribution_is_kept_to_the_last_place_and_its_mode_is_the_vote(tmp_path: Path) -> None:
    script = write_script(tmp_path, {"distribution": {"A": 0.2, "B": 0.5, "C": 0.3}})
    held = hold(tmp_path, QUESTION, make_panel(tmp_path, "Ada", rounds="1"), script)
    ballot = held.turn("Ada", 1).ballot
    assert ballot.vote == "B"
    assert ballot.distribution == pytest.approx({"A": 0.2, "B": 0.5, "C": 0.3}, abs=1e-12)
    assert ballot.confidence == pytest.approx(0.5)
    assert ballot.tied == ()


def test_an_exact_tie_is_drawn_by_the_seed_and_said(tmp_path: Path) -> None:
    script = write_script(tmp_path, {"distribution": {"A": 0.375, "B": 0.25, "C": 0.375}})
    drawn = set()
    for seed in range(12):
        panel = make_panel(tmp_path, "Ada", rounds="1", seed=str(seed))
        ballot = hold(tmp_path, QUESTION, panel, script).turn("Ada", 1).ballot
        assert ballot.tied == ("A", "C")
        drawn.add(ballot.vote)
    assert drawn == {"A", "C"}


def test_a_cut_statement_says_so(tmp_path: Path) -> None:
    panel = make_panel(tmp_path, "Ada", rounds="1", sampling={"max_tokens": "10"})
    held = hold(tmp_path, QUESTION, panel, write_script(tmp_path, {"statement": "0123456789abc"}))
    turn = held.turn("Ada", 1)
    assert (turn.statement, turn.truncated, turn.finish_reason) == ("0123456789", True, "length")


def test_a_vote_that_a_statement_names_is_read_beside_the_ballot(tmp_path: Path) -> None:
    script = write_script(tmp_path, {"statement": "Because.\nAnswer: No", "vote": "A"})
    turn = hold(tmp_path, QUESTION, make_panel(tmp_path, "Ada", rounds="1"), script).turn("Ada", 1)
    assert (turn.stated, turn.ballot.vote) == ("B", "A")


def test_a_statement_that_names_a_letter_is_counted(tmp_path: Path) -> None:
    script = write_script(tmp_path, {"statement": "I choose option B."})
    assert hold(tmp_path, QUESTION, make_panel(tmp_path, "Ada", rounds="1"), script).turn("Ada", 1).names_letter


# ── thinking ────────────────────────────────────────────────────────────────────────────────────────────────


def thinking_panel(folder: Path, budget: int = 200, **changes: Any) -> Any:
    panel = make_panel(folder, "Ada", "Bob", cards=[{**CARD, "reasoning": REASONING}], **changes)
    ada, bob = panel.seats
    return replace(panel, seats=(replace(ada, thinking=replace(ada.thinking, on=True, max_tokens=budget)), bob))


THOUGHTS = [
    {"seat": "Ada", "reasoning": "A secret thought of mine.", "statement": "I say it aloud.", "vote": "A"},
    {"seat": "Bob", "statement": "Bob does not think.", "vote": "B"},
]


def test_thinking_is_stored_apart_and_no_other_seat_ever_reads_it(tmp_path: Path) -> None:
    panel = thinking_panel(tmp_path, rounds="3")
    held = record(QUESTION, panel, write_script(tmp_path, *THOUGHTS))
    for round_ in held.debate.rounds:
        ada = next(turn for turn in round_.turns if turn.seat == "Ada")
        bob = next(turn for turn in round_.turns if turn.seat == "Bob")
        assert (ada.reasoning, ada.statement) == ("A secret thought of mine.", "I say it aloud.")
        assert not ada.reasoning_truncated
        assert bob.reasoning is None
    assert "secret" in "".join(held.prompts(seat="Ada", step="ballot"))
    assert "secret" not in "".join(held.prompts(seat="Bob"))
    for number in (1, 2, 3):
        assert "secret" not in "".join(held.prompts(seat="Ada", round_number=number, step="thinking"))


def test_thinking_at_its_bound_is_closed_and_the_statement_follows(tmp_path: Path) -> None:
    panel = thinking_panel(tmp_path, budget=8, rounds="1")
    held = record(QUESTION, panel, write_script(tmp_path, *THOUGHTS))
    ada = next(turn for turn in held.debate.rounds[0].turns if turn.seat == "Ada")
    assert (ada.reasoning, ada.reasoning_truncated) == ("A secret", True)
    assert ada.statement == "I say it aloud."
    (prompt,) = held.prompts(seat="Ada", step="statement")
    assert prompt.endswith("A secret\n</think>\n\n")


def test_usage_counts_thinking_statement_and_ballot_apart(tmp_path: Path) -> None:
    held = hold(tmp_path, QUESTION, thinking_panel(tmp_path, rounds="1"), write_script(tmp_path, *THOUGHTS))
    parts = to_json(held.whole)["rounds"][0]["turns"]
    usage = {turn["seat"]: turn["usage"] for turn in parts}
    spent = {seat: {p: u["by_part"][p]["completion_tokens"] for p in u["by_part"]} for seat, u in usage.items()}
    assert spent["Ada"] == {"thinking": 26, "statement": 16, "ballot": 1}
    assert spent["Bob"] == {"thinking": 0, "statement": 20, "ballot": 1}
    for whole in usage.values():
        for kind in ("prompt_tokens", "cached_tokens", "completion_tokens"):
            assert whole[kind] == sum(part[kind] for part in whole["by_part"].values())


def test_thinking_that_nobody_asked_for_is_kept_apart_all_the_same(tmp_path: Path) -> None:
    panel = make_panel(tmp_path, "Ada", "Bob", cards=[{**CARD, "reasoning": REASONING}])
    script = write_script(tmp_path, {"statement": "<think>hidden doubt</think>\n\nIt is so."})
    held = record(QUESTION, panel, script)
    turn = held.debate.rounds[0].turns[0]
    assert (turn.reasoning, turn.statement) == ("hidden doubt", "It is so.")
    assert "hidden doubt" not in "".join(held.prompts(round_number=2, step="statement"))


# ── panels at their bounds ──────────────────────────────────────────────────────────────────────────────────


def test_one_seat_is_a_debate_with_itself(tmp_path: Path) -> None:
    script = write_script(tmp_path, *votes("Ada", "A", "B", "B"))
    held = hold(tmp_path, QUESTION, make_panel(tmp_path, "Ada", rounds="3"), script)
    turn = held.turn("Ada", 2)
    assert turn.changed_mind
    assert turn.ballot.persuaded_by is None
    assert turn.usage is not None
    assert turn.usage["ballot"].completion_tokens == 1, "there is nobody to ask about"
    assert held.whole.verdict is not None
    assert (held.whole.verdict.kind, held.whole.verdict.votes) == ("unanimous", 1)


def test_twenty_six_options_can_be_voted_for(tmp_path: Path) -> None:
    question = make_question(*(f"option number {i}" for i in range(26)))
    script = write_script(tmp_path, {"seat": "Ada", "vote": "Z"}, {"seat": "Bob", "vote": "A"})
    held = hold(tmp_path, question, make_panel(tmp_path, "Ada", "Bob"), script)
    distribution = held.turn("Ada", 2).ballot.distribution
    assert held.turn("Ada", 2).ballot.vote == "Z"
    assert distribution is not None
    assert len(distribution) == 26
    assert sum(distribution.values()) == pytest.approx(1, abs=1e-9)


def test_sixty_four_seats_can_debate_and_name_whoever_persuaded_them(tmp_path: Path) -> None:
    names = [f"Seat {i}" for i in range(64)]
    by = {name: names[(i + 63) % 64] for i, name in enumerate(names)}
    second = [{"seat": name, "round": 2, "vote": "B", "persuaded_by": by[name]} for name in names]
    script = write_script(tmp_path, {"round": 1, "vote": "A"}, *second)
    panel = make_panel(tmp_path, *names, sampling={"max_tokens": "16"})
    held = hold(tmp_path, QUESTION, panel, script)
    assert {turn.seat: turn.ballot.persuaded_by for turn in held.whole.rounds[1].turns} == by


# ── engines that fail ───────────────────────────────────────────────────────────────────────────────────────


def test_a_request_that_fails_once_is_asked_again(tmp_path: Path) -> None:
    script = write_script(tmp_path, {"seat": "Ada", "vote": "B", "statement": "At last.", "fail": "once"})
    held = record(QUESTION, make_panel(tmp_path, "Ada", "Bob", rounds="1"), script)
    asked = held.of("Ada", step="statement")
    assert len(asked) == 2
    assert asked[0].seed == asked[1].seed, "a failure is no reason to draw anew"
    assert asked[0].request_id != asked[1].request_id
    assert len({request.request_id for request in held.requests}) == len(held.requests)


def test_every_step_has_three_tries_of_its_own(tmp_path: Path) -> None:
    panel = make_panel(tmp_path, "Ada", rounds="1")
    model = record(QUESTION, panel).models["toy"]
    turn = begin_turn(1, Debate(QUESTION, panel), panel.seats[0], model, stream=False)
    statement = turn.next_request()
    assert statement is not None
    turn.tries = MAX_TRIES - 1
    turn.take(statement, Completion(statement.request_id, tuple(b"Aye."), "stop", 1, 0, 5))
    ballot = turn.next_request()
    assert ballot is not None
    assert ballot.origin is not None
    assert (ballot.origin.step, turn.tries) == ("ballot", 0)


def test_a_request_that_fails_three_times_fails_the_debate_with_what_was_finished_kept(tmp_path: Path) -> None:
    script = write_script(tmp_path, {"seat": "Ada", "round": 2, "fail": "always"}, {"vote": "B", "statement": "So."})
    held = hold(tmp_path, QUESTION, make_panel(tmp_path, "Ada", "Bob"), script)
    assert isinstance(held.error, EngineError)
    assert held.error.exit_code == 1
    assert "toy failed at the statement of 'Ada' in round 2 of 'q', 3 of 3 times" in held.error.message
    assert held.error.hint
    assert held.partial is not None
    assert [[turn.seat for turn in round_.turns] for round_ in held.partial.rounds][1:] == [["Bob"]]
    to_json(held.partial)


def test_an_engine_that_dies_in_mid_round_fails_the_debate_with_what_was_finished_kept(tmp_path: Path) -> None:
    cards = [CARD, {**CARD, "id": "other"}]
    script = write_script(
        tmp_path, {"seat": "Bob", "round": 2, "fail": "crash"}, {"seat": "Ada", "vote": "A", "statement": "Aye."}
    )
    held = hold(tmp_path, QUESTION, make_panel(tmp_path, "Ada", "Bob", cards=cards), script)
    assert isinstance(held.error, EngineError)
    assert held.error.exit_code == 1
    assert "other" in held.error.message
    assert held.partial is not None
    assert held.partial.verdict is None
    assert len(held.partial.rounds[0].turns) == 2
    to_json(held.partial)


def test_an_engine_that_does_not_load_is_an_error_of_its_own_kind(tmp_path: Path) -> None:
    script = write_script(tmp_path, load_fails="out of memory")
    held = hold(tmp_path, QUESTION, make_panel(tmp_path, "Ada"), script)
    assert isinstance(held.error, EngineLoadError)
    assert held.error.exit_code == 3
    assert "toy: out of memory" in held.error.message
    assert held.partial is None, "nothing was finished"


def test_a_script_that_names_a_label_which_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    held = hold(tmp_path, QUESTION, make_panel(tmp_path, "Ada"), write_script(tmp_path, {"vote": "Z"}))
    assert isinstance(held.error, EngineError)
    assert "the script names 'Z'; this ballot has 'A', 'B', 'C'" in held.error.message
    assert "1 of 3 times" in held.error.message


def test_an_engine_argument_that_is_unknown_is_refused(tmp_path: Path) -> None:
    held = hold(tmp_path, QUESTION, make_panel(tmp_path, "Ada", engine={"scrip": "x.yaml"}))
    assert isinstance(held.error, ConfigError)
    assert held.error.hint == "Did you mean 'script'?"


# ── interruptions ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_an_interrupted_debate_keeps_its_finished_turns(tmp_path: Path, turns: int) -> None:
    cards = [{**CARD, "id": f"model-{i}"} for i in range(2)]
    panel = make_panel(tmp_path, "Ada", "Bob", cards=cards)
    held = hold(tmp_path, QUESTION, panel, stop_after=turns)
    assert isinstance(held.error, InterruptedRun)
    assert held.error.exit_code == 130
    assert held.partial is not None
    assert held.partial.verdict is None
    assert held.partial.manifest["interrupted"] is True
    kept = [(round_.number, turn.seat) for round_ in held.partial.rounds for turn in round_.turns]
    finished = [(e.round_number, e.turn.seat) for e in held.events if isinstance(e, TurnFinished)]
    assert sorted(kept) == sorted(finished)
    assert len(kept) >= turns
    to_json(held.partial)


def test_a_debate_that_is_interrupted_before_its_first_turn_keeps_nothing(tmp_path: Path) -> None:
    held = hold(tmp_path, QUESTION, make_panel(tmp_path, "Ada"), stop_after=0)
    assert isinstance(held.error, InterruptedRun)
    assert held.partial is None


# ── the same again ──────────────────────────────────────────────────────────────────────────────────────────


def test_the_same_seed_gives_the_same_transcript_but_for_its_timings(tmp_path: Path) -> None:
    panel = make_panel(tmp_path, "Ada", "Bob", "Cy", cards=[CARD, {**CARD, "id": "other"}], rounds="3")
    first, again = (hold(tmp_path, QUESTION, panel).whole for _ in range(2))
    assert untimed(first) == untimed(again)
    other = hold(tmp_path, QUESTION, replace(panel, seed=1)).whole
    assert untimed(other)["rounds"] != untimed(first)["rounds"]


def test_a_turn_s_seed_is_the_documented_one(tmp_path: Path) -> None:
    held = hold(tmp_path, QUESTION, make_panel(tmp_path, "Ada", "Bob", seed="5"))
    assert held.turn("Bob", 2).seed == request_seed(5, 0, "q", "Bob", 2, "statement", 0)


def test_every_request_of_a_debate_has_a_seed_of_its_own(tmp_path: Path) -> None:
    panel = make_panel(tmp_path, "Ada", "Bob", rounds="3", ballot={"at": "both"})
    seeds = [request.seed for request in record(QUESTION, panel).requests]
    assert len(set(seeds)) == len(seeds)


def test_the_manifest_says_how_the_debate_came_to_be(tmp_path: Path) -> None:
    manifest = hold(tmp_path, QUESTION, make_panel(tmp_path, "Ada", seed="9")).whole.manifest
    assert manifest["engine"] == "scripted"
    assert manifest["seeds"] == {"run": 9}
    assert manifest["cards"]["toy"]["license"] == "Apache-2.0"
    assert {"python", "pydantic"} & set(manifest["versions"]) == {"python"}
    assert len(manifest["prompts"]["sha256"]) == 64
    assert manifest["labels"]["toy"]["token_ids"] == [[65], [66], [67]]
    assert set(manifest[TIMINGS]) == {"session", "started", "finished", "seconds", "load_seconds"}
    assert "interrupted" not in manifest


def test_a_batch_is_handed_over_whole(tmp_path: Path) -> None:
    """One submit per model and tick: what can run together does."""
    batches: list[list[Request]] = []
    names = [f"Seat {i}" for i in range(8)]
    held = record(QUESTION, make_panel(tmp_path, *names, rounds="1"))
    for request in held.requests:
        step = request.origin.step if request.origin else ""
        if not batches or batches[-1][0].origin is None or batches[-1][0].origin.step != step:
            batches.append([])
        batches[-1].append(request)
    assert [len(batch) for batch in batches] == [8, 8]


# ── what can't be held ──────────────────────────────────────────────────────────────────────────────────────


def test_a_seat_s_name_that_the_ballot_needs_for_itself_is_refused(tmp_path: Path) -> None:
    held = hold(tmp_path, QUESTION, make_panel(tmp_path, "Ada", "my own reasoning, none of them"))
    assert isinstance(held.error, ConfigError)
    assert "another name" in held.error.hint


def test_what_does_not_fit_is_refused_before_anything_loads(tmp_path: Path) -> None:
    panel = make_panel(tmp_path, "Ada", "Bob", cards=[{**CARD, "context_length": "1500"}])
    held = hold(tmp_path, QUESTION, panel)
    assert isinstance(held.error, PlacementError)
    assert held.error.exit_code == 3
    assert "toy has a context of 1,500" in held.error.message
    assert "head_tail" in held.error.hint
    assert not [event for event in held.events if isinstance(event, EngineLoading)]


def test_usage_is_that_of_the_engine(tmp_path: Path) -> None:
    held = record(QUESTION, make_panel(tmp_path, "Ada", rounds="1"))
    usage = held.debate.rounds[0].turns[0].usage
    statement, ballot = held.requests
    assert usage is not None
    assert usage["statement"].prompt_tokens == len(statement.prompt_token_ids)
    assert usage["ballot"] == Usage(len(ballot.prompt_token_ids), 0, 1)
