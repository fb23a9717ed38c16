"""What a plan says that turns read, beside the prompts that a run on the scripted engine really makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from builders import CARD, Recorded, make_panel, make_question, record, write_script

from localtable.engines.base import Request
from localtable.prompts import ByteTokenizer, HfTokenizer, PromptTokenizer, load_wording
from localtable.prompts.render import BYTES_PER_TOKEN
from localtable.runner.models import build_models
from localtable.runner.planning import plan_inputs
from localtable.runner.rehearsal import CHANGED, Reading, rehearse, typical
from localtable.scheduler.gpus import parse_gpus
from localtable.scheduler.plan import Workload, make_plan
from localtable.types import Panel, Question

QUESTIONS = [
    make_question("Paris", "Rome", "Oslo", id="one", question="Which of these cities lies farthest in the south? " * 3),
    make_question("Lead", "Iron", "Zinc", id="two", question="Which of these metals melts at the lowest heat? " * 4),
]
SAID = 80
"""Bytes of each statement."""
SAMPLING = {"max_tokens": SAID // BYTES_PER_TOKEN * 2}
TWO_MODELS = (CARD, {**CARD, "id": "other", "name": "Other"})


def rehearsed(
    panel: Panel, questions: Sequence[Question] = QUESTIONS, *, block_tokens: int = 1, noise: bool = False
) -> tuple[tuple[Reading, ...], ...]:
    tokenizers = {card.id: ByteTokenizer() for card in panel.cards}
    return rehearse(
        panel, load_wording(panel.prompts), questions, tokenizers, block_tokens=block_tokens, said=0.5, noise=noise
    ).turns


def recorded(panel: Panel, folder: Path, **more: Any) -> Recorded:
    """Both debates, each statement `SAID` bytes long, votes that change from round to round."""
    turns = [
        {"seat": seat.name, "round": number, "vote": "ABC"[number % 3], "statement": spoken(seat.name, number)}
        for seat in panel.model_seats
        for number in range(1, panel.rounds + 1)
    ]
    return record(QUESTIONS, panel, write_script(folder, *turns), **more)


def spoken(seat: str, number: int) -> str:
    return f"{seat}{number}".ljust(SAID, "x")


def common(first: Sequence[int], second: Sequence[int]) -> int:
    pairs = enumerate(zip(first, second, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(first), len(second)))


def counted(held: Recorded, panel: Panel, seat: str, number: int) -> float:
    """Tokens of a seat's requests on the second question that no prompt before them begins with, letter by letter."""
    cards = {s.name: s.card.id for s in panel.model_seats}

    def place(request: Request) -> tuple[str, int, int]:
        assert request.origin is not None
        names = [s.name for s in panel.model_seats]
        return (request.origin.round_number, request.origin.question_id, names.index(request.origin.seat))  # type: ignore[return-value]

    before: dict[str, list[tuple[int, ...]]] = {}
    new = 0.0
    for request in sorted(held.requests, key=place):
        origin = request.origin
        assert origin is not None
        known = before.setdefault(cards[origin.seat], [])
        if (origin.seat, origin.round_number, origin.question_id) == (seat, number, "two"):
            found = max((common(request.prompt_token_ids, prompt) for prompt in known), default=0)
            weight = CHANGED if origin.step == "persuaded" else 1.0
            new += weight * (len(request.prompt_token_ids) - found)
        # What an engine has said it needn't read, either.
        said = spoken(origin.seat, origin.round_number) if origin.step == "statement" else ""
        known.append((*request.prompt_token_ids, *said.encode()))
    return new / BYTES_PER_TOKEN


CASES: Mapping[str, Mapping[str, Any]] = {
    "one round": {"rounds": 1},
    "two rounds": {},
    "three rounds": {"rounds": 3},
    "ballots in all orders, measured, answered freely": {
        "ballot": {"orders": "all_rotations", "label_mass": True, "free_reply": True}
    },
    "a ballot before and one after": {"ballot": {"at": "both"}},
    "each seat has an order of its own": {"visibility": {"order": "shuffled"}},
    "seats read their neighbours": {"visibility": {"reads": "neighbours"}},
    "statements are hidden, the tally is shown": {"visibility": {"statements": "hidden", "tally": "shown"}},
    "statements are cut": {"peers": {"max_tokens": 15, "over": "head_tail"}},
}


