"""The endpoint engine against a server on loopback: its good days, and everything that goes wrong at others."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from endpoint_server import (
    SHARES,
    WORDS,
    Behaviour,
    Server,
    answer,
    cut_stream,
    hang,
    raw,
    refuses,
    reply,
    rubbish_stream,
    running,
    say,
    status,
    token,
)

from localtable.engines.base import Completion, Constraint, EngineSpec, Failure, ReplyForm, Request, Tokens, generate
from localtable.engines.endpoint import pacing
from localtable.engines.endpoint.engine import EndpointEngine
from localtable.errors import EngineLoadError, PrerequisiteError
from localtable.scripted_vocabulary import END_OF_TURN, START_OF_TURN, decode, encode
from localtable.types import Sampling

KEY = "sk-test-0123456789abcdefghij"
QUICK = {"timeout_s": 30.0, "retries": 2}
SHORT_S = 1.0
"""A silence that is found soon; everywhere else there is patience, for machines that are crowded."""
numbers = count()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing, "FIRST_WAIT_S", 0.01)
    monkeypatch.setenv("TEST_KEY", KEY)


@pytest.fixture
def server() -> Iterator[Server]:
    with running() as found:
        yield found


def engine_at(server: Server, **changes: Any) -> EndpointEngine:
    arguments = {"base_url": server.address, "model": "some-model", "key_env": "TEST_KEY", **QUICK, **changes}
    return EndpointEngine(EngineSpec("endpoint", "hosted", None, "unknown", 10**6, 4, 0, arguments=arguments))


def prompt(*turns: tuple[str, str]) -> tuple[int, ...]:
    ids: list[int] = []
    for role, content in turns:
        ids += [START_OF_TURN, *encode(f"{role}\n{content}"), END_OF_TURN, ord("\n")]
    return (*ids, START_OF_TURN, *encode("assistant\n"))


def statement(**changes: Any) -> Request:
    fields: dict[str, Any] = {
        "request_id": f"r{next(numbers)}",
        "prompt_token_ids": prompt(("user", "Is it so?")),
        "sampling": Sampling(temperature=0.7, top_p=0.95, max_tokens=50),
        "seed": 5,
    }
    return Request(**{**fields, **changes})


def ballot(*texts: str, key: str = "vote", **changes: Any) -> Request:
    texts = texts or ("Yes", "No", "Perhaps")
    ids = tuple(ord("A") + i for i in range(len(texts)))
    constraint = Constraint("[A-Z]", ids, texts, ReplyForm(key, texts))
    asked = (*prompt(("user", "Is it so?"), ("assistant", WORDS), ("user", "Vote in JSON.")), *encode(f'{{"{key}":"'))
    greedy = Sampling(temperature=0.0, top_p=1.0, max_tokens=1)
    return statement(prompt_token_ids=asked, constraint=constraint, sampling=greedy, **changes)


def one(engine: EndpointEngine, request: Request) -> Completion:
    (done,) = generate(engine, [request])
    assert isinstance(done, Completion), done
    return done


def failed(engine: EndpointEngine, request: Request) -> Failure:
    (done,) = generate(engine, [request])
    assert isinstance(done, Failure), done
    assert KEY not in done.message
    return done


# ── good days ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_statement_is_asked_for_as_messages_and_given_back_in_bytes(server: Server) -> None:
    asked = statement(prompt_token_ids=prompt(("system", "Be brief."), ("user", "Is it\nso? <|start|>user")))
    done = one(engine_at(server), asked)
    assert decode(done.token_ids).strip() == WORDS
    assert (done.finish_reason, done.completion_tokens) == ("stop", len(WORDS.split()) + 1)
    assert 0 < done.cached_tokens < done.prompt_tokens
    (received,) = server.asked
    assert received.headers["Authorization"] == f"Bearer {KEY}"
    assert received.body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Is it\nso? <|start|>user"},
    ]
    assert {received.body[name] for name in ("temperature", "top_p", "max_tokens", "seed")} == {0.7, 0.95, 50, 5}
    assert "top_k" not in received.body, "what is not asked for is the server's own"


def test_what_a_server_says_is_null_is_not_there(server: Server) -> None:
    server.usual = raw(
        b'{"choices": [{"message": {"content": "So."}, "finish_reason": "stop"}], "usage": {"prompt_tokens": null}}'
    )
    assert one(engine_at(server), statement()).prompt_tokens == 0
    assert len(server.asked) == 1


def test_what_streams_is_the_completion(server: Server) -> None:
    engine = engine_at(server)
    request = statement(stream=True)
    engine.submit([request])
    *tokens, last = _run_dry(engine)
    assert isinstance(last, Completion)
    assert tuple(i for event in tokens if isinstance(event, Tokens) for i in event.token_ids) == last.token_ids
    assert len(tokens) > 3


def _run_dry(engine: EndpointEngine) -> list[Any]:
    events: list[Any] = []
    while found := engine.step():
        events += found
    return events


def test_thoughts_stand_before_what_is_said_and_are_not_sent_back(server: Server) -> None:
    server.usual = say("So it is.", thoughts="Let me see.")
    done = decode(one(engine_at(server), statement()).token_ids)
    assert done.startswith("<think>\nLet me see.")
    assert done.rpartition("</think>")[2].strip() == "So it is."
    again = prompt(("user", "Is it so?"), ("assistant", done), ("user", "And now?"))
    one(engine_at(server), statement(prompt_token_ids=again))
    assert server.asked[-1].body["messages"][1] == {"role": "assistant", "content": "So it is."}


def test_many_requests_at_once_and_never_more_than_the_card_says(server: Server) -> None:
    at_work, most = [0], [0]

    def slow(handler: Any, request: Any) -> None:
        with server.lock:
            at_work[0] += 1
            most[0] = max(most[0], at_work[0])
        time.sleep(0.02)
        answer(handler, request)
        with server.lock:
            at_work[0] -= 1

    server.usual = slow
    requests = [statement() for _ in range(12)]
    done = generate(engine_at(server, max_concurrent=3), requests)
    assert [result.request_id for result in done] == [request.request_id for request in requests]
    assert all(isinstance(result, Completion) for result in done)
    assert most[0] == 3


def test_requests_per_minute_are_spread(server: Server) -> None:
    began = time.monotonic()
    generate(engine_at(server, requests_per_minute=600), [statement() for _ in range(4)])
    assert time.monotonic() - began >= 0.3


def test_what_is_aborted_comes_back_no_more_and_its_id_can_be_used_again(server: Server) -> None:
    engine = engine_at(server)
    server.next = [hang(0.3)]
    asked = statement()
    engine.submit([asked])
    time.sleep(0.05)
    engine.abort([asked.request_id, "never-heard-of"])
    assert engine.step() == []
    assert decode(one(engine, asked).token_ids).strip() == WORDS


def test_what_is_preempted_begins_anew(server: Server) -> None:
    engine = engine_at(server)
    server.next = [hang(0.3)]
    asked = statement()
    engine.submit([asked])
    (preempted,) = engine.preempt([asked.request_id])
    assert preempted.said == ()
    assert len(one(engine, asked).token_ids) > 0


# ── votes ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_vote_comes_with_the_log_probabilities_that_are_listed(server: Server) -> None:
    done = one(engine_at(server), ballot())
    assert json.loads(decode(done.token_ids)) == {"vote": "A"}
    shares = [math.exp(done.logprobs[ord(label)]) for label in "ABC"]
    assert shares == pytest.approx(SHARES[:3])
    asked = server.asked[0].body
    assert (asked["temperature"], asked["logprobs"], asked["top_logprobs"]) == (0.0, True, 20)
    assert asked["messages"][-1] == {"role": "user", "content": "Vote in JSON."}, "the opened answer is the server's"


@pytest.mark.parametrize(
    ("pieces", "chosen"),
    [
        (['{"vote": "', "B", '"}'], 1),
        (['{"vote":', ' "B', '"}'], 1),
        (['{"vote": ', '"B"}'], 1),
        (["B"], 0),
        (["**", "B", ")", " No"], 1),
    ],
    ids=["alone", "with its quote", "with its closing", "no JSON", "marked"],
)
def test_the_label_s_token_is_found_wherever_a_tokenizer_cuts(server: Server, pieces: list[str], chosen: int) -> None:
    places = [token(piece) for piece in pieces]
    mine = pieces[chosen]
    for other, share in (("A", 0.2), ("B", 0.7), ("C", 0.05)):
        listed = {"token": mine.replace("B", other), "logprob": math.log(share)}
        places[chosen].setdefault("others", []).append(listed)
    places[chosen] = {"token": mine, "logprob": math.log(0.7), "top_logprobs": places[chosen]["others"]}
    server.usual = reply("".join(pieces), {"content": places})
    done = one(engine_at(server), ballot())
    assert {chr(i): round(math.exp(value), 6) for i, value in done.logprobs.items()} == {"A": 0.2, "B": 0.7, "C": 0.05}


def test_labels_that_are_not_listed_are_left_out(server: Server) -> None:
    listed = {"content": [token('{"vote": "'), token("A", ["A"], (0.99,)), token('"}')]}
    server.usual = reply('{"vote": "A"}', listed)
    assert set(one(engine_at(server), ballot()).logprobs) == {ord("A")}


@pytest.mark.parametrize(
    "logprobs",
    [
        None,
        {"content": None},
        {"content": []},
        {"content": "much"},
        [1, 2],
        {"content": [{"token": "quite another text", "logprob": -1.0}]},
        {"content": [{"token": '{"vote": "A"}', "logprob": 5.0}]},
        {"content": [{"token": '{"vote": "A"}', "logprob": "NaN"}]},
        {"content": [token('{"vote": "'), token("A", ["A", "B"], (0.9, 0.8)), token('"}')]},
    ],
)
def test_log_probabilities_that_are_none_leave_the_vote(server: Server, logprobs: Any) -> None:
    server.usual = reply('{"vote": "A"}', logprobs)
    done = one(engine_at(server), ballot())
    assert (done.logprobs, decode(done.token_ids)) == ({}, '{"vote": "A"}')


@pytest.mark.parametrize(
    "parts", [("logprobs",), ("response_format",), ("seed",), ("logprobs", "response_format", "seed")]
)
def test_what_a_server_does_not_take_is_left_out_and_remembered(server: Server, parts: tuple[str, ...]) -> None:
    server.usual = refuses(*parts)
    engine = engine_at(server)
    first = one(engine, ballot())
    assert bool(first.logprobs) == ("logprobs" not in parts and "response_format" not in parts)
    before = len(server.asked)
    one(engine, ballot())
    assert len(server.asked) == before + 1
    assert not set(parts) & server.asked[-1].body.keys()


def test_max_tokens_goes_by_its_newer_name_where_the_old_one_is_refused(server: Server) -> None:
    server.next = [status(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")]
    one(engine_at(server), statement())
    assert server.asked[-1].body["max_completion_tokens"] == 50
    assert "max_tokens" not in server.asked[-1].body


def test_how_a_statement_is_drawn_is_never_left_out(server: Server) -> None:
    server.usual = refuses("temperature")
    assert "temperature" in failed(engine_at(server), statement()).message
    plain = replace(statement(), sampling=Sampling(temperature=1.0, top_p=1.0, max_tokens=50))
    assert one(engine_at(server), plain).token_ids
    assert one(engine_at(server), ballot()).token_ids, "a ballot's vote is what counts"


def test_a_ballot_that_did_without_a_temperature_leaves_statements_as_they_are_to_be_drawn(server: Server) -> None:
    server.usual = refuses("temperature")
    engine = engine_at(server)
    assert one(engine, ballot()).token_ids
    assert "temperature" in failed(engine, statement()).message
    assert all("temperature" in request.body for request in server.asked if not request.labels)


@pytest.mark.parametrize("text", ["<think>\nSome would say No", "Let me see. Some would say No"])
def test_thoughts_that_the_bound_has_cut_are_no_vote(server: Server, text: str) -> None:
    server.next = [say(text, finish_reason="length")]
    assert json.loads(decode(one(engine_at(server), ballot()).token_ids)) == {"vote": "A"}
    assert len(server.asked) == 2


def test_a_vote_before_the_cut_is_one(server: Server) -> None:
    server.next = [say('{"vote": "No"}\n\nThis is because', finish_reason="length")]
    one(engine_at(server), ballot())
    assert len(server.asked) == 1


def test_an_unreadable_vote_is_asked_for_again_within_bounds(server: Server) -> None:
    server.next = [reply("I would rather not say."), reply("{}")]
    done = one(engine_at(server), ballot())
    assert len(done.logprobs) == 3
    assert len(server.asked) == 3
    assert len({request.body["seed"] for request in server.asked}) == 3
    assert done.completion_tokens == 12, "all answers count"
    server.usual = reply('{"vote": "Z"}')
    said = failed(engine_at(server), ballot())
    assert "3 answers" in said.message and "Z" in said.message
    assert not said.retryable


# ── what goes wrong ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "bad",
    [
        status(500),
        status(503, Retry_After="0"),
        status(429, Retry_After="0.05"),
        cut_stream,
        rubbish_stream,
        raw(b"<html>busy</html>"),
        raw(b'{"choices": [{"message": {"content": "half'),
        raw(b'{"error": {"message": "overloaded"}}'),
        raw(b"[" * 100_000),
    ],
)
def test_what_may_go_well_another_time_is_asked_again(server: Server, bad: Behaviour) -> None:
    server.next = [bad]
    assert decode(one(engine_at(server), statement()).token_ids).strip() == WORDS
    assert len(server.asked) == 2


def test_retry_after_is_waited_for_by_all_requests(server: Server) -> None:
    server.next = [status(429, Retry_After="0.4")]
    began = time.monotonic()
    one(engine_at(server), statement())
    assert time.monotonic() - began >= 0.4
    server.next = [status(429, Retry_After="86400")]
    assert "86,400 s" in failed(engine_at(server), statement()).message


@pytest.mark.parametrize(
    ("bad", "said", "times"),
    [
        (status(500, f"trace of {KEY}"), "HTTP 500", 3),
        (status(400, "maximum context length is 512 tokens"), "512 tokens", 1),
        (raw(b'{"choices": [{"message": {"content": "x"}, "finish_reason": "content_filter"}]}'), "content filter", 1),
        (raw(b'{"choices": [{"message": {"refusal": "I will not."}, "finish_reason": "stop"}]}'), "I will not", 1),
        (status(307, Location="http://elsewhere.example/v1/chat/completions"), "elsewhere.example", 1),
        (raw(b"x" * 9_000_000), "bytes", 1),
        (raw(b"{}", Content_Encoding="gzip"), "compressed", 1),
        (cut_stream, "broke off", 3),
        (raw(b'{"choices": [{"message": {"content": "%s"' % KEY.encode()), "[key]", 3),
    ],
)
def test_what_does_not_go_well_fails_with_the_reason(server: Server, bad: Behaviour, said: str, times: int) -> None:
    server.usual = bad
    failure = failed(engine_at(server), statement())
    assert said in failure.message
    assert len(failure.message) < 600
    assert not failure.retryable
    assert not failure.away, "another request may do better"
    assert len(server.asked) == times


@pytest.mark.parametrize(
    ("bad", "said", "times", "away"),
    [
        (status(401, f"Incorrect API key provided: {KEY}"), "Incorrect API key provided: [key]", 1, "shut"),
        (status(402, "no credit"), "no credit", 1, "shut"),
        (status(404, "no such model"), "no such model", 1, "shut"),
        (status(429, "tomorrow", Retry_After="86400"), "left alone for 86,400 s", 1, "shut"),
        (status(500, "tomorrow", Retry_After="86400"), "left alone for 86,400 s", 1, "shut"),
        (status(429, "slower"), "slower", 3, "busy"),
        (status(502, "nobody behind it"), "nobody behind it", 3, "busy"),
        (status(503, "busy"), "busy", 3, "busy"),
        (status(403, "your prompt was flagged"), "flagged", 1, None),
        (status(504, "that took too long"), "too long", 3, None),
    ],
)
def test_what_says_nothing_of_the_request_is_told_apart(
    server: Server, bad: Behaviour, said: str, times: int, away: str | None
) -> None:
    server.usual = bad
    failure = failed(engine_at(server), statement())
    assert failure.away == away
    assert said in failure.message
    assert len(server.asked) == times


def test_a_server_that_asks_for_rest_is_asked_no_more_even_on_its_last_try(server: Server) -> None:
    server.usual = status(503, Retry_After="86400")
    assert failed(engine_at(server, retries=0), statement()).away == "shut"


def test_a_server_that_is_switched_off_is_away() -> None:
    with running(models=status(404, Connection="close")) as server:
        engine = engine_at(server, retries=1)
    failure = failed(engine, statement())
    assert failure.away == "busy"
    assert "can't be reached (2 times)" in failure.message


def test_silence_is_waited_out_and_asked_again_within_bounds(server: Server) -> None:
    engine = engine_at(server, timeout_s=SHORT_S, retries=1)
    server.usual = hang(1.5)
    failure = failed(engine, statement())
    assert "said nothing for 1 s (2 times)" in failure.message
    assert len(server.asked) == 2


def test_a_stream_that_breaks_off_when_something_was_shown_begins_anew_as_a_whole(server: Server) -> None:
    server.next = [cut_stream]
    failure = failed(engine_at(server), statement(stream=True))
    assert failure.retryable
    assert len(server.asked) == 1


def test_one_that_fails_harms_no_other(server: Server) -> None:
    server.next = [status(400, "no")]
    done = generate(engine_at(server, max_concurrent=1), [statement() for _ in range(3)])
    assert sorted(type(result).__name__ for result in done) == ["Completion", "Completion", "Failure"]


def test_a_server_that_says_the_key_is_not_quoted(server: Server) -> None:
    server.usual = say(f"The key is {KEY} indeed, and again {KEY}")
    engine = engine_at(server)
    engine.submit([statement(stream=True)])
    events = _run_dry(engine)
    streamed = decode([i for event in events if isinstance(event, Tokens) for i in event.token_ids])
    assert KEY not in streamed and "The key is [key] indeed, and again [key]" in streamed
    assert isinstance(events[-1], Completion) and KEY not in decode(events[-1].token_ids)


@pytest.mark.parametrize(
    "request_",
    [
        statement(prompt_token_ids=()),
        statement(prompt_token_ids=(START_OF_TURN, *encode("narrator\nhi"), END_OF_TURN)),
        statement(said=(65,)),
        statement(logprob_token_ids=(65,)),
        statement(constraint=Constraint("[AB]", (65, 66))),
        statement(sampling=Sampling(max_tokens=0)),
    ],
)
def test_what_can_t_be_asked_is_not_sent(server: Server, request_: Request) -> None:
    assert not failed(engine_at(server), request_).retryable
    assert server.asked == []


# ── who is there ────────────────────────────────────────────────────────────────────────────────────────────


def test_nobody_there_is_said_at_once() -> None:
    with running() as server:
        pass
    with pytest.raises(EngineLoadError, match="can't be reached"):
        engine_at(server)


@pytest.mark.parametrize(
    ("bad", "said"), [(status(401, KEY), "refuses the key in TEST_KEY"), (hang(1.5), "nothing for 1 s")]
)
def test_a_server_that_does_not_let_us_in_is_said_at_once(bad: Behaviour, said: str) -> None:
    with running(models=bad) as server, pytest.raises(EngineLoadError, match=said) as caught:
        engine_at(server, timeout_s=SHORT_S)
    assert KEY not in f"{caught.value.message}{caught.value.hint}"


def test_a_server_without_a_list_of_models_will_do() -> None:
    with running(models=status(404)) as server:
        assert one(engine_at(server, key_env=None), statement()).token_ids
    assert "Authorization" not in server.asked[0].headers


@pytest.mark.parametrize("value", ["", "  ", "two words", "sk-1\nX-Other: 1", "schlüssel"])
def test_a_key_that_can_t_be_one_is_refused_without_being_shown(
    server: Server, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_KEY", value)
    with pytest.raises(PrerequisiteError, match="TEST_KEY") as caught:
        engine_at(server)
    assert not value.strip() or value not in str(caught.value)
    assert server.received == []


def test_closing_twice_is_legal_and_leaves_nothing_waiting(server: Server) -> None:
    engine = engine_at(server)
    server.next = [hang(0.5)]
    engine.submit([statement()])
    engine.close()
    engine.close()
    assert engine.step() == []


def test_a_key_that_is_a_word_is_left_alone_in_answers(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", "none")
    server.usual = say("There is none, nonetheless.")
    assert decode(one(engine_at(server), statement()).token_ids).strip() == "There is none, nonetheless."
    assert server.asked[0].headers["Authorization"] == "Bearer none"
