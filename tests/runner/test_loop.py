"""The event loop: what reaches engines and when, what is asked once for several, and what a failure takes with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import pytest
from builders import CARD, Recorded, make_panel, make_question, record, votes, write_script

from localtable.engines.base import Origin, Request
from localtable.protocol import DEBATE, Debate
from localtable.runner.events import DebateFailed, RoundClosed, RoundOpened, TurnFinished
from localtable.runner.loop import Outcome
from localtable.runner.turn_loop import MAX_DEATHS, MAX_TRIES
from localtable.runner.waiting import LAST_WAVES
from localtable.scheduler.pool import EngineDied, EngineLoaded
from localtable.types import Question

CARDS = ({**CARD, "id": "one"}, {**CARD, "id": "two"})
NAMES = ("Ada", "Bob", "Cy")
VIEWS = ("votes-only", "text-only", "solo-revise", "noise-peers")


def questions(count: int) -> list[Question]:
    return [make_question("Yes", "No", id=f"q{i}", question=f"Is it {i}?") for i in range(count)]


def origin(request: Request) -> Origin:
    assert request.origin is not None
    return request.origin


def failed(held: Recorded, condition: str = DEBATE) -> dict[str, str]:
    """By question: why its debate failed."""
    return {
        outcome.debate.question.id: outcome.error.message
        for outcome in held.outcomes
        if outcome.error is not None and outcome.condition == condition
    }


def require_each_once(held: Recorded, count: int) -> None:
    """Every debate ends once, and no turn is finished twice."""
    assert len({outcome.number for outcome in held.outcomes}) == len(held.outcomes) == count
    turns = Counter(
        (
            id(event.debate.panel),
            event.debate.noise,
            event.debate.question.id,
            event.debate.repeat,
            event.round_number,
            event.turn.seat,
        )
        for event in held.events
        if isinstance(event, TurnFinished)
    )
    assert set(turns.values()) == {1}


# ── in which order ──────────────────────────────────────────────────────────────────────────────────────────


def parts(batch: Sequence[Request], begun: set[tuple[str, int]]) -> list[int]:
    """What a batch holds, in order: 0 continues turns, 1 a round that has begun, 2 begins a later one, 3 a debate."""
    ranks = [0] if origin(batch[0]).step != "statement" else []
    opening = [(o.question_id, o.round_number) for o in map(origin, batch) if o.step == "statement"]
    assert all(origin(request).step != "statement" for request in batch[: -len(opening) or None])
    for place in dict.fromkeys(opening):
        ranks.append(1 if place in begun else 2 if place[1] > 1 else 3)
    begun.update(opening)
    return ranks


@pytest.mark.parametrize("rows", [1, 2, 4, 7])
def test_ballots_go_before_later_rounds_and_those_before_the_first_rounds_of_new_debates(
    tmp_path: Path, rows: int
) -> None:
    """Until what is left to begin fills the engine `LAST_WAVES` times or less: then it goes before later rounds."""
    held = record(questions(24), make_panel(tmp_path, *NAMES, rounds="3"), max_num_seqs=rows)
    waiting: set[tuple[str, int]] = set()
    begun: set[tuple[str, int]] = set()
    seen: set[int] = set()
    for entry in held.log:
        if isinstance(entry, RoundClosed) and entry.debate.open_round is not None:
            waiting.add((entry.debate.question.id, entry.debate.open_round))
        if isinstance(entry, tuple):
            left = len(NAMES) * (24 - sum(number == 1 for _, number in begun))
            ranks = parts(entry, begun)
            seen.update(ranks)
            if left - len(entry) > LAST_WAVES * rows:
                assert ranks == sorted(ranks)
                assert 3 not in ranks or waiting <= begun, "a new debate is begun while a later round waits"
            elif 0 < left <= LAST_WAVES * rows:
                new = [rank for rank in ranks if rank in (2, 3)]
                assert new == sorted(new, reverse=True), "a later round is begun while a new debate waits"
    assert waiting <= begun
    assert seen == {0, 1, 2, 3}


def test_the_end_of_a_suite_leaves_no_rows_empty(tmp_path: Path) -> None:
    """24 debates of 4 seats in 64 rows: the last 32 first turns go beside 32 second ones, so that 64 are left."""
    held = record(questions(24), make_panel(tmp_path, *NAMES, "Dee"), max_num_seqs=64)
    batches = [entry for entry in held.log if isinstance(entry, tuple)]
    rounds = [Counter(o.round_number for o in map(origin, batch) if o.step == "statement") for batch in batches]
    assert [dict(counts) for counts in rounds if counts][:2] == [{1: 64}, {1: 32, 2: 32}]


def test_a_ballot_follows_its_statement_at_once(tmp_path: Path) -> None:
    held = record(questions(8), make_panel(tmp_path, *NAMES), max_num_seqs=4)
    batches = [entry for entry in held.log if isinstance(entry, tuple)]
    for batch, following in pairwise(batches):
        said = {(o.question_id, o.round_number, o.seat) for o in map(origin, batch) if o.step == "statement"}
        balloted = {(o.question_id, o.round_number, o.seat) for o in map(origin, following) if o.step == "ballot"}
        assert said == balloted


@pytest.mark.parametrize("rows", [1, 2, 5, 64])
def test_all_seats_of_a_question_go_together(tmp_path: Path, rows: int) -> None:
    held = record(questions(6), make_panel(tmp_path, *NAMES, rounds="3"), max_num_seqs=rows)
    for number in (1, 2, 3):
        asked = [origin(request).question_id for request in held.of(round_number=number, step="statement")]
        runs = [(question, len(list(group))) for question, group in groupby(asked)]
        assert sorted(runs) == [(f"q{i}", 3) for i in range(6)]


def test_questions_are_begun_in_the_suite_s_order(tmp_path: Path) -> None:
    held = record(questions(9), make_panel(tmp_path, *NAMES), max_num_seqs=4)
    opened = [e.debate.question.id for e in held.events if isinstance(e, RoundOpened) and e.number == 1]
    assert opened == [f"q{i}" for i in range(9)]


@pytest.mark.parametrize("controls", [(), VIEWS])
@pytest.mark.parametrize("rows", [1, 2, 5, 16])
def test_an_engine_never_holds_more_than_its_rows_and_no_less_while_there_is_work(
    tmp_path: Path, rows: int, controls: Sequence[str]
) -> None:
    panel = make_panel(tmp_path, *NAMES, "Dee", cards=CARDS)
    held = record(questions(10), panel, max_num_seqs=rows, controls=controls)
    assert held.most_running == {"one": rows, "two": rows}
    require_each_once(held, 10 * (1 + len(controls)))


def test_a_debate_goes_on_while_others_are_still_in_their_first_round(tmp_path: Path) -> None:
    held = record(questions(9), make_panel(tmp_path, *NAMES, rounds="3"), max_num_seqs=3)
    told = [(e.debate.question.id, e.number) for e in held.events if isinstance(e, RoundOpened)]
    assert told.index(("q0", 3)) < told.index(("q8", 1))
    ended = [outcome.debate.question.id for outcome in held.outcomes]
    assert ended == [f"q{i}" for i in range(9)]


def test_more_debates_at_work_than_are_kept_idle_all_end_once(tmp_path: Path) -> None:
    panel = make_panel(tmp_path, "Ada", rounds="1", sampling={"max_tokens": "4"})
    held = record(questions(300), panel, max_num_seqs=400)
    assert held.most_running == {"toy": 300}
    require_each_once(held, 300)


def test_the_same_is_said_however_many_rows_there_are(tmp_path: Path) -> None:
    panel = make_panel(tmp_path, *NAMES, cards=CARDS, rounds="3", stop={"when": "unanimous"})

    def said(rows: int) -> dict[int, Any]:
        held = record(questions(7), panel, max_num_seqs=rows, controls=VIEWS, repeats=2)
        return {outcome.number: outcome.debate.rounds for outcome in held.outcomes}

    assert said(1) == said(3) == said(64)


# ── what is asked once ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("rows", [2, 64])
def test_the_first_round_of_all_controls_reaches_an_engine_once(tmp_path: Path, rows: int) -> None:
    controls = ("first-round", "solo-revise", "noise-peers", "votes-only", "text-only", "ring")
    panel = make_panel(tmp_path, *NAMES, "Dee")
    held = record(questions(4), panel, controls=controls, max_num_seqs=rows)
    assert len(held.of(round_number=1, step="statement")) == len(held.of(round_number=1, step="ballot")) == 4 * 4
    first = {(o.debate.question.id, str(o.debate.rounds[0].turns)) for o in held.outcomes}
    assert len(first) == 4, "every control has the debate's own first round"
    alone = record(questions(4), panel, max_num_seqs=rows)
    assert len(held.of(round_number=2, step="statement")) == len(alone.of(round_number=2, step="statement")) * 6


def test_greedy_repeats_fall_together_and_drawn_ones_do_not(tmp_path: Path) -> None:
    def asked(temperature: str) -> int:
        panel = make_panel(tmp_path, *NAMES, rounds="1", sampling={"temperature": temperature})
        held = record(questions(4), panel, repeats=3, always_draws=False)
        require_each_once(held, 12)
        return len(held.of(step="statement"))

    assert asked("0") == 4 * 3
    assert asked("0.7") == 4 * 3 * 3


def test_greedy_repeats_part_where_another_seat_speaks_first(tmp_path: Path) -> None:
    panel = make_panel(tmp_path, *NAMES, sampling={"temperature": "0"})
    held = record(questions(2), panel, repeats=3, always_draws=False)
    assert len(held.of(round_number=1, step="statement")) == 2 * 3
    assert len(held.of(round_number=2, step="statement")) == 2 * 3 * 3


# ── noise ───────────────────────────────────────────────────────────────────────────────────────────────────


def speeches(count: int, rounds: int) -> Iterator[dict[str, Any]]:
    for question in range(count):
        for seat in NAMES:
            for number in range(1, rounds + 1):
                said = f"{seat} on {question} in {number}."
                yield {"question": f"q{question}", "seat": seat, "round": number, "statement": said}


def noise_of(held: Recorded, number: int) -> dict[str, set[str]]:
    """By question: the questions that its peers' turns are from, in the noise debate's round."""
    found: dict[str, set[str]] = {}
    for request in held.of(round_number=number, step="statement"):
        text = record_text(request)
        own = origin(request).question_id
        shown = {f"q{i}" for i in range(9) for peer in NAMES if f"{peer} on {i} in {number - 1}." in text}
        assert own in shown, "its own turn"
        if shown != {own}:
            found.setdefault(own, set()).update(shown - {own})
    return found


def record_text(request: Request) -> str:
    return bytes(i for i in request.prompt_token_ids if i < 256).decode()


@pytest.mark.parametrize("rows", [1, 5, 64])
def test_noise_waits_for_the_turns_of_its_partner(tmp_path: Path, rows: int) -> None:
    panel = make_panel(tmp_path, *NAMES, rounds="3")
    script = write_script(tmp_path, *speeches(4, 3))
    held = record(questions(4), panel, script, controls=["noise-peers"], max_num_seqs=rows)
    require_each_once(held, 8)
    partners = noise_of(held, 2)
    assert set(partners) == {"q0", "q1", "q2", "q3"}
    assert sorted(next(iter(p)) for p in partners.values() if len(p) == 1) == ["q0", "q1", "q2", "q3"]
    assert noise_of(held, 3) == partners


def test_a_failed_partner_fails_the_noise_and_says_so(tmp_path: Path) -> None:
    panel = make_panel(tmp_path, *NAMES)
    script = write_script(tmp_path, {"question": "q1", "seat": "Bob", "round": 1, "fail": "always"}, *speeches(4, 2))
    held = record(questions(4), panel, script, controls=["noise-peers"])
    require_each_once(held, 8)
    assert set(failed(held)) == {"q1"}
    noise = failed(held, "noise-peers")
    assert len(noise) == 2
    (reason,) = (message for question, message in noise.items() if question != "q1")
    assert reason == "the debate 'q1', its noise, failed"
    partner = noise_of(held, 2)
    assert "q1" not in {name for names in partner.values() for name in names}


def test_whether_noise_fails_with_its_partner_is_no_matter_of_who_was_faster(tmp_path: Path) -> None:
    """Its partner fails in round 2; of two rounds the noise needs that partner's first one alone."""
    panel = make_panel(tmp_path, *NAMES)
    script = write_script(tmp_path, {"question": "q1", "seat": "Bob", "round": 2, "fail": "always"}, *speeches(4, 2))

    def failing(rows: int) -> dict[str, str]:
        held = record(questions(4), panel, script, controls=["noise-peers"], max_num_seqs=rows)
        return failed(held, "noise-peers")

    assert set(failing(1)) == set(failing(2)) == set(failing(5)) == set(failing(64)) == {"q1"}


