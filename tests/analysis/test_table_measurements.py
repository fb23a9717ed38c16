"""What ballots measure beside the vote, in arrays: orders, label mass, free replies; and some of a table's debates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from builders import make_panel, make_question, write_script
from store_builders import NAMED, alter, hold_suite, mixed_store

from localtable.analysis.table import ConditionTable, RunTable
from localtable.errors import StoreError
from localtable.report.stored import read_run
from localtable.store import Store
from localtable.types import LETTERS


def table_of(path: Path) -> RunTable:
    return read_run(path)[0]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two and four options, all rotations; one reply that no parser accepts."""
    folder = tmp_path_factory.mktemp("measured")
    ballot = {"at": "both", "orders": "all_rotations", "label_mass": "true", "free_reply": "true"}
    questions = [
        make_question(*("Yes", "No", "Maybe", "Never")[: 2 + 2 * (i % 2)], id=f"q{i}", question=f"{i}?")
        for i in range(4)
    ]
    script = write_script(folder, {"question": "q0", "seat": "Ada", "round": 1, "free_reply": "who knows"})
    panel = make_panel(folder, "Ada", "Bob", cards=NAMED, ballot=ballot)
    return hold_suite(folder / "run.db", panel, questions, script)


def test_every_measurement_is_in_its_place(measured: Path) -> None:
    (debate,) = table_of(measured).conditions
    assert debate.orders is not None
    rows = {at: row for row, at in enumerate(zip(*(axis.tolist() for axis in debate.orders.where), strict=True))}
    seen = 0
    with Store.open(measured, write=False) as store:
        for row, held in enumerate(store.all_debates()):
            for number, turn in store.turns(held.id):
                at = (row, number - 1, [seat.name for seat in debate.seats].index(turn.seat))
                ballot = turn.ballot
                assert debate.ballots.label_mass[at] == ballot.label_mass
                assert ballot.free_reply is not None
                assert debate.ballots.free_asked[at]
                vote = ballot.free_reply.vote
                assert debate.ballots.free_vote[at] == (-1 if vote is None else LETTERS.index(vote))
                place = rows[at]
                assert debate.orders.num_orders[place] == len(ballot.orders)
                for i, order in enumerate(ballot.orders):
                    k = len(order.order)
                    assert debate.orders.listed[place, i, :k].tolist() == [LETTERS.index(x) for x in order.order]
                    assert debate.orders.distribution[place, i, :k].tolist() == list(order.distribution.values())
                assert np.isnan(debate.orders.distribution[place, len(ballot.orders) :]).all()
                seen += 1
    assert seen == len(rows) == 16
    assert (debate.ballots.free_vote == -1).sum() >= 1
    assert debate.before is not None
    assert not debate.before.free_asked.any()


def test_a_run_that_measures_nothing_has_nothing(tmp_path: Path) -> None:
    (debate,) = table_of(hold_suite(tmp_path / "run.db", make_panel(tmp_path, "Ada"), [make_question()])).conditions
    assert debate.orders is None
    assert np.isnan(debate.ballots.label_mass).all()
    assert not debate.ballots.free_asked.any()
    assert not debate.turns.thought.any()


def test_who_thought_is_known(tmp_path: Path) -> None:
    debate = table_of(mixed_store(tmp_path)).conditions[0]
    assert debate.turns.thought[debate.turns.present].all()
    assert not debate.turns.thinking_cut.any()


def same(one: ConditionTable, other: ConditionTable, rows: np.ndarray) -> None:
    """One is those rows of the other."""
    assert one.question.tolist() == other.question[rows].tolist()
    assert one.tags == tuple(other.tags[row] for row in rows)
    assert np.array_equal(one.ballots.vote, other.ballots.vote[rows])
    assert np.array_equal(one.turns.prompt_tokens, other.turns.prompt_tokens[rows])
    assert one.before is not None
    assert other.before is not None
    assert np.array_equal(one.before.confidence, other.before.confidence[rows], equal_nan=True)


def test_some_of_the_debates_are_whole_rows(measured: Path) -> None:
    (debate,) = table_of(measured).conditions
    rows = np.array([1, 3])
    part = debate.of(rows)
    same(part, debate, rows)
    assert part.orders is not None
    assert debate.orders is not None
    mine = np.isin(debate.orders.where[0], rows)
    assert part.orders.where[0].tolist() == [[1, 3].index(row) for row in debate.orders.where[0][mine]]
    assert np.array_equal(part.orders.distribution, debate.orders.distribution[mine], equal_nan=True)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE ballot_orders SET listed = 'AA' WHERE length(listed) = 2", "an order lists other options"),
        ("UPDATE ballot_orders SET distribution = '{\"A\": 1}'", "other options than its question"),
        ('UPDATE ballot_orders SET distribution = \'{"A": 0.9, "B": 0.9}\' WHERE length(listed) = 2', "not sum to 1"),
    ],
)
def test_orders_that_contradict_their_question_are_told(
    measured: Path, tmp_path: Path, statement: str, said: str
) -> None:
    copy = tmp_path / "copy.db"
    copy.write_bytes(measured.read_bytes())
    alter(copy, statement)
    with pytest.raises(StoreError) as caught:
        table_of(copy)
    assert said in caught.value.message
