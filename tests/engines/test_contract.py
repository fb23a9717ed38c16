"""The engine contract, held to every engine: scripted, and transformers and vLLM on SmolLM2.

What doesn't hang on tokens is held to the endpoint engine, too, which speaks to vLLM's own server; the rest of it is
tried in `test_endpoint.py` and `test_endpoint_served.py`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace

import pytest
from subjects import MAX_MODEL_LEN, MAX_NUM_SEQS, Subject

from localtable.engines.base import Completion, Constraint, Event, Failure, Request, Tokens, generate
from localtable.errors import EngineError

QUESTIONS = (
    "Which is larger, a whale or a cat?",
    "Name a colour.",
    "What is the capital of France? Answer in one word, then say why.",
    "Tell me something about the sea.",
)
LETTERS = "ABCD"


def completed(subject: Subject, requests: Sequence[Request]) -> list[Completion]:
    done = generate(subject.engine, requests)
    for result in done:
        assert isinstance(result, Completion), result
    return [result for result in done if isinstance(result, Completion)]


def run_dry(subject: Subject) -> list[Event]:
    """All events until nothing is left."""
    events: list[Event] = []
    while more := subject.engine.step():
        events += more
    return events


def sum_of_shares(completion: Completion) -> float:
    return sum(math.exp(value) for value in completion.logprobs.values())


def test_its_steps_say_what_was_computed(model_subject: Subject) -> None:
    """Each prompt token that was not cached and each token that a row went on by, once."""
    model_subject.engine.samples()
    computed = gone_on = batches = 0
    took = 0.0
    # What has not come to a sample yet is missing at the end, and may be there from before: little, of some seconds.
    while took < 3.0:
        requests = [
            model_subject.request(f"{batches}, {number}. {question * 24}", max_tokens=24, min_tokens=24)
            for number, question in enumerate(QUESTIONS * 2)
        ]
        began = time.perf_counter()
        done = completed(model_subject, requests)
        took += time.perf_counter() - began
        computed += sum(completion.prompt_tokens - completion.cached_tokens for completion in done)
        # The first token of each comes with its prompt.
        gone_on += len(requests) * 23
        batches += 1
    samples = model_subject.engine.samples()
    assert sum(sample.seconds for sample in samples) == pytest.approx(took, rel=0.2)
    assert sum(sample.prompt_tokens for sample in samples) == pytest.approx(computed, rel=0.15)
    assert sum(sample.decode_rows for sample in samples) == pytest.approx(gone_on, rel=0.3)
    assert all(sample.decode_steps <= sample.decode_rows <= 8 * sample.decode_steps for sample in samples)


# ── every request comes back exactly once ───────────────────────────────────────────────────────────────────


def test_every_request_comes_back_once_under_its_own_id(any_subject: Subject) -> None:
    requests = [any_subject.request(question, seed) for seed, question in enumerate(QUESTIONS * 2)]
    any_subject.engine.submit(requests)
    events = run_dry(any_subject)
    assert sorted(event.request_id for event in events) == sorted(request.request_id for request in requests)
    assert all(isinstance(event, Completion) for event in events)


def test_an_empty_batch_is_legal(any_subject: Subject) -> None:
    any_subject.engine.submit([])
    assert generate(any_subject.engine, []) == []


def test_step_gives_nothing_at_once_when_nothing_is_unfinished(any_subject: Subject) -> None:
    assert any_subject.engine.step() == []


def test_counts_add_up(subject: Subject) -> None:
    requests = [subject.request(question, max_tokens=6, min_tokens=6) for question in QUESTIONS]
    for request, done in zip(requests, completed(subject, requests), strict=True):
        assert done.prompt_tokens == len(request.prompt_token_ids)
        assert len(done.token_ids) == done.completion_tokens == 6
        assert done.finish_reason == "length"
        assert done.stop_token_id is None
        assert 0 <= done.cached_tokens < done.prompt_tokens
        assert all(0 <= token_id < subject.vocab_size for token_id in done.token_ids)


def test_requests_join_while_others_run(any_subject: Subject) -> None:
    first = [any_subject.request(question, stream=True, max_tokens=12, min_tokens=12) for question in QUESTIONS[:2]]
    second = [any_subject.request(question, max_tokens=4, min_tokens=4) for question in QUESTIONS[2:]]
    any_subject.engine.submit(first)
    events = any_subject.engine.step()
    assert events
    any_subject.engine.submit(second)
    events += run_dry(any_subject)
    done = [event.request_id for event in events if isinstance(event, Completion)]
    assert sorted(done) == sorted(request.request_id for request in (*first, *second))


def test_64_long_prompts_with_seeds(subject: Subject) -> None:
    # Per-request generators and a prompt that is split over two steps do not go together in vLLM on a CPU.
    text = "You sit at a table with others and weigh what they have said before you answer. " * 4
    requests = [
        subject.request(f"{seed} times: {text}"[: MAX_MODEL_LEN - 60], seed, max_tokens=3, min_tokens=3)
        for seed in range(MAX_NUM_SEQS)
    ]
    assert {len(done.token_ids) for done in completed(subject, requests)} == {3}


# ── sampling, seed and stops are each request's own ─────────────────────────────────────────────────────────


def test_equal_seeds_give_equal_answers_in_one_batch(subject: Subject) -> None:
    requests = [subject.request(QUESTIONS[3], seed, max_tokens=12, min_tokens=12) for seed in (5, 6, 5)]
    first, other, again = completed(subject, requests)
    assert first.token_ids == again.token_ids
    assert first.token_ids != other.token_ids


def test_different_seeds_give_different_answers(any_subject: Subject) -> None:
    requests = [any_subject.request(QUESTIONS[3], seed, max_tokens=12, min_tokens=12) for seed in range(6)]
    assert len({done.token_ids for done in completed(any_subject, requests)}) >= 3


def test_sampling_is_each_requests_own(subject: Subject) -> None:
    kinds: tuple[dict[str, float], ...] = (
        {"temperature": 0.0, "max_tokens": 3},
        {"temperature": 1.5, "max_tokens": 5, "top_k": 20},
        {"temperature": 0.7, "max_tokens": 7, "top_p": 0.9, "min_p": 0.05, "repetition_penalty": 1.2},
    )
    requests = [subject.request(QUESTIONS[3], min_tokens=int(kind["max_tokens"]), **kind) for kind in kinds]
    assert [len(done.token_ids) for done in completed(subject, requests)] == [3, 5, 7]


def test_greedy_does_not_depend_on_the_seed(model_subject: Subject) -> None:
    requests = [model_subject.request(QUESTIONS[0], seed, temperature=0.0) for seed in (1, 2)]
    one, two = completed(model_subject, requests)
    assert one.token_ids == two.token_ids
    narrow = completed(model_subject, [model_subject.request(QUESTIONS[0], 3, temperature=1.0, top_k=1)])
    assert narrow[0].token_ids[0] == one.token_ids[0]


def test_a_stop_id_ends_the_text_and_is_not_part_of_it(subject: Subject) -> None:
    plain = completed(subject, [subject.request(QUESTIONS[3], temperature=0.0, max_tokens=10, min_tokens=10)])[0]
    stop = plain.token_ids[4]
    place = plain.token_ids.index(stop)
    stopped = completed(
        subject, [subject.request(QUESTIONS[3], temperature=0.0, max_tokens=10, stop_token_ids=(stop,))]
    )[0]
    assert stopped.token_ids == plain.token_ids[:place]
    assert stopped.finish_reason == "stop"
    assert stopped.stop_token_id == stop
    assert stopped.completion_tokens == place + 1


def test_nothing_stops_before_min_tokens(subject: Subject) -> None:
    plain = completed(subject, [subject.request(QUESTIONS[3], temperature=0.0, max_tokens=10, min_tokens=10)])[0]
    stop = plain.token_ids[0]
    held = completed(
        subject,
        [subject.request(QUESTIONS[3], temperature=0.0, max_tokens=10, min_tokens=6, stop_token_ids=(stop,))],
    )[0]
    assert len(held.token_ids) >= 6
    assert stop not in held.token_ids


def test_the_models_own_end_stops_too(subject: Subject) -> None:
    request = subject.request("Say: hi", temperature=0.0, max_tokens=120)
    done = completed(subject, [request])[0]
    assert done.finish_reason == "stop"
    assert done.stop_token_id == subject.end_of_turn
    assert subject.end_of_turn not in done.token_ids
    assert done.completion_tokens == len(done.token_ids) + 1


# ── streaming ───────────────────────────────────────────────────────────────────────────────────────────────


def test_what_streams_is_the_completion(any_subject: Subject) -> None:
    streaming = [any_subject.request("Say: hi", seed, stream=True, max_tokens=40) for seed in range(3)]
    silent = any_subject.request("Say: hi", 9, max_tokens=10)
    any_subject.engine.submit([*streaming, silent])
    events = run_dry(any_subject)
    for request in (*streaming, silent):
        own = [event for event in events if event.request_id == request.request_id]
        *tokens, last = own
        assert isinstance(last, Completion)
        streamed = tuple(i for event in tokens if isinstance(event, Tokens) for i in event.token_ids)
        assert streamed == (last.token_ids if request.stream else ())
        assert last.stop_token_id is None or last.stop_token_id not in streamed
    assert sum(isinstance(event, Tokens) for event in events) > 3


# ── constraints and log-probabilities ───────────────────────────────────────────────────────────────────────


def vote(subject: Subject, text: str | tuple[int, ...], seed: int = 1, **fields: object) -> Request:
    return subject.request(text, seed, max_tokens=1, constraint=subject.choice(*LETTERS), **fields)


def test_a_ballot_is_one_allowed_token_with_a_whole_distribution(subject: Subject) -> None:
    requests = [vote(subject, question, seed) for seed, question in enumerate(QUESTIONS)]
    allowed = subject.choice(*LETTERS).token_ids
    for done in completed(subject, requests):
        assert len(done.token_ids) == done.completion_tokens == 1
        assert done.token_ids[0] in allowed
        assert done.finish_reason == "length"
        assert set(done.logprobs) == set(allowed)
        assert sum_of_shares(done) == pytest.approx(1, abs=1e-4)


def test_a_distribution_is_taken_before_temperature_and_penalties(subject: Subject) -> None:
    plain = completed(subject, [vote(subject, QUESTIONS[0], temperature=0.0)])[0]
    bent = completed(subject, [vote(subject, QUESTIONS[0], temperature=1.9, repetition_penalty=1.5, top_p=0.5)])[0]
    assert bent.logprobs == pytest.approx(plain.logprobs, abs=1e-3)


def test_a_text_of_a_form_is_free_inside_and_measured_nowhere(subject: Subject) -> None:
    constraint = Constraint(r'[^"\\\x00-\x1f]*"')
    requests = [
        subject.request(text, seed, max_tokens=12, constraint=constraint) for seed, text in enumerate(QUESTIONS)
    ]
    for done in completed(subject, requests):
        text = subject.decode(done.token_ids)
        assert done.logprobs == {}
        assert text.endswith('"') == (done.finish_reason == "stop")
        assert '"' not in text[:-1]
        assert "\n" not in text


def test_a_longer_constraint_is_followed_to_its_end(subject: Subject) -> None:
    constraint = subject.choice("yes", "no")
    requests = [subject.request(QUESTIONS[0], seed, max_tokens=8, constraint=constraint) for seed in range(6)]
    for done in completed(subject, requests):
        assert subject.decode(done.token_ids) in ("yes", "no")
        assert done.finish_reason == "stop"
        assert sum_of_shares(done) == pytest.approx(1, abs=1e-4)


def test_constrained_and_free_requests_share_a_batch(subject: Subject) -> None:
    free = [subject.request(question, seed, max_tokens=5, min_tokens=5) for seed, question in enumerate(QUESTIONS)]
    ballots = [vote(subject, question) for question in QUESTIONS]
    mixed = [request for pair in zip(free, ballots, strict=True) for request in pair]
    done = completed(subject, mixed)
    assert {len(completion.token_ids) for completion in done[::2]} == {5}
    assert {len(completion.token_ids) for completion in done[1::2]} == {1}


def test_log_probabilities_of_named_ids_are_over_the_whole_vocabulary(subject: Subject) -> None:
    ids = subject.choice(*LETTERS).token_ids
    done = completed(subject, [subject.request(QUESTIONS[0], logprob_token_ids=ids)])[0]
    assert set(done.logprobs) == set(ids)
    assert 0 < sum_of_shares(done) <= 1


def test_the_constrained_distribution_is_the_free_one_renormalised(subject: Subject) -> None:
    ids = subject.choice(*LETTERS).token_ids
    for question in QUESTIONS:
        # One at a time: in bfloat16 another batch may round a logit otherwise.
        bound = completed(subject, [vote(subject, question)])[0]
        free = completed(subject, [subject.request(question, max_tokens=1, logprob_token_ids=ids)])[0]
        total = sum_of_shares(free)
        for token_id in ids:
            renormalised = math.exp(free.logprobs[token_id]) / total
            assert math.exp(bound.logprobs[token_id]) == pytest.approx(renormalised, abs=1e-3)


def test_a_ballot_finds_its_statement_in_the_cache(model_subject: Subject) -> None:
    text = "Take your time and think about what the others at this table have said about it. " * 5
    statement = model_subject.request(text, max_tokens=16, min_tokens=16)
    said = completed(model_subject, [statement])[0]
    asked = (model_subject.end_of_turn, *model_subject.prompt("Now vote: A, B, C or D."))
    ballot = vote(model_subject, (*statement.prompt_token_ids, *said.token_ids, *asked))
    assert completed(model_subject, [ballot])[0].cached_tokens >= 0.6 * len(ballot.prompt_token_ids)


# ── abort ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_aborted_request_comes_back_no_more(any_subject: Subject) -> None:
    requests = [any_subject.request(question, stream=True, max_tokens=24, min_tokens=24) for question in QUESTIONS]
    any_subject.engine.submit(requests)
    any_subject.engine.step()
    unwanted = {requests[0].request_id, requests[2].request_id}
    any_subject.engine.abort([*unwanted, "never-heard-of"])
    events = run_dry(any_subject)
    assert not unwanted & {event.request_id for event in events}
    done = {event.request_id for event in events if isinstance(event, Completion)}
    assert done == {requests[1].request_id, requests[3].request_id}


def test_all_of_a_batch_and_what_waits_behind_it_can_be_aborted(any_subject: Subject) -> None:
    running = [any_subject.request(QUESTIONS[3], seed, stream=True, max_tokens=24, min_tokens=24) for seed in range(3)]
    any_subject.engine.submit(running)
    any_subject.engine.step()
    waiting = [any_subject.request(question) for question in QUESTIONS]
    any_subject.engine.submit(waiting)
    any_subject.engine.abort(request.request_id for request in (*running, *waiting))
    assert run_dry(any_subject) == []
    assert len(completed(any_subject, [any_subject.request(QUESTIONS[0])])) == 1


def test_aborting_what_has_finished_changes_nothing(any_subject: Subject) -> None:
    request = any_subject.request(QUESTIONS[0])
    completed(any_subject, [request])
    any_subject.engine.abort([request.request_id])
    again = any_subject.request(QUESTIONS[0], request_id=request.request_id)
    assert len(completed(any_subject, [again])) == 1


# ── preempted ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_preempted_request_goes_on_from_what_it_has_said(subject: Subject) -> None:
    streaming = subject.request(QUESTIONS[3], 4, stream=True, max_tokens=40, min_tokens=40)
    subject.engine.submit([streaming])
    before = [event for _ in range(3) for event in subject.engine.step() if isinstance(event, Tokens)]
    (preempted,) = subject.engine.preempt([streaming.request_id, "never-heard-of"])
    streamed = tuple(i for event in before for i in event.token_ids)
    assert streamed
    assert preempted.said[: len(streamed)] == streamed
    assert 0 < len(preempted.said) < 40
    assert subject.engine.step() == []

    subject.engine.submit([replace(streaming, said=preempted.said)])
    *after, last = run_dry(subject)
    assert isinstance(last, Completion)
    assert len(last.token_ids) == last.completion_tokens == 40
    rest = tuple(i for event in after if isinstance(event, Tokens) for i in event.token_ids)
    assert last.token_ids == preempted.said + rest
    assert last.prompt_tokens == len(streaming.prompt_token_ids)
    assert last.cached_tokens <= last.prompt_tokens


def test_what_does_not_stream_has_said_something_too_when_it_is_preempted(model_subject: Subject) -> None:
    streaming = model_subject.request(QUESTIONS[3], 4, stream=True, max_tokens=30, min_tokens=30)
    silent = model_subject.request(QUESTIONS[1], 5, max_tokens=30, min_tokens=30)
    ballot = vote(model_subject, QUESTIONS[2])
    model_subject.engine.submit([streaming, silent])
    for _ in range(3):
        model_subject.engine.step()
    model_subject.engine.submit([ballot])
    preempted = {event.request_id: event for event in model_subject.engine.preempt([silent.request_id])}
    said = preempted[silent.request_id].said
    assert 0 < len(said) < 30
    model_subject.engine.submit([replace(silent, said=said)])
    done = {event.request_id: event for event in run_dry(model_subject) if isinstance(event, Completion)}
    assert sorted(done) == sorted((streaming.request_id, silent.request_id, ballot.request_id))
    assert done[silent.request_id].token_ids[: len(said)] == said
    assert len(done[silent.request_id].token_ids) == 30


def test_a_ballot_that_is_preempted_begins_anew(subject: Subject) -> None:
    ballot = vote(subject, QUESTIONS[0])
    subject.engine.submit([ballot])
    for event in subject.engine.preempt([ballot.request_id]):
        assert event.said == ()
    run_dry(subject)
    (done,) = completed(subject, [replace(ballot, request_id="again")])
    assert sum_of_shares(done) == pytest.approx(1, abs=1e-4)


def test_only_unfinished_free_text_can_go_on(subject: Subject) -> None:
    plain = subject.request(QUESTIONS[0], max_tokens=4)
    bad = [
        replace(plain, said=plain.prompt_token_ids[:1] * 4),
        replace(vote(subject, QUESTIONS[0]), said=plain.prompt_token_ids[:1]),
        replace(subject.request(QUESTIONS[0], max_tokens=4), said=(subject.vocab_size,)),
    ]
    for result in generate(subject.engine, bad):
        assert isinstance(result, Failure), result


# ── what can't be served ────────────────────────────────────────────────────────────────────────────────────


def bad_requests(subject: Subject) -> dict[str, Request]:
    letters = subject.choice(*LETTERS)
    outside = subject.vocab_size + 1000
    return {
        "a prompt that is too long": subject.request((65,) * (MAX_MODEL_LEN + 1)),
        "a completion that may become too long": subject.request((65,) * (MAX_MODEL_LEN - 3), max_tokens=4),
        "an empty prompt": subject.request(()),
        "an id outside the vocabulary": subject.request((65, outside)),
        "a negative id": subject.request((65, -1)),
        "a stop id outside the vocabulary": subject.request("Hello", stop_token_ids=(outside,)),
        "a wanted id outside the vocabulary": subject.request("Hello", logprob_token_ids=(outside,)),
        "two distributions at once": subject.request("Hello", constraint=letters, logprob_token_ids=(65,)),
        "a regex that does not compile": subject.request("Hello", constraint=Constraint("(", letters.token_ids)),
        "a regex that allows nothing": subject.request("Hello", constraint=Constraint(r"[^\s\S]", letters.token_ids)),
        "a regex that allows other ids": subject.request("Hello", constraint=Constraint("[E-H]", letters.token_ids)),
    }


def test_what_cant_be_served_fails_alone(subject: Subject) -> None:
    bad = bad_requests(subject)
    good = [subject.request(question, max_tokens=3, min_tokens=3) for question in QUESTIONS]
    results = generate(subject.engine, [good[0], *bad.values(), *good[1:]])
    assert all(isinstance(result, Completion) for result in (results[0], *results[-3:]))
    for name, result in zip(bad, results[1:-3], strict=True):
        assert isinstance(result, Failure), f"{name} was served"
        assert not result.retryable
        assert result.message


def test_an_id_in_use_is_refused_and_the_batch_with_it(scripted_subject: Subject) -> None:
    # Here alone: behind a worker this ends the worker, being its caller's defect.
    running = scripted_subject.request(QUESTIONS[3], stream=True, max_tokens=6, min_tokens=6)
    scripted_subject.engine.submit([running])
    other = scripted_subject.request(QUESTIONS[0])
    with pytest.raises(EngineError, match=running.request_id):
        scripted_subject.engine.submit([other, scripted_subject.request(QUESTIONS[1], request_id=running.request_id)])
    done = [event.request_id for event in run_dry(scripted_subject) if isinstance(event, Completion)]
    assert done == [running.request_id]


def test_info_says_what_was_loaded(any_subject: Subject) -> None:
    info = any_subject.engine.info()
    assert info.kind == any_subject.kind
    assert info.max_model_len == MAX_MODEL_LEN
    assert info.max_num_seqs == MAX_NUM_SEQS
    assert info.versions
    if any_subject.kind == "transformers":
        assert info.dtype == "float32"
        assert info.weights_bytes is not None
        assert 4 * 130e6 < info.weights_bytes < 4 * 140e6
    if any_subject.kind == "vllm":
        assert info.block_size is not None
        assert info.num_kv_blocks is not None
        assert info.num_kv_blocks * info.block_size > MAX_MODEL_LEN
