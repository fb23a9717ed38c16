"""What goes into a store comes out of it: questions, turns, generations, texts, and which debates there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from builders import make_question, make_turn
from hypothesis import given
from hypothesis import strategies as st

from localtable.errors import ConfigError
from localtable.store import IN_MEMORY, Generation, Key, Noise, Run, Store, TurnRecord
from localtable.types import LETTERS, PART_OF_STEP, Ballot, Question, Turn, Usage, Verdict

RUN = Run(
    engine="scripted",
    panel={"name": "panel", "seats": [{"name": "Ada"}]},
    cards={"toy": {"id": "toy", "parameters": "1000000"}},
    weights={"toy": {"weights": "0" * 64, "source": "hub:a/b@c"}},
    prompts_name="argue",
    prompts_sha256="1" * 64,
    prompts={"name": "argue", "system": None},
    controls=("ring", "noise-peers"),
)
CONDITIONS = ("debate", "ring", "noise-peers")
NOISE = 3


@contextmanager
def created(questions: Sequence[Question], path: Path = IN_MEMORY, **changes: Any) -> Iterator[Store]:
    """A store with a session."""
    noise = [Noise("noise-peers", "debate", changes.pop("seed", 0))]
    with Store.create(path, replace(RUN, **changes), questions, CONDITIONS, noise=noise) as store:
        store.begin_session({"engine": "scripted"})
        yield store


def numbered(*options: int) -> list[Question]:
    """Questions with so many options."""
    return [make_question(*map(str, range(count)), id=f"q-{i}") for i, count in enumerate(options)]


# ── questions ───────────────────────────────────────────────────────────────────────────────────────────────

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)


@st.composite
def questions(draw: st.DrawFn) -> Question:
    options = tuple(draw(st.lists(TEXT, min_size=2, max_size=26, unique=True)))
    return Question(
        id=draw(TEXT),
        question=draw(TEXT),
        options=options,
        context=draw(st.none() | TEXT),
        answer=draw(st.none() | st.sampled_from(LETTERS[: len(options)])),
        tags=tuple(draw(st.lists(TEXT, max_size=3))),
    )


@given(st.lists(questions(), min_size=1, max_size=4, unique_by=lambda question: question.id))
def test_questions_come_back_as_they_went_in(asked: list[Question]) -> None:
    with created(asked) as store:
        assert list(store.questions()) == asked
        assert [store.question(i) for i in range(1, len(asked) + 1)] == asked
        assert store.option_counts() == sorted({len(question.options) for question in asked})
        assert store.run().questions_sha256 == store.questions_sha256()


@given(questions(), questions())
def test_the_hash_of_questions_tells_them_apart(one: Question, other: Question) -> None:
    with created([one]) as a, created([other]) as b:
        assert (a.questions_sha256() == b.questions_sha256()) == (one == other)


def test_the_order_of_questions_is_part_of_their_hash() -> None:
    asked = numbered(2, 3)
    with created(asked) as a, created(asked[::-1]) as b:
        assert a.questions_sha256() != b.questions_sha256()


def test_26_options_are_kept() -> None:
    question = make_question(*(f"Option {letter}" for letter in LETTERS), answer="Z", tags=["a", "b"])
    with created([question]) as store:
        assert store.question(1) == question
        assert store.question(1).text_of("Z") == "Option Z"


def test_an_id_that_stands_twice_is_refused_and_leaves_no_run(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with pytest.raises(ConfigError, match="the id 'q-1' stands twice") as caught:
        Store.create(path, RUN, [*numbered(2, 2), make_question(id="q-1")], CONDITIONS)
    assert caught.value.hint
    with created(numbered(2, 2), path) as store:
        assert store.num_open() == 6


def test_no_question_is_refused() -> None:
    with pytest.raises(ConfigError, match="no question"):
        Store.create(IN_MEMORY, RUN, [], CONDITIONS)


def test_the_inputs_come_back_as_they_went_in(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with created(numbered(2), path, repeats=3, shard=2, num_shards=4) as store:
        before = store.run()
    with Store.open(path, write=False) as store:
        assert store.run() == before
    given = replace(RUN, repeats=3, shard=2, num_shards=4)
    assert replace(before, uuid="", created="", questions_sha256="") == given
    assert before.uuid
    assert before.created


# ── debates ─────────────────────────────────────────────────────────────────────────────────────────────────


@given(
    st.integers(1, 12), st.integers(1, 3), st.integers(1, 5).flatmap(lambda n: st.tuples(st.integers(1, n), st.just(n)))
)
def test_shards_divide_the_debates_and_every_debate_has_its_number(
    count: int, repeats: int, shard: tuple[int, int]
) -> None:
    asked = numbered(*[2] * count)
    with Store.create(IN_MEMORY, replace(RUN, repeats=repeats), asked, CONDITIONS[:2]) as whole:
        everything = {row.id: (row.question, row.condition, row.repeat) for row in whole.all_debates()}
    assert list(everything) == list(range(1, count * repeats * 2 + 1)), "question by question, without a gap"
    assert sorted(everything.values()) == sorted(product(range(1, count + 1), (1, 2), range(repeats)))
    number, of = shard
    sliced = replace(RUN, repeats=repeats, shard=number, num_shards=of)
    with Store.create(IN_MEMORY, sliced, asked, CONDITIONS[:2]) as store:
        there = {row.id: (row.question, row.condition, row.repeat) for row in store.all_debates()}
        assert len(list(store.questions())) == count, "each shard has all questions"
    assert there == {i: names for i, names in everything.items() if (names[0] - 1) % of == number - 1}


@given(st.lists(st.integers(2, 5), min_size=1, max_size=12), st.integers(1, 2), st.integers(0, 3))
def test_noise_is_a_derangement_within_equal_numbers_of_options(options: list[int], repeats: int, seed: int) -> None:
    with created(numbered(*options), repeats=repeats, seed=seed) as store:
        rows = list(store.all_debates())
        left_out = {name: count for name, count in store.conditions().values()}
    by_id = {row.id: row for row in rows}
    noise = [row for row in rows if row.condition == NOISE]
    assert all(row.partner is None for row in rows if row.condition != NOISE)
    for row in noise:
        assert row.partner is not None
        partner = by_id[row.partner]
        assert (partner.condition, partner.repeat) == (1, row.repeat)
        assert partner.question != row.question
        assert options[partner.question - 1] == options[row.question - 1]
    assert max(Counter(row.partner for row in noise).values(), default=1) == 1
    alone = {count for count, questions in Counter(options).items() if questions == 1}
    expected = [i for i, count in enumerate(options, start=1) if count not in alone]
    assert sorted({row.question for row in noise}) == expected
    assert len(noise) == len(expected) * repeats
    assert left_out == {"debate": 0, "ring": 0, "noise-peers": len(alone) * repeats}


def test_another_seed_pairs_otherwise() -> None:
    def partners(seed: int) -> list[int | None]:
        with created(numbered(*[2] * 12), seed=seed) as store:
            return [row.partner for row in store.all_debates()]

    assert partners(1) == partners(1)
    assert partners(1) != partners(2)


def test_a_question_s_partner_is_the_same_in_every_repeat() -> None:
    with created(numbered(*[3] * 6), repeats=3) as store:
        rows = {row.id: row for row in store.all_debates()}
    by_question: dict[int, set[int]] = {}
    for row in rows.values():
        if row.partner is not None:
            by_question.setdefault(row.question, set()).add(rows[row.partner].question)
    assert all(len(partners) == 1 for partners in by_question.values())


def test_a_verdict_and_a_failure_are_kept_with_their_session() -> None:
    verdict = Verdict("tie", ("A", "C"), 2, 5, False, 3)
    with created(numbered(3, 3)) as store:
        store.finish_debate(1, verdict)
        store.fail_debate(2, "it fell over")
        store.commit()
        finished, failed = store.debate(1), store.debate(2)
        assert (finished.state, finished.verdict, finished.session) == ("finished", verdict, 1)
        assert (failed.state, failed.verdict, failed.reason) == ("failed", None, "it fell over")
        assert store.counts().debates == {"open": 4, "finished": 1, "failed": 1}
        assert [row.id for row in store.all_debates("failed")] == [2]
        assert store.open_debates(3, 2) == [(4, 1), (5, 2)]


# ── generations ─────────────────────────────────────────────────────────────────────────────────────────────

HASH = st.binary(min_size=32, max_size=32)
TOKENS = st.integers(0, 2**32 - 1)


@st.composite
def generations(draw: st.DrawFn) -> Generation:
    return Generation(
        key=Key(draw(HASH), draw(TEXT), draw(HASH), draw(HASH), draw(st.none() | st.integers(0, 2**53 - 1))),
        model=draw(TEXT),
        prompt_tokens=draw(st.integers(0, 10**6)),
        cached_tokens=draw(st.integers(0, 10**6)),
        completion_tokens=draw(st.integers(0, 10**6)),
        token_ids=tuple(draw(st.lists(TOKENS, max_size=20))),
        finish_reason=draw(st.sampled_from(["stop", "length"])),
        stop_token_id=draw(st.none() | TOKENS),
        logprobs=draw(st.dictionaries(TOKENS, st.floats(max_value=0, allow_nan=False), max_size=26)),
        seconds=draw(st.none() | st.floats(0, 1e6)),
        origin=draw(st.none() | TEXT),
    )


@given(generations())
def test_a_generation_comes_back_as_it_went_in(generation: Generation) -> None:
    with created(numbered(2)) as store:
        assert store.find_generation(generation.key.sha256) is None
        number = store.add_generation(generation)
        store.commit()
        assert store.find_generation(generation.key.sha256) == (number, generation)
        own = 0 if generation.origin else generation.completion_tokens
        assert store.counts().completion_tokens == own, "what was taken over was not generated here"


# ── turns ───────────────────────────────────────────────────────────────────────────────────────────────────


@st.composite
def ballots(draw: st.DrawFn) -> Ballot:
    weights = draw(st.lists(st.floats(1e-9, 1.0), min_size=3, max_size=3))
    return Ballot(
        vote=draw(st.sampled_from("ABC")),
        distribution=dict(zip("ABC", weights, strict=True)),
        tied=tuple(draw(st.sampled_from(["", "AB", "ABC"]))),
        persuaded_by=draw(st.none() | TEXT),
        label_mass=draw(st.none() | st.floats(0, 1)),
    )


@st.composite
def records(draw: st.DrawFn) -> tuple[Turn, tuple[str, ...]]:
    """A turn and its steps."""
    at = draw(st.sampled_from(["before", "after", "both"]))
    attempts = draw(st.integers(1, 2))
    thinks = draw(st.booleans())
    steps = [
        *(["before"] if at != "after" else []),
        *(["thinking"] if thinks else []),
        *["statement"] * attempts,
        *(["ballot"] if at != "before" else []),
        *(["persuaded"] if draw(st.booleans()) else []),
    ]
    turn = Turn(
        seat=draw(TEXT),
        position=draw(st.integers(1, 64)),
        statement=draw(st.just("") | TEXT),
        ballot=draw(ballots()),
        changed_mind=draw(st.booleans()),
        finish_reason=draw(st.sampled_from(["stop", "length"])),
        truncated=draw(st.booleans()),
        seed=draw(st.integers(0, 2**53 - 1)),
        usage={},
        reasoning=draw(st.none() | TEXT),
        reasoning_truncated=draw(st.booleans()),
        stated=draw(st.none() | st.sampled_from("ABC")),
        ballot_before=draw(ballots()) if at == "both" else None,
        attempts=attempts,
        names_letter=draw(st.booleans()),
        peers_cut=draw(st.integers(0, 63)),
        token_ids=(),
    )
    return turn, tuple(steps)


def generate(store: Store, steps: Sequence[str], first: int = 0) -> tuple[list[tuple[str, int]], Mapping[str, Usage]]:
    """A generation for each step, and what they come to by part."""
    numbers, usage = [], {}
    for place, step in enumerate(steps, start=first):
        key = Key(place.to_bytes(32, "big"), "engine", b"r", b"p", None)
        spent = Usage(100 + place, place, 1 + place)
        said = tuple(range(place))
        found = Generation(
            key, "toy", spent.prompt_tokens, spent.cached_tokens, spent.completion_tokens, said, "stop", 2, {}, 0.5
        )
        numbers.append((step, store.add_generation(found)))
        usage[PART_OF_STEP[step]] = usage.get(PART_OF_STEP[step], Usage()) + spent
    return numbers, usage


@given(records(), TEXT, TEXT)
def test_a_turn_comes_back_as_it_went_in(record: tuple[Turn, tuple[str, ...]], shared: str, own: str) -> None:
    turn, steps = record
    with created(numbered(3)) as store:
        numbers, usage = generate(store, steps)
        last = max(place for place, step in enumerate(steps) if step == "statement")
        whole = replace(turn, usage=usage, token_ids=tuple(range(last)))
        store.add_turn(TurnRecord(1, 2, whole, "toy", shared, own, tuple(numbers), reused=False))
        store.commit()
        assert store.turns(1) == [(2, whole)]
        texts = "SELECT shared.text, own.text FROM turns JOIN texts AS shared ON shared.id = prompt_shared"
        assert next(store.query(f"{texts} JOIN texts AS own ON own.id = prompt_own")) == (shared, own)
        counts = store.counts()
        assert (counts.turns, counts.reused_turns, counts.ballots) == (1, 0, 1 + (turn.ballot_before is not None))


def add(store: Store, debate: int, number: int, turn: Turn, first: int, *, reused: bool = False) -> None:
    steps, _ = generate(store, ("statement", "ballot"), first)
    store.add_turn(TurnRecord(debate, number, turn, "toy", "shared", f"own {turn.seat}", tuple(steps), reused))


def test_turns_come_in_the_order_in_which_they_are_shown() -> None:
    with created(numbered(2)) as store:
        places = [(2, "Bob", 2), (1, "Cyd", 3), (2, "Ada", 1), (1, "Ada", 1), (1, "Bob", 2)]
        for i, (number, seat, position) in enumerate(places):
            add(store, 1, number, make_turn(seat, "A", position=position), 2 * i)
        assert [(number, turn.seat) for number, turn in store.turns(1)] == [
            *((1, "Ada"), (1, "Bob"), (1, "Cyd")),
            *((2, "Ada"), (2, "Bob")),
        ]
        assert store.turns(2) == []


def test_each_text_is_kept_once() -> None:
    with created(numbered(2, 2)) as store:
        for i, debate in enumerate((1, 4)):
            add(store, debate, 1, make_turn("Ada", "A", statement="shared", reasoning="own Ada"), 2 * i)
        store.commit()
        assert sorted(row[0] for row in store.query("SELECT text FROM texts")) == ["own Ada", "shared"]


def test_what_was_not_committed_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with created(numbered(2), path) as store:
        add(store, 1, 1, make_turn("Ada", "A"), 0)
        store.commit()
        add(store, 1, 1, make_turn("Bob", "A"), 2)
        assert len(store.turns(1)) == 2
    with Store.open(path, write=False) as store:
        assert [turn.seat for _, turn in store.turns(1)] == ["Ada"]
        assert store.counts().turns == 1


def test_turns_that_cost_nothing_are_counted_apart() -> None:
    with created(numbered(2)) as store:
        add(store, 1, 1, make_turn("Ada", "A"), 0)
        add(store, 1, 1, make_turn("Bob", "A"), 2, reused=True)
        assert (store.counts().turns, store.counts().reused_turns) == (2, 1)


# ── sessions ────────────────────────────────────────────────────────────────────────────────────────────────


def test_sessions_come_back_in_their_order(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with created(numbered(2), path) as store:
        store.update_session({"engine": "x"}, {"total": 1.5}, {"toy": 2}, ended=True)
        store.commit()
    with Store.open(path, write=True) as store:
        assert store.begin_session({"second": True}) == 2
    with Store.open(path, write=False) as store:
        first, second = store.sessions()
    assert (first["facts"], first["seconds"], first["activations"]) == ({"engine": "x"}, {"total": 1.5}, {"toy": 2})
    assert first["ended"] >= first["started"]
    assert (second["id"], second["facts"], second["ended"]) == (2, {"second": True}, None)
    assert first["uuid"] != second["uuid"]