# ── what fails ──────────────────────────────────────────────────────────────────────────────────────────────


def outcome_of(held: Recorded, question: str, repeat: int = 0) -> Outcome:
    (found,) = (o for o in held.outcomes if (o.debate.question.id, o.debate.repeat) == (question, repeat))
    return found


def said(debate: Debate) -> list[list[tuple[str, str, str]]]:
    return [[(turn.seat, turn.statement, turn.ballot.vote) for turn in round_.turns] for round_ in debate.rounds]


def test_what_fails_once_is_tried_again_and_nothing_is_lost(tmp_path: Path) -> None:
    panel = make_panel(tmp_path, *NAMES)
    turns = [turn for name in NAMES for turn in votes(name, "A", "B")]
    plain = record(questions(4), panel, write_script(tmp_path, *turns))
    held = record(questions(4), panel, write_script(tmp_path, *({**turn, "fail": "once"} for turn in turns)))
    assert failed(held) == {}
    require_each_once(held, 4)
    assert [said(debate) for debate in held.debates] == [said(debate) for debate in plain.debates]
    asked = Counter(map(origin, held.requests))
    assert set(asked.values()) == {1, 2}
    assert all((count == 2) == (asking.step == "statement") for asking, count in asked.items())
    assert len({request.request_id for request in held.requests}) == len(held.requests)


