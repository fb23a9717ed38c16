"""The longest possible turn: reckoned before anything loads, never below what is used, refused with its figures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from builders import CARD, REASONING, Recorded, hold, make_panel, make_question, record, votes, write_script
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from localtable.errors import ConfigError, PlacementError
from localtable.prompts import ByteTokenizer, load_wording, preset_names
from localtable.runner.models import Model, build_models, longest_turns
from localtable.types import Panel, Question

QUESTION = make_question("Yes", "No")
SHORT = {"max_tokens": "40"}


def models_of(panel: Panel) -> dict[str, Model]:
    tokenizers = {card.id: ByteTokenizer() for card in panel.cards}
    return build_models(panel, tokenizers, load_wording(panel.prompts), real_templates=False)


def longest_used(held: Recorded) -> int:
    return max(len(request.prompt_token_ids) + request.sampling.max_tokens for request in held.requests)


# ── never below what is used ────────────────────────────────────────────────────────────────────────────────

LINES = st.text(st.sampled_from("ab \n\r\u2028é漢🍅>-*"), max_size=120)
OPTION = st.text(st.sampled_from("abé漢🍅"), min_size=1, max_size=40)
OPTIONS = st.lists(OPTION, min_size=2, max_size=26, unique_by=str.casefold)


SEEN = st.fixed_dictionaries(
    {
        "reads": st.sampled_from(["everyone", "neighbours", "itself"]),
        "names": st.sampled_from(["seats", "neutral", "models"]),
        "votes": st.sampled_from(["shown", "hidden"]),
        "statements": st.sampled_from(["shown", "hidden"]),
        "confidence": st.sampled_from(["shown", "hidden"]),
        "tally": st.sampled_from(["shown", "hidden"]),
        "order": st.sampled_from(["fixed", "shuffled", "balanced"]),
    }
).filter(lambda seen: seen["reads"] == "itself" or "shown" in (seen["votes"], seen["statements"]))


@st.composite
def debates(draw: st.DrawFn) -> dict[str, Any]:
    seats = draw(st.integers(1, 5))
    over = draw(st.sampled_from(["refuse", "head_tail"]))
    max_tokens = draw(st.integers(1, 80))
    bound = draw(st.none() | st.integers(64, 120)) if over == "head_tail" else None
    peers = {"over": over} | ({"max_tokens": str(bound)} if bound else {})
    return {
        "options": draw(OPTIONS),
        "context": draw(st.none() | st.just("It rains.\n" * 3)),
        "seats": seats,
        "personas": draw(st.lists(st.none() | st.just("a stubborn gardener"), min_size=seats, max_size=seats)),
        "said": draw(st.lists(LINES, min_size=seats, max_size=seats)),
        "votes": draw(st.lists(st.sampled_from("AB"), min_size=3 * seats, max_size=3 * seats)),
        "panel": {
            "rounds": str(draw(st.integers(1, 3))),
            "sampling": {"max_tokens": str(max_tokens)},
            "thinking": {"on": str(draw(st.booleans())), "max_tokens": str(draw(st.integers(1, 50)))},
            "ballot": {"at": draw(st.sampled_from(["after", "before", "both"]))},
            "prompts": draw(st.sampled_from(preset_names())),
            "peers": peers,
            "visibility": draw(SEEN),
        },
        "scripted": draw(st.lists(LINES.filter(str.strip), max_size=2)),
        "roles": draw(st.lists(st.none() | st.just("peacemaker"), min_size=seats, max_size=seats)),
        "context_length": draw(st.sampled_from(["200000", "6000"])),
    }


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80)
@given(debates())
def test_no_debate_uses_more_than_was_reckoned_with(tmp_path: Path, drawn: Mapping[str, Any]) -> None:
    cards = [
        {**CARD, "id": f"card-{i}", "reasoning": REASONING, "context_length": drawn["context_length"]} for i in range(2)
    ]
    names = [f"Seat {i}" for i in range(drawn["seats"])]
    seats: list[dict[str, Any]] = [
        {"name": name, "model": f"card-{i % 2}.yaml", "persona": drawn["personas"][i], "role": drawn["roles"][i]}
        for i, name in enumerate(names)
    ]
    seats += [
        {"name": f"Played {i}", "confederate": {"vote": "B", "statement": said, "poses_as": "Another Model"}}
        for i, said in enumerate(drawn["scripted"])
    ]
    panel = make_panel(tmp_path, cards=cards, seats=seats, **drawn["panel"])
    question = make_question(*drawn["options"], context=drawn["context"])
    turns = [
        {"seat": name, "round": number, "vote": drawn["votes"][3 * i + number - 1], "statement": drawn["said"][i]}
        for i, name in enumerate(names)
        for number in (1, 2, 3)
    ]
    script = write_script(tmp_path, *turns)
    try:
        reckoned = longest_turns([models_of(panel)], [question])
    except PlacementError:
        return  # refused before anything loads: nothing can go wrong any more
    try:
        held = record(question, panel, script)
    except PlacementError as error:
        assert drawn["panel"]["peers"]["over"] == "refuse", error  # noqa: PT017
        return
    assert longest_used(held) <= max(reckoned.values())
    for request in held.requests:
        assert request.origin is not None
        card = panel.seats[names.index(request.origin.seat)].card
        assert len(request.prompt_token_ids) + request.sampling.max_tokens <= reckoned[card.id]


@pytest.mark.parametrize("at", ["after", "before", "both"])
def test_what_is_reckoned_with_is_not_far_above_what_full_turns_use(tmp_path: Path, at: str) -> None:
    """A bound that is far too high costs memory: every sequence's cache is as long as it says."""
    panel = make_panel(tmp_path, "Ada", "Bob", "Cy", sampling={"max_tokens": "200"}, ballot={"at": at})
    turns = [{**turn, "statement": "x" * 300} for seat in ("Ada", "Bob", "Cy") for turn in votes(seat, "A", "B")]
    held = record(QUESTION, panel, write_script(tmp_path, *turns))
    reckoned = longest_turns([models_of(panel)], [QUESTION])["toy"]
    assert longest_used(held) <= reckoned <= 1.25 * longest_used(held)