@pytest.mark.parametrize("changes", CASES.values(), ids=CASES)
def test_each_turn_reads_what_it_reads_in_a_run(tmp_path: Path, changes: Mapping[str, Any]) -> None:
    panel = make_panel(tmp_path, "Ada", "Bob", "Cyd", cards=TWO_MODELS, sampling=SAMPLING, **changes)
    # The run counts bytes, and the rehearsal tokens of four.
    peers = replace(panel.peers, max_tokens=(panel.peers.max_tokens or 0) * BYTES_PER_TOKEN or None)
    seats = (replace(seat, sampling=replace(seat.sampling, max_tokens=2 * SAID)) for seat in panel.model_seats)
    run = replace(panel, peers=peers, seats=tuple(seats))
    held = recorded(run, tmp_path)
    found = rehearsed(panel)
    assert len(found) == panel.rounds
    for number, row in enumerate(found, start=1):
        for seat, reading in zip(panel.model_seats, row, strict=True):
            # Statements differ in letters, and so in what they share by chance.
            expected = counted(held, run, seat.name, number)
            assert reading.kept == pytest.approx(expected, abs=6), (seat.name, number)


def test_noise_comes_from_the_other_question(tmp_path: Path) -> None:
    panel = make_panel(tmp_path, "Ada", "Bob", sampling=SAMPLING)
    questions = [make_question("Yes" * 40, "No" * 40, id="long"), make_question("Y", "N", id="two")]
    plain, noise = (rehearsed(panel, questions, noise=noise) for noise in (False, True))
    assert plain[0] == noise[0]
    assert noise[1][0].kept > plain[1][0].kept + 15, "the peer's vote is a longer text"


def test_seats_of_one_model_read_what_they_share_once(tmp_path: Path) -> None:
    together = rehearsed(make_panel(tmp_path, "Ada", "Bob", sampling=SAMPLING))
    apart = rehearsed(make_panel(tmp_path, "Ada", "Bob", cards=TWO_MODELS, sampling=SAMPLING))
    for row, alone in zip(together, apart, strict=True):
        assert row[0] == alone[0]
        assert row[1].kept < alone[1].kept / 1.3


def test_a_lost_cache_costs_the_question_once_more(tmp_path: Path) -> None:
    panel = make_panel(tmp_path, "Ada", "Bob", sampling=SAMPLING, rounds=3)
    first, *later = rehearsed(panel)
    assert [reading.kept == reading.anew for reading in first] == [True, True]
    question = len(QUESTIONS[1].question) / BYTES_PER_TOKEN
    for one, other in later:
        assert one.anew - one.kept >= question
        assert other.anew == other.kept, "the first seat has read it for both"


def test_only_whole_blocks_are_found_again(tmp_path: Path) -> None:
    panel = make_panel(tmp_path, "Ada", sampling=SAMPLING)
    exact, blocks = rehearsed(panel), rehearsed(panel, block_tokens=32)
    for (one,), (other,) in zip(exact, blocks, strict=True):
        requests = 3
        assert one.kept < other.kept <= one.kept + 32 * requests


def test_thinking_is_read_by_nobody(tmp_path: Path) -> None:
    """What a seat has thought is in its cache, and peers are not shown it; only what closes it is new."""
    card = {**CARD, "reasoning": {"start": "<think>", "end": "</think>", "switch": "enable_thinking"}}
    plain = make_panel(tmp_path, "Ada", "Bob", cards=[card], sampling=SAMPLING)
    thinking = make_panel(
        tmp_path, "Ada", "Bob", cards=[card], sampling=SAMPLING, thinking={"on": True, "max_tokens": 400}
    )
    for row, other in zip(rehearsed(plain), rehearsed(thinking), strict=True):
        for one, another in zip(row, other, strict=True):
            assert another.kept == pytest.approx(one.kept, abs=12)


def test_a_plan_needs_no_vote_of_confederates_on_its_questions(tmp_path: Path) -> None:
    seats = [
        {"name": "Ada", "model": "toy.yaml"},
        {"name": "Con", "confederate": {"vote": "Madrid", "statement": "x" * 400}},
    ]
    panel = make_panel(tmp_path, cards=[CARD], seats=seats)
    alone = make_panel(tmp_path, "Ada")
    _, (work,) = plan_inputs(panel, parse_gpus("80GiB"), "vllm", QUESTIONS, 10)
    _, (by_itself,) = plan_inputs(alone, parse_gpus("80GiB"), "vllm", QUESTIONS, 10)
    assert len(work.prompt_tokens[1]) == 1
    assert work.prompt_tokens[1][0] > by_itself.prompt_tokens[1][0] + 400 / BYTES_PER_TOKEN