def test_what_always_fails_takes_its_own_debate_and_no_other(tmp_path: Path) -> None:
    panel = make_panel(tmp_path, *NAMES)
    script = write_script(tmp_path, {"question": "q1", "seat": "Bob", "round": 2, "fail": "always"})
    held = record(questions(5), panel, script, max_num_seqs=4)
    require_each_once(held, 5)
    reason = (
        f"toy failed at the statement of 'Bob' in round 2 of 'q1', {MAX_TRIES} of {MAX_TRIES} times: "
        "the script fails this turn (always)"
    )
    assert failed(held) == {"q1": reason}
    assert [(e.debate.question.id, e.reason) for e in held.events if isinstance(e, DebateFailed)] == [("q1", reason)]
    assert len(outcome_of(held, "q1").debate.rounds) == 1, "what it had is kept"
    asked = [r for r in held.of("Bob", 2) if origin(r).question_id == "q1"]
    assert len(asked) == MAX_TRIES
    assert len({request.seed for request in asked}) == 1, "it is the same request"


def test_what_an_engine_refuses_for_good_is_not_tried_again(tmp_path: Path) -> None:
    script = write_script(tmp_path, {"question": "q1", "seat": "Bob", "vote": "D"})
    held = record(questions(3), make_panel(tmp_path, *NAMES), script)
    assert set(failed(held)) == {"q1"}
    assert "the ballot of 'Bob' in round 1 of 'q1', 1 of" in failed(held)["q1"]
    assert len([r for r in held.of("Bob", 1, "ballot") if origin(r).question_id == "q1"]) == 1


