"""The endpoint engine at vLLM's own server, and what it reads there beside what the same weights say here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from subjects import Subject

from localtable.config import load_panel, parse_question
from localtable.engines.base import Completion, Failure, generate
from localtable.runner import RunOptions, hold_debate
from localtable.runner.events import RunEvent, TextArrived
from localtable.transcript import to_json
from localtable.types import Stop

QUESTION = parse_question(
    {"question": "Which of these is a fruit?", "options": ["A tomato", "A carrot", "A potato"]}, "the question"
)


def held(folder: Path, home: Path, seats: list[dict[str, str]], **changes: object) -> tuple[dict, list[RunEvent]]:  # type: ignore[type-arg]
    """A debate on vLLM, with local seats and such at its server, and what was told of it."""
    panel = {"name": "mixed", "rounds": 2, "seats": seats, "sampling": {"max_tokens": 24, "temperature": 0}, **changes}
    (folder / "panel.yaml").write_text(yaml.safe_dump({**panel, "stop": {"when": "never"}}))
    told: list[RunEvent] = []
    options = RunOptions(home=home, engine="vllm", tell=told.append, stream=True)
    transcript = hold_debate(QUESTION, load_panel(folder / "panel.yaml", default_stop=Stop()), options)
    return to_json(transcript), told


@pytest.fixture
def card(tmp_path: Path, served: str) -> str:
    (tmp_path / "served.yaml").write_text(
        yaml.safe_dump({"id": "served", "endpoint": {"base_url": served, "model": "smollm2", "max_concurrent": 2}})
    )
    return "served.yaml"


def test_a_vote_at_the_server_is_what_the_same_weights_vote_here(tmp_path: Path, real_home: Path, card: str) -> None:
    seats = [{"name": "Ada", "model": "smollm2-135m-instruct"}, {"name": "Bob", "model": card}]
    transcript, told = held(tmp_path, real_home, seats, ballot={"at": "both"})
    here, there = (
        next(turn for turn in transcript["rounds"][0]["turns"] if turn["seat"] == name) for name in ("Ada", "Bob")
    )
    assert there["ballot"]["source"] == "logprobs"
    assert there["ballot"]["unlisted"] == []
    assert 0.5 < there["ballot"]["label_mass"] <= 1
    # Asked before anything was said, both read the same words but for the name, and answer in slightly other spellings.
    for letter, share in here["ballot_before"]["distribution"].items():
        assert there["ballot_before"]["distribution"][letter] == pytest.approx(share, abs=0.15)
    assert there["usage"]["prompt_tokens"] > 100
    streamed = {event.seat for event in told if isinstance(event, TextArrived)}
    assert streamed == {"Ada", "Bob"}
    assert transcript["manifest"]["engines"]["served"]["kind"] == "endpoint"


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