def test_models_at_endpoints_are_read_and_read_nothing_here(tmp_path: Path) -> None:
    endpoint = {
        "id": "far",
        "name": "Far",
        "publisher": "nobody",
        "endpoint": {"base_url": "http://localhost:1/v1", "model": "far"},
    }
    panel = make_panel(tmp_path, "Ada", "Bob", cards=[CARD, endpoint])
    _, (work,) = plan_inputs(panel, parse_gpus("80GiB"), "vllm", QUESTIONS, 10)
    assert work.seats == ("toy",)
    assert [len(row) for row in work.prompt_tokens] == [1, 1]
    _, (both,) = plan_inputs(
        make_panel(tmp_path, "Ada", "Bob", cards=TWO_MODELS), parse_gpus("80GiB"), "vllm", QUESTIONS, 10
    )
    assert work.prompt_tokens[1][0] == pytest.approx(both.prompt_tokens[1][0], abs=16)


def plan_of(panel: Panel, *, suite: Sequence[Question] = QUESTIONS, **real: PromptTokenizer) -> Workload:
    _, (work,) = plan_inputs(panel, parse_gpus("80GiB"), "vllm", suite, 10, real)
    return work


def test_tokens_of_models_that_are_here_are_counted_by_their_own_tokenizers(
    tmp_path: Path, smollm2_folder: Path
) -> None:
    here = HfTokenizer(smollm2_folder)
    panel = make_panel(tmp_path, "Ada", "Bob", sampling={"max_tokens": 64})
    dates = "01/02/2003, 04/05/2006 or 07/08/2009? " * 8
    suite = [make_question("10/11/2012", "12/13/2014", id=str(n), question=f"{n}: {dates}") for n in range(2)]
    by_bytes, counted = plan_of(panel, suite=suite), plan_of(panel, suite=suite, toy=here)
    assert counted.prompt_tokens[0][0] > 1.3 * by_bytes.prompt_tokens[0][0], "digits are tokens of their own"
    statement = build_models(panel, {"toy": here}, load_wording(panel.prompts), real_templates=False)["toy"]
    asked = len(statement.renderer.statement(suite[1], panel.model_seats[0], ()))
    ballot = len(statement.renderer.ballot_after(suite[1], panel.model_seats[0], "AB"))
    assert counted.prompt_tokens[0][0] <= asked + ballot + 2 * 16


@pytest.mark.parametrize("peers", [{}, {"max_tokens": 50, "over": "head_tail"}, {"over": "head_tail"}])
def test_a_panel_that_is_half_here_is_counted_in_bytes(
    tmp_path: Path, smollm2_folder: Path, peers: Mapping[str, Any]
) -> None:
    panel = make_panel(tmp_path, "Ada", "Bob", cards=TWO_MODELS, sampling={"max_tokens": 64}, peers=peers)
    assert plan_of(panel, toy=HfTokenizer(smollm2_folder)).prompt_tokens == plan_of(panel).prompt_tokens


def test_who_sits_at_an_endpoint_may_say_more_than_a_tokenizer_here_would_take(
    tmp_path: Path, smollm2_folder: Path
) -> None:
    cards = [CARD, {"id": "far", "name": "Far", "endpoint": {"base_url": "http://localhost:1/v1", "model": "far"}}]
    panel = make_panel(tmp_path, "Ada", "Bob", "Cyd", cards=cards, sampling={"max_tokens": 64})
    work = plan_of(panel, toy=HfTokenizer(smollm2_folder))
    assert work.seats == ("toy", "toy")
    assert work.prompt_tokens[1][0] > 0


def test_a_card_may_bound_its_own_context(tmp_path: Path) -> None:
    card = {**CARD, "engine": {"max_model_len": 2000}}
    bounded = make_panel(tmp_path, "Ada", "Bob", cards=[card], sampling=SAMPLING, peers={"over": "head_tail"})
    assert rehearsed(bounded) == rehearsed(make_panel(tmp_path, "Ada", "Bob", sampling=SAMPLING))


def test_a_context_is_part_of_a_question_s_length() -> None:
    long = [make_question(id=f"long {n}", question="?", context="x" * 4000) for n in range(2)]
    short = [make_question(id=f"short {n}", question="x" * 10 * (n + 1)) for n in range(3)]
    assert [question.id for question in typical([*long, *short])] == ["short 1", "short 2"]
    assert [question.id for question in typical([*long, *short[:1]])] == ["short 0", "long 0"]


def test_the_question_of_the_middle_length_is_reckoned_with() -> None:
    questions = [make_question(id=str(size), question="x" * size) for size in (900, 10, 500, 400, 20)]
    assert [len(question.question) for question in typical(questions)] == [20, 400]


