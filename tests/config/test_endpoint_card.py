"""Cards of models at endpoints: what they may say, and that nothing of a key is shown where one is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from builders import refused

from localtable.config import parse_card
from localtable.config.writing import card_to_data, dump_card
from localtable.loading import parse_yaml
from localtable.types import Price

SECRET = "sk-live-0123456789abcdef"


def card(**endpoint: Any) -> dict[str, Any]:
    return {"id": "hosted", "endpoint": {"base_url": "http://127.0.0.1:8000/v1", "model": "some-model", **endpoint}}


def test_a_card_says_as_little_as_it_has_to() -> None:
    made = parse_card(card(), "the card", Path("/"))
    assert made.endpoint is not None
    assert (made.name, made.parameters, made.license, made.sources) == ("hosted", 0, "unknown", ())
    assert (made.endpoint.key_env, made.endpoint.max_concurrent, made.endpoint.price) == (None, 4, None)


def test_all_that_it_says_comes_back_from_its_written_form() -> None:
    limits = {"max_concurrent": "2", "requests_per_minute": "30", "timeout_s": "9.5", "retries": "0"}
    said = card(key_env="MY_KEY", ballot_tokens="900", price={"input": "0.15", "output": "0.6"}, **limits)
    made = parse_card({**said, "name": "Hosted", "parameters": "8000000000"}, "the card", Path("/"))
    assert made.endpoint is not None
    assert made.endpoint.price == Price(0.15, 0.6)
    assert parse_card(parse_yaml(dump_card(made), "the card"), "the card", Path("/")) == made
    assert parse_card(card_to_data(made), "the card", Path("/")) == made


def test_a_model_that_says_it_is_too_large_is_refused_here_too() -> None:
    error = refused(parse_card, {**card(), "parameters": "405000000000"}, "the card", Path("/"))
    assert "405B" in error.message


@pytest.mark.parametrize(
    "change",
    [
        {"base_url": f"https://user:{SECRET}@api.example/v1"},
        {"base_url": f"https://api.example/v1?key={SECRET}"},
        {"base_url": f"https://api.example/v1#{SECRET}"},
        {"base_url": f"{SECRET}://api.example/v1"},
        {"key_env": SECRET},
        {"key_env": f"gsk_{SECRET.replace('-', '_')}"},
        {"base_url": "file:///etc/passwd"},
        {"base_url": "http://"},
        {"base_url": "http://api.example:none/v1"},
        {"base_url": "http://api.example/v1 /x"},
        {"key_env": "MY KEY"},
        {"base_url": "http://api.example\\other.example/v1"},
        {"base_url": "http://api.example/v1\u202e"},
        {"model": "small\x1b[31m"},
        {"model": ""},
        {"max_concurrent": "0"},
        {"timeout_s": "0"},
        {"retries": "-1"},
        {"price": {"input": "1"}},
        {"price": {"input": "-1", "output": "1"}},
        {"key": SECRET},
    ],
)
def test_what_is_wrong_is_said_without_a_word_of_a_key(change: dict[str, Any]) -> None:
    error = refused(parse_card, card(**change), "the card", Path("/"))
    assert SECRET not in f"{error.message} {error.hint}"


@pytest.mark.parametrize("key", ["sources", "architecture", "engine", "reasoning", "context_length", "dtype"])
def test_what_a_server_s_owner_alone_knows_has_no_place(key: str) -> None:
    assert key in refused(parse_card, {**card(), key: "something"}, "the card", Path("/")).message