def test_a_failed_debate_asks_for_nothing_more(tmp_path: Path) -> None:
    script = write_script(tmp_path, {"question": "q0", "seat": "Ada", "round": 1, "fail": "always"})
    held = record(questions(2), make_panel(tmp_path, *NAMES, cards=CARDS), script, max_num_seqs=1)
    failure = next(i for i, entry in enumerate(held.log) if isinstance(entry, DebateFailed))
    after = [request for entry in held.log[failure:] if isinstance(entry, tuple) for request in entry]
    assert {origin(request).question_id for request in after} == {"q1"}


def test_an_equal_request_of_another_debate_gets_its_own_answer_where_the_first_one_fails(tmp_path: Path) -> None:
    panel = make_panel(tmp_path, *NAMES, rounds="1", sampling={"temperature": "0"})
    script = write_script(tmp_path, {"repeat": 0, "seat": "Bob", "fail": "always"}, {"statement": "Aye."})
    held = record(questions(2), panel, script, repeats=3, always_draws=False)
    require_each_once(held, 6)
    states = {(o.debate.question.id, o.debate.repeat): o.error is None for o in held.outcomes}
    assert states == {(f"q{i}", repeat): repeat > 0 for i in range(2) for repeat in range(3)}
    asked = Counter((origin(r).question_id, origin(r).repeat) for r in held.of("Bob", step="statement"))
    assert asked == {("q0", 0): MAX_TRIES, ("q0", 1): 1, ("q1", 0): MAX_TRIES, ("q1", 1): 1}
    assert outcome_of(held, "q0", 2).debate.rounds[0].turns[0].statement == "Aye."