def test_where_everything_is_at_its_bound_the_reckoning_is_exact(tmp_path: Path) -> None:
    """But for two of the four tokens that a ballot's closing is granted, and the mark before each of two turns."""
    peers = {"max_tokens": "64", "over": "head_tail"}
    panel = make_panel(tmp_path, "Ada", "Bob", peers=peers, sampling={"max_tokens": "62"})
    turns = [{**turn, "statement": "x" * 62} for turn in (*votes("Ada", "A", "B"), *votes("Bob", "B", "A"))]
    question = make_question("Aye", "Nay")
    held = record(question, panel, write_script(tmp_path, *turns))
    assert longest_used(held) + 4 == longest_turns([models_of(panel)], [question])["toy"]


def test_the_ballot_before_can_be_the_longest_part(tmp_path: Path) -> None:
    """A wording of the user's own may ask for it at great length."""
    import yaml

    wording = yaml.safe_load((Path(load_wording.__code__.co_filename).parent / "presets/argue.yaml").read_text())
    wording["ballot"]["before"] = "Think hard. " * 100 + "\n{lettered_options}"
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(wording))
    panel = make_panel(tmp_path, "Ada", "Bob", prompts="mine.yaml", ballot={"at": "both"}, sampling={"max_tokens": "1"})
    held = record(QUESTION, panel)
    assert longest_used(held) <= longest_turns([models_of(panel)], [QUESTION])["toy"]


def test_the_longest_option_is_the_one_of_most_tokens_not_of_most_characters(tmp_path: Path) -> None:
    question = make_question("漢" * 30, "x" * 31, "y")
    turns = [{**turn, "statement": "s" * 40, "persuaded_by": "Ada"} for turn in votes("Bob", "B", "A")]
    turns += [{**turn, "statement": "s" * 40} for turn in votes("Ada", "A", "A")]
    panel = make_panel(tmp_path, "Ada", "Bob", sampling=SHORT)
    held = record(question, panel, write_script(tmp_path, *turns))
    assert longest_used(held) <= longest_turns([models_of(panel)], [question])["toy"]


def test_the_longest_of_many_questions_counts(tmp_path: Path) -> None:
    panel = make_panel(tmp_path, "Ada")
    models = models_of(panel)
    short, long = make_question("Yes", "No", id="a"), make_question("Yes", "No", id="b", context="It rains. " * 50)
    assert longest_turns([models], [short, long]) == longest_turns([models], [long])
    assert longest_turns([models], [long])["toy"] - longest_turns([models], [short])["toy"] == pytest.approx(500, abs=5)


# ── refused with figures ────────────────────────────────────────────────────────────────────────────────────


def refused_by_length(panel: Panel, question: Question = QUESTION) -> PlacementError:
    with pytest.raises(PlacementError) as caught:
        longest_turns([models_of(panel)], [question])
    return caught.value


def test_what_can_not_fit_is_refused_with_every_figure(tmp_path: Path) -> None:
    panel = make_panel(tmp_path, "Ada", "Bob", cards=[{**CARD, "context_length": "1500"}])
    error = refused_by_length(panel)
    assert "seat 'Ada' can need 1," in error.message
    assert "and 672 for what 2 seats said" in error.message
    assert "toy has a context of 1,500" in error.message
    assert "head_tail" in error.hint