def test_one_question_alone_has_nothing_in_common_with_itself(tmp_path: Path) -> None:
    first, second = typical([QUESTIONS[1]])
    assert second is QUESTIONS[1]
    assert len(first.question) == len(second.question)
    panel = make_panel(tmp_path, "Ada", sampling=SAMPLING, rounds=1)
    ((alone,),) = rehearsed(panel, [first, second])
    ((among,),) = rehearsed(panel)
    assert alone.kept == pytest.approx(among.kept, abs=8)


# ── summaries ───────────────────────────────────────────────────────────────────────────────────────────────


def summed_up_in_a_run(panel: Panel, folder: Path) -> tuple[float, int]:
    """Tokens that a moderator's first attempts read anew on the second question, and may write, letter by letter."""
    requests = [r for r in recorded(panel, folder).requests if r.origin is not None and r.origin.step == "summary"]
    mine = [r for r in requests if r.origin is not None and r.origin.question_id == "two" and r.origin.sample == 0]
    before: list[tuple[int, ...]] = []
    new = 0
    for request in mine:
        new += len(request.prompt_token_ids) - max(
            (common(request.prompt_token_ids, prompt) for prompt in before), default=0
        )
        before.append(request.prompt_token_ids)
    return new / BYTES_PER_TOKEN, sum(request.sampling.max_tokens for request in mine)


@pytest.mark.parametrize("moderator", ["toy", "other"])
@pytest.mark.parametrize("rounds", [1, 3])
def test_a_summary_reads_and_writes_what_it_does_in_a_run(tmp_path: Path, moderator: str, rounds: int) -> None:
    """By one of the table, and by one that doesn't sit there."""
    (tmp_path / "other.yaml").write_text(yaml.safe_dump(TWO_MODELS[1]))
    panel = make_panel(tmp_path, "Ada", "Bob", sampling=SAMPLING, rounds=rounds, moderator=f"{moderator}.yaml")
    wishes, (work,) = plan_inputs(panel, parse_gpus("80GiB"), "vllm", QUESTIONS, 10)
    assert {wish.card.id: wish.max_model_len for wish in wishes}[moderator] == 4096
    assert work.summaries is not None and work.summaries.model_id == moderator
    seats = (replace(seat, sampling=replace(seat.sampling, max_tokens=2 * SAID)) for seat in panel.model_seats)
    read, written = summed_up_in_a_run(replace(panel, seats=tuple(seats)), tmp_path)
    texts = written / 80 - 1
    # A block's part of each prompt is found again too late, and a half of all texts are asked for again.
    assert work.summaries.prompt_tokens == pytest.approx(read + texts * 1.5 * 8, rel=0.15)
    assert work.summaries.tokens == 1.5 * written
    assert work.summaries.least_tokens == work.summaries.tokens // 2


def test_without_a_moderator_nothing_is_summed_up(tmp_path: Path) -> None:
    panel = make_panel(tmp_path, "Ada", "Bob")
    assert plan_of(panel).summaries is None


def test_a_moderator_of_seats_at_endpoints_is_all_that_is_planned(tmp_path: Path) -> None:
    endpoint = {"id": "far", "endpoint": {"base_url": "http://localhost:1/v1", "model": "far"}}
    panel = make_panel(tmp_path, "Ada", "Bob", cards=[endpoint], moderator=card_file(tmp_path, CARD))
    wishes, (work,) = plan_inputs(panel, parse_gpus("80GiB"), "vllm", QUESTIONS, 10)
    assert [wish.card.id for wish in wishes] == ["toy"]
    assert (work.seats, work.rounds, work.prompt_tokens) == ((), 0, ())
    plan = make_plan(wishes, [work], parse_gpus("80GiB"))
    assert plan.simulated.activations == {"toy": 1}
    assert 0 < plan.lower_bound_s <= plan.predicted_s


def card_file(folder: Path, card: Mapping[str, Any]) -> str:
    (folder / "moderator.yaml").write_text(yaml.safe_dump(card))
    return "moderator.yaml"


def test_facts_too_long_for_their_moderator_take_nothing_and_it_is_loaded_all_the_same(tmp_path: Path) -> None:
    """As in the run, which finds that of each debate."""
    short = {**CARD, "id": "short", "context_length": 300}
    panel = make_panel(tmp_path, "Ada", "Bob", sampling=SAMPLING, moderator=card_file(tmp_path, short))
    work = plan_of(panel)
    assert work.summaries is not None
    assert (work.summaries.model_id, work.summaries.prompt_tokens, work.summaries.tokens) == ("short", 0, 0)