# ── engines that die ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("rows", [1, 4, 64])
@pytest.mark.parametrize("number", [1, 2])
def test_an_engine_that_dies_is_loaded_anew_and_one_debate_fails(tmp_path: Path, number: int, rows: int) -> None:
    panel = make_panel(tmp_path, *NAMES, cards=CARDS)
    script = write_script(tmp_path, {"question": "q2", "seat": "Bob", "round": number, "fail": "crash"})
    held = record(questions(8), panel, script, max_num_seqs=rows)
    require_each_once(held, 8)
    assert set(failed(held)) == {"q2"}
    assert f"the script crashes it at Bob, round {number}" in failed(held)["q2"]
    deaths = [event for event in held.events if isinstance(event, EngineDied)]
    assert [event.model_id for event in deaths] == ["two"] * MAX_TRIES
    assert len(outcome_of(held, "q2").debate.rounds) == number - 1
    assert {model_id: slot.activations for model_id, slot in held.pool.slots.items()} == {
        "one": 1,
        "two": 1 + MAX_TRIES,
    }
    assert len([event for event in held.events if isinstance(event, EngineLoaded)]) == 2 + MAX_TRIES


def test_after_a_death_requests_run_one_by_one_until_the_guilty_one_is_found(tmp_path: Path) -> None:
    panel = make_panel(tmp_path, "Ada", rounds="1")
    script = write_script(tmp_path, {"question": "q2", "fail": "crash"})
    held = record(questions(6), panel, script)
    after = False
    for entry in held.log:
        if isinstance(entry, EngineDied) and len(entry.lost) == 1:
            break
        if isinstance(entry, tuple) and after:
            assert len(entry) == 1
        after = after or isinstance(entry, EngineDied)
    else:
        pytest.fail("it never died alone")


@pytest.mark.parametrize("guilty", [2, 3, 4])
def test_several_guilty_requests_take_no_innocent_debate_with_them(tmp_path: Path, guilty: int) -> None:
    names = [f"q{i}" for i in range(3, 3 + 4 * guilty, 4)]
    script = write_script(tmp_path, *({"question": name, "fail": "crash"} for name in names))
    held = record(questions(20), make_panel(tmp_path, "Ada", rounds="1"), script)
    require_each_once(held, 20)
    assert set(failed(held)) == set(names)


def test_an_engine_that_dies_on_everything_fails_everything_and_is_loaded_no_more(tmp_path: Path) -> None:
    count = MAX_DEATHS + 4
    held = record(questions(count), make_panel(tmp_path, "Ada"), write_script(tmp_path, {"fail": "crash"}))
    assert len({outcome.number for outcome in held.outcomes}) == len(held.outcomes) == count
    assert set(failed(held)) == {f"q{i}" for i in range(count)}
    assert held.pool.slots["toy"].activations == MAX_DEATHS
    for outcome in held.outcomes:
        assert outcome.error is not None and "the script crashes it at" in outcome.error.message
        assert outcome.error.hint


def test_an_engine_that_works_in_between_may_die_more_often_than_one_that_never_does(tmp_path: Path) -> None:
    count = MAX_DEATHS
    script = write_script(tmp_path, *({"question": f"q{3 * i}", "seat": "Bob", "fail": "crash"} for i in range(count)))
    held = record(questions(3 * count), make_panel(tmp_path, *NAMES), script, max_num_seqs=1)
    require_each_once(held, 3 * count)
    assert set(failed(held)) == {f"q{3 * i}" for i in range(count)}
