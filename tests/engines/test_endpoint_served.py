"""The endpoint engine at vLLM's own server, and what it reads there beside what the same weights say here."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from subjects import Subject

from localtable.ballots import read_answer
from localtable.config import load_panel, parse_question
from localtable.engines.base import Completion, Constraint, Failure, ReplyForm, generate
from localtable.runner import RunOptions, hold_debate
from localtable.runner.events import RunEvent, TextArrived
from localtable.transcript import to_json
from localtable.types import Stop

QUESTION = parse_question(
    {"question": "Which of these is a fruit?", "options": ["A tomato", "A carrot", "A potato"]}, "the question"
)


def held(folder: Path, home: Path, seats: list[dict[str, str]], **changes: object) -> tuple[dict, list[RunEvent]]:  # type: ignore[type-arg]
    """A debate of local seats and such at the server, and what was told of it."""
    panel = {"name": "mixed", "rounds": 2, "seats": seats, "sampling": {"max_tokens": 24, "temperature": 0}, **changes}
    (folder / "panel.yaml").write_text(yaml.safe_dump({**panel, "stop": {"when": "never"}}))
    told: list[RunEvent] = []
    options = RunOptions(home=home, engine="transformers", tell=told.append, stream=True)
    transcript = hold_debate(QUESTION, load_panel(folder / "panel.yaml", default_stop=Stop()), options)
    return to_json(transcript), told


@pytest.fixture
def card(tmp_path: Path, served: str) -> str:
    (tmp_path / "served.yaml").write_text(
        yaml.safe_dump({"id": "served", "endpoint": {"base_url": served, "model": "smollm2", "max_concurrent": 2}})
    )
    return "served.yaml"


def test_a_panel_of_a_local_seat_and_one_at_the_server(tmp_path: Path, real_home: Path, card: str) -> None:
    seats = [{"name": "Ada", "model": "smollm2-135m-instruct"}, {"name": "Bob", "model": card}]
    transcript, told = held(tmp_path, real_home, seats)
    for round_ in transcript["rounds"]:
        here, there = (next(turn for turn in round_["turns"] if turn["seat"] == name) for name in ("Ada", "Bob"))
        assert "source" not in here["ballot"]
        assert (there["ballot"]["source"], there["ballot"]["unlisted"]) == ("logprobs", [])
        assert there["ballot"]["listed_mass"] == pytest.approx(1, abs=1e-3), "vLLM lists what its constraint leaves"
        assert there["usage"]["prompt_tokens"] > 100
    assert {event.seat for event in told if isinstance(event, TextArrived)} == {"Ada", "Bob"}
    assert transcript["manifest"]["engines"]["served"]["kind"] == "endpoint"


def test_what_the_server_lists_is_what_the_same_weights_say_here(
    endpoint_subject: Subject, vllm_subject: Subject, smollm2_folder: Path
) -> None:
    from transformers import PreTrainedTokenizerFast

    template = PreTrainedTokenizerFast.from_pretrained(smollm2_folder)
    texts = ("A tomato", "A carrot", "A potato")
    lettered = "\n".join(f"{letter}. {text}" for letter, text in zip("ABC", texts, strict=True))
    asked = f'Which of these is a fruit?\n{lettered}\nOutput JSON with its letter: {{"vote": "<letter>"}}'
    constraint = Constraint("[ABC]", tuple(map(ord, "ABC")), texts, ReplyForm("vote", texts))
    (there,) = generate(endpoint_subject.engine, [endpoint_subject.request(asked, constraint=constraint)])
    assert isinstance(there, Completion), there
    reply = endpoint_subject.decode(there.token_ids)
    answer = read_answer(reply, "vote", "ABC", texts)
    assert answer is not None and answer.source == "structured" and answer.place is not None

    messages = [{"role": "user", "content": asked}]
    prompt = template.apply_chat_template(messages, tokenize=False, add_generation_prompt=True) + reply[: answer.place]
    ids = [vllm_subject.encode(letter)[0] for letter in "ABC"]
    wanted = vllm_subject.request(vllm_subject.encode(prompt), max_tokens=1, logprob_token_ids=tuple(ids))
    (here,) = generate(vllm_subject.engine, [wanted])
    assert isinstance(here, Completion), here
    assert there.prompt_tokens == len(wanted.prompt_token_ids) - len(vllm_subject.encode(reply[: answer.place]))
    shares = [
        [math.exp(found[i]) for i in of] for found, of in ((there.logprobs, map(ord, "ABC")), (here.logprobs, ids))
    ]
    at_server, by_hand = ([share / sum(given) for share in given] for given in shares)
    assert at_server == pytest.approx(by_hand, abs=0.02)


def test_what_the_server_refuses_is_said_in_its_words(endpoint_subject: Subject) -> None:
    endless = endpoint_subject.request("word " * 4000, max_tokens=8)
    fine = endpoint_subject.request("Say: hi", max_tokens=8)
    bad, good = generate(endpoint_subject.engine, [endless, fine])
    assert isinstance(bad, Failure) and "2048" in bad.message, bad
    assert isinstance(good, Completion)
    assert good.completion_tokens <= 8


def test_what_vllm_alone_knows_of_sampling_goes_through(endpoint_subject: Subject) -> None:
    request = endpoint_subject.request("Tell me of the sea.", max_tokens=12, min_tokens=12, top_k=5, min_p=0.01)
    (done,) = generate(endpoint_subject.engine, [request])
    assert isinstance(done, Completion)
    assert (done.completion_tokens, done.finish_reason) == (12, "length")
    greedy = [replace(request, request_id=f"g{i}", sampling=replace(request.sampling, temperature=0.0)) for i in (1, 2)]
    one, two = generate(endpoint_subject.engine, greedy)
    assert isinstance(one, Completion) and isinstance(two, Completion)
    assert one.token_ids == two.token_ids
