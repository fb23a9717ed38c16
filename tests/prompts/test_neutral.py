"""The neutral turn that stands in a peer's place where its influence is measured."""

from __future__ import annotations

import families
import pytest
from families import Family
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from setting import QUESTION, SEATS, TURNS, renderer, reworded

from localtable.prompts import HfTokenizer, load_wording, preset_names
from localtable.types import ShownTurn


@pytest.fixture(scope="module")
def chatml(tmp_path_factory: pytest.TempPathFactory) -> HfTokenizer:
    return families.bytes_only(tmp_path_factory.mktemp("chatml"), families.CHATML)


def tokens(family: Family, turns: tuple[ShownTurn, ...]) -> int:
    return len(renderer(family.tokenizer).statement(QUESTION, SEATS[0], turns))


@pytest.mark.parametrize("words", ["Yes.", "The Volga, since it is the longest of all rivers here. " * 12])
def test_it_is_as_long_as_what_it_stands_for_and_says_nothing(family: Family, words: str) -> None:
    render = renderer(family.tokenizer)
    turn = ShownTurn("Bea", "The Volga", words)
    neutral = render.neutral(turn)
    assert (neutral.seat, neutral.vote, neutral.confidence) == ("Bea", None, None)
    assert neutral.statement
    assert "I have read the question".startswith(neutral.statement[:10])
    assert "Volga" not in neutral.statement
    turns = (TURNS[0], turn, TURNS[2])
    assert abs(tokens(family, (TURNS[0], neutral, TURNS[2])) - tokens(family, turns)) <= 2


@given(said=st.text(max_size=200), sure=st.none() | st.floats(0, 1))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_it_is_never_longer_unless_the_turn_is_shorter_than_its_name(
    chatml: HfTokenizer, said: str, sure: float | None
) -> None:
    render = renderer(chatml)
    turn = ShownTurn("Bea", "The Volga", said, sure)
    neutral = render.neutral(turn)
    shortest = render.neutral(ShownTurn("Bea", "The Volga", ""))
    length = render._turn_tokens
    assert length(neutral) <= max(length(turn), length(shortest))
    assert length(neutral) >= length(turn) - 3


def test_a_turn_without_a_statement_gets_none(chatml: HfTokenizer) -> None:
    assert renderer(chatml).neutral(ShownTurn("Bea", "The Volga", None)) == ShownTurn("Bea", None, None)


def test_its_words_are_the_wording_s_own(chatml: HfTokenizer) -> None:
    render = renderer(chatml, wording=reworded(neutral_turn="Hm. I see."))
    neutral = render.neutral(ShownTurn("Bea", "The Volga", "The Volga is about 3,500 km long, they say."))
    assert neutral.statement is not None
    assert neutral.statement.startswith("Hm. I see. Hm. I see.")


@pytest.mark.parametrize("preset", preset_names())
def test_every_preset_has_words_for_it(preset: str) -> None:
    assert "I have made no choice yet" in load_wording(preset).parts.neutral_turn