def test_a_context_that_the_user_lowers_counts(tmp_path: Path) -> None:
    fits = make_panel(tmp_path, "Ada")
    need = longest_turns([models_of(fits)], [QUESTION])["toy"]
    exact = make_panel(tmp_path, "Ada", engine={"max_model_len": str(need)})
    assert longest_turns([models_of(exact)], [QUESTION])["toy"] == need
    below = make_panel(tmp_path, "Ada", engine={"max_model_len": str(need - 1)})
    assert f"a context of {need - 1:,}" in refused_by_length(below).message


@pytest.mark.parametrize("length", ["0", "-1", "200001", "many", "1.5"])
def test_a_context_that_is_none_is_refused(tmp_path: Path, length: str) -> None:
    with pytest.raises(ConfigError, match="max_model_len"):
        models_of(make_panel(tmp_path, "Ada", engine={"max_model_len": length}))


# ── cut where it is allowed ─────────────────────────────────────────────────────────────────────────────────


def cutting(folder: Path, context: str = "3000", **peers: str) -> Panel:
    return make_panel(
        folder,
        *("Ada", "Bob", "Cy"),
        cards=[{**CARD, "context_length": context}],
        peers={"over": "head_tail", **peers},
        sampling={"max_tokens": "600"},
    )


LONG = "This is how it begins. " + "And so on. " * 45 + "This is how it ends."


def test_turns_too_long_for_the_context_are_cut_with_a_mark_that_readers_see(tmp_path: Path) -> None:
    held = record(QUESTION, cutting(tmp_path), write_script(tmp_path, {"statement": LONG}))
    for prompt in held.prompts(round_number=2, step="statement"):
        assert prompt.count("tokens left out") == 3
        assert prompt.count("> This is how it begins.") == 3
        assert prompt.count("how it ends.") == 3
    assert longest_used(held) <= 3000


def test_cut_turns_are_counted_by_who_read_them(tmp_path: Path) -> None:
    turns = [{"seat": "Ada", "statement": LONG}, {"statement": "Short."}]
    held = hold(tmp_path, QUESTION, cutting(tmp_path), write_script(tmp_path, *turns))
    assert [turn.peers_cut for turn in held.whole.rounds[0].turns] == [0, 0, 0]
    assert [turn.peers_cut for turn in held.whole.rounds[1].turns] == [1, 1, 1]
    assert held.turn("Ada", 1).statement == LONG, "what is kept is whole"


def test_a_bound_of_the_panel_s_own_cuts_where_the_context_would_not(tmp_path: Path) -> None:
    panel = cutting(tmp_path, context="200000", max_tokens="100")
    held = record(QUESTION, panel, write_script(tmp_path, {"statement": LONG}))
    (prompt, *_) = held.prompts(round_number=2, step="statement")
    assert prompt.count("tokens left out") == 3


def test_short_turns_are_not_cut_because_they_are_short(tmp_path: Path) -> None:
    panel = make_panel(tmp_path, "Ada", "Bob", peers={"over": "head_tail"}, sampling={"max_tokens": "4"})
    held = record(QUESTION, panel, write_script(tmp_path, {"statement": "a\nb\n"}))
    assert "tokens left out" not in "".join(held.prompts(round_number=2))


def test_a_bound_below_which_nothing_of_a_turn_is_left_is_refused(tmp_path: Path) -> None:
    error = refused_by_length(cutting(tmp_path, context="200000", max_tokens="32"))
    assert "would be cut to 32 tokens" in error.message
    assert error.hint == "Raise peers.max_tokens."
    wide = models_of(cutting(tmp_path))["toy"]
    own = wide.longest(QUESTION) - sum(wide.shown_bounds(QUESTION).values())
    tight = refused_by_length(cutting(tmp_path, context=str(own + 3 * 20)))
    assert "would be cut to 20 tokens" in tight.message
    assert f"whose context is {own + 60:,}" in tight.message
    assert "take fewer seats" in tight.hint


def test_where_nothing_may_be_cut_a_turn_that_grew_too_long_is_refused_with_figures(tmp_path: Path) -> None:
    """Lines are quoted one by one, so that a turn of many lines takes more tokens than were said."""
    panel = make_panel(tmp_path, "Ada", "Bob", sampling={"max_tokens": "200"})
    held = hold(tmp_path, QUESTION, panel, write_script(tmp_path, {"statement": "a\n" * 99 + "a"}))
    assert isinstance(held.error, PlacementError)
    assert "266 were reckoned with" in held.error.message
    assert "head_tail" in held.error.hint
    assert held.partial is not None
    assert len(held.partial.rounds) == 1
