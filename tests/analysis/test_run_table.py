"""A store as arrays: every value in its place against the store's own rows, and what is missing masked."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from builders import CARD, make_panel, make_question, votes, write_script
from store_builders import alter, copy_store, hold_suite, mixed_store

from localtable.analysis.rules import select
from localtable.analysis.table import Ballots, ConditionTable, RunTable, load_table
from localtable.errors import StoreError
from localtable.runner.inputs import conditions_of
from localtable.store import Store
from localtable.store.reading import hold_still
from localtable.types import LETTERS, Ballot, Turn


def read(path: Path) -> RunTable:
    with Store.open(path, write=False) as store:
        hold_still(store)
        run = store.run()
        return load_table(store, conditions_of(run, str(path)))


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both ballots, ties, several conditions with seats of their own, failed debates, two and three options."""
    return mixed_store(tmp_path_factory.mktemp("mixed"))


@pytest.fixture(scope="module")
def table(mixed: Path) -> RunTable:
    return read(mixed)


# ── against the store's own rows ────────────────────────────────────────────────────────────────────────────


def same_ballot(found: Ballots, at: tuple[int, int, int], ballot: Ballot | None, seats: Sequence[str]) -> None:
    if ballot is None:
        assert found.vote[at] == -1
        assert np.isnan(found.distribution[at]).all()
        assert np.isnan(found.confidence[at])
        return
    assert ballot.distribution is not None
    assert LETTERS[found.vote[at]] == ballot.vote
    given = list(ballot.distribution.values())
    assert found.distribution[at].tolist() == given + [0.0] * (found.distribution.shape[3] - len(given))
    assert found.confidence[at] == ballot.confidence
    assert found.tied[at] == bool(ballot.tied)
    named = -1 if ballot.persuaded_by is None else list(seats).index(ballot.persuaded_by)
    assert found.persuaded_by[at] == named


def same_turn(condition: ConditionTable, at: tuple[int, int, int], turn: Turn) -> None:
    found, seats = condition.turns, [seat.name for seat in condition.seats]
    assert found.present[at]
    assert found.position[at] == turn.position
    assert found.stated[at] == (-1 if turn.stated is None else LETTERS.index(turn.stated))
    assert found.changed_mind[at] == turn.changed_mind
    assert found.truncated[at] == turn.truncated
    assert found.empty[at] == (turn.statement == "")
    assert found.names_letter[at] == turn.names_letter
    assert found.peers_cut[at] == turn.peers_cut
    assert turn.usage is not None
    for name in ("prompt_tokens", "cached_tokens", "completion_tokens"):
        assert getattr(found, name)[at] == sum(getattr(usage, name) for usage in turn.usage.values())
    same_ballot(condition.ballots, at, turn.ballot, seats)
    if turn.ballot_before is not None:
        assert condition.before is not None
        same_ballot(condition.before, at, turn.ballot_before, seats)


def test_every_value_of_every_turn_is_in_its_place(mixed: Path, table: RunTable) -> None:
    with Store.open(mixed, write=False) as store:
        names = {number: name for number, (name, _) in store.conditions().items()}
        questions = list(store.questions())
        assert table.questions == tuple(question.id for question in questions)
        assert table.max_options == 3
        assert table.uuid == store.run().uuid
        for number, condition in enumerate(table.conditions, start=1):
            assert condition.name == names[number]
            debates = [debate for debate in store.all_debates() if debate.condition == number]
            assert len(condition.question) == len(debates)
            for row, debate in enumerate(debates):
                question = questions[debate.question - 1]
                assert questions[condition.question[row]] == question
                assert condition.repeat[row] == debate.repeat
                assert condition.num_options[row] == len(question.options)
                assert condition.answer[row] == (-1 if question.answer is None else LETTERS.index(question.answer))
                assert condition.tags[row] == question.tags
                assert condition.finished[row] == (debate.state == "finished")
                assert condition.failed[row] == (debate.state == "failed")
                assert condition.rounds_held[row] == (debate.verdict.rounds if debate.verdict else 0)
                turns = store.turns(debate.id)
                assert condition.turns.present[row].sum() == len(turns)
                for held, turn in turns:
                    seat = [seat.name for seat in condition.seats].index(turn.seat)
                    same_turn(condition, (row, held - 1, seat), turn)


def test_a_control_has_its_own_seats_and_rounds(table: RunTable) -> None:
    shapes = {condition.name: condition.ballots.vote.shape[1:] for condition in table.conditions}
    assert shapes["debate"] == (2, 3)
    assert shapes["self-consistency:small"] == (1, 6)
    samples = next(c for c in table.conditions if c.name == "self-consistency:large")
    assert {seat.model for seat in samples.seats} == {"large"}
    assert [seat.name for seat in samples.seats][3:] == ["Ada 2", "Bob 2", "Cy 2"]
    assert samples.max_rounds == 1


def test_what_a_failed_debate_lacks_has_no_turn_and_no_ballot(table: RunTable) -> None:
    debate = table.conditions[0]
    failed = np.flatnonzero(debate.failed)
    assert failed.size == 2
    lacking = ~debate.turns.present[failed]
    assert lacking.any()
    assert (debate.ballots.vote[failed][lacking] == -1).all()
    assert (debate.turns.stated[failed][lacking] == -1).all()
    assert (debate.turns.completion_tokens[failed][lacking] == 0).all()


def test_questions_without_a_partner_are_counted_by_their_condition(table: RunTable) -> None:
    left_out = {condition.name: condition.left_out for condition in table.conditions}
    assert left_out == {name: 2 if name == "noise-peers" else 0 for name in left_out}


# ── what did not take place ─────────────────────────────────────────────────────────────────────────────────


def test_rounds_after_an_early_stop_are_no_rounds(tmp_path: Path) -> None:
    panel = make_panel(tmp_path, "Ada", "Bob", rounds=3, stop={"when": "unanimous"})
    questions = [make_question(id=name, question=f"{name}?") for name in ("agreed", "open")]
    agreed = [{**turn, "question": "agreed"} for turn in (*votes("Ada", "A", "B"), *votes("Bob", "B", "B"))]
    apart = [{**turn, "question": "open"} for turn in (*votes("Ada", *"AAA"), *votes("Bob", *"BBB"))]
    path = hold_suite(tmp_path / "run.db", panel, questions, write_script(tmp_path, *agreed, *apart))
    debate = read(path).conditions[0]
    assert debate.rounds_held.tolist() == [2, 3]
    assert debate.ballots.vote.tolist() == [[[0, 1], [1, 1], [-1, -1]], [[0, 1], [0, 1], [0, 1]]]
    last = select(debate, None)
    assert last.profile.votes.tolist() == [[1, 1], [0, 1]]
    assert last.profile.trajectory[0].tolist() == [[0, 1], [1, 1], [-1, -1]]
    third = select(debate, 3)
    assert third.profile.votes.tolist() == [[0, 1]]
    assert third.left_out["round_not_held"] == 1
    first = select(debate, 1)
    assert first.profile.trajectory.tolist() == [[[0, 1], [-1, -1], [-1, -1]]] * 2


def test_a_run_that_was_broken_off_has_what_it_has(tmp_path: Path) -> None:
    panel = make_panel(tmp_path, "Ada", "Bob", engine={"max_num_seqs": "2"})
    questions = [make_question(id=f"q{i}", question=f"Question {i}?") for i in range(30)]
    debate = read(hold_suite(tmp_path / "run.db", panel, questions, stop_after=17)).conditions[0]
    assert 0 < debate.finished.sum() < 30
    assert 17 <= debate.turns.present.sum() < 120
    assert not debate.failed.any()
    chosen = select(debate, None)
    assert len(chosen.profile.votes) == debate.finished.sum()
    assert chosen.left_out["open"] == 30 - debate.finished.sum()


def test_a_run_that_has_not_begun_has_debates_and_no_rounds(tmp_path: Path) -> None:
    path = hold_suite(tmp_path / "run.db", make_panel(tmp_path, "Ada", "Bob"), [make_question()], stop_after=0)
    debate = read(path).conditions[0]
    assert debate.ballots.distribution.shape == (1, 0, 2, 2)
    assert debate.num_rounds == 0
    assert debate.max_rounds == 2
    assert select(debate, None).profile.votes.shape == (0, 2)


@pytest.mark.parametrize("at", ["after", "before", "both"])
def test_ballots_before_the_statement_stand_apart(tmp_path: Path, at: str) -> None:
    panel = make_panel(tmp_path, "Ada", "Bob", ballot={"at": at})
    debate = read(hold_suite(tmp_path / "run.db", panel, [make_question()])).conditions[0]
    assert (debate.ballots.vote >= 0).all()
    assert (debate.before is None) == (at == "after")
    if debate.before is not None:
        assert (debate.before.vote >= 0).all()
        assert np.array_equal(debate.before.distribution, debate.ballots.distribution) == (at == "before")


def test_one_seat_sits_alone(tmp_path: Path) -> None:
    debate = read(hold_suite(tmp_path / "run.db", make_panel(tmp_path, "Ada"), [make_question()])).conditions[0]
    assert debate.ballots.vote.shape == (1, 2, 1)
    assert debate.seats[0].model == CARD["id"]


# ── stores that somebody has altered ────────────────────────────────────────────────────────────────────────


@pytest.fixture
def small(tmp_path: Path) -> Callable[..., Path]:
    path = hold_suite(tmp_path / "run.db", make_panel(tmp_path, "Ada", "Bob"), [make_question("Yes", "No", "Maybe")])

    def altered(*statements: str) -> Path:
        copy = copy_store(path, tmp_path / "altered.db")
        alter(copy, *statements)
        return copy

    return altered


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE turns SET seat = 'Eve' WHERE seat = 'Ada'", "'Eve', who has no seat"),
        ("UPDATE ballots SET persuaded_by = 'Eve'", "'Eve', who has no seat"),
        ("UPDATE ballots SET vote = 'D'", "no option of its question"),
        ('UPDATE ballots SET distribution = \'{"A": 0.5, "B": 0.5}\'', "other options than its question"),
        ('UPDATE ballots SET distribution = \'{"A": 0.5, "B": 0.5, "C": 0.5}\'', "does not sum to 1"),
        ('UPDATE ballots SET distribution = \'{"A": 1.5, "B": 0.5, "C": -1}\'', "does not sum to 1"),
    ],
)
def test_a_store_that_contradicts_itself_is_told(small: Callable[..., Path], statement: str, said: str) -> None:
    path = small(statement)
    with pytest.raises(StoreError) as caught:
        read(path)
    assert said in caught.value.message
    assert f"localtable verify {path}" in caught.value.hint


def test_letters_in_another_order_name_the_same_options(small: Callable[..., Path]) -> None:
    written = json.dumps({"C": 0.5, "A": 0.2, "B": 0.3})
    debate = read(small(f"UPDATE ballots SET vote = 'C', distribution = '{written}'")).conditions[0]
    assert (debate.ballots.distribution == [0.2, 0.3, 0.5]).all()


def test_a_ballot_without_a_distribution_keeps_its_vote(small: Callable[..., Path]) -> None:
    path = small("UPDATE ballots SET distribution = 'null' WHERE turn = 1")
    debate = read(path).conditions[0]
    missing = np.isnan(debate.ballots.confidence)
    assert missing.sum() == 1
    assert (debate.ballots.vote >= 0).all()
    assert np.isnan(debate.ballots.distribution[missing]).all()


def test_a_finished_debate_that_lacks_a_ballot_is_counted_and_not_tallied(small: Callable[..., Path]) -> None:
    debate = read(small("DELETE FROM ballots WHERE turn = 1")).conditions[0]
    chosen = select(debate, None)
    assert len(chosen.profile.votes) == 0
    assert chosen.left_out["incomplete"] == 1
