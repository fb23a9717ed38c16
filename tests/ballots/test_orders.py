"""A ballot in several orders of its options."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localtable.ballots import ballot_orders, pooled
from localtable.types import LETTERS, Ballot, BallotRule, OrderedBallot, Pool


def answers(*distributions: dict[str, float]) -> list[OrderedBallot]:
    return [OrderedBallot(tuple(shares), shares) for shares in distributions]


@pytest.mark.parametrize("pool", ["arithmetic", "geometric"])
def test_where_an_answer_has_no_probabilities_the_most_votes_win(pool: Pool) -> None:
    first, second, third = answers(
        {"A": 0.4, "B": 0.3, "C": 0.3}, {"A": 0.4, "B": 0.35, "C": 0.25}, {"A": 0.0, "B": 1.0, "C": 0.0}
    )
    asked = [replace(first, source="logprobs"), replace(second, source="logprobs"), replace(third, source="structured")]
    shares = pooled(asked, BallotRule(orders=None, pool=pool))
    assert shares == pytest.approx({"A": 2 / 3, "B": 1 / 3, "C": 0.0})


def test_what_no_order_listed_is_unlisted_in_every_pool() -> None:
    asked = [replace(answer, source="logprobs") for answer in answers({"A": 0.7, "B": 0.3, "C": 0.0})] * 2
    shares = pooled(asked, BallotRule(orders=2, pool="geometric"))
    assert shares["C"] > 0
    assert Ballot("A", shares, orders=tuple(asked), source="logprobs").unlisted == ("C",)


def test_one_order_is_the_questions_own() -> None:
    assert ballot_orders("ABCD", BallotRule()) == (tuple("ABCD"),)


def test_rotations_are_evenly_spaced() -> None:
    assert ballot_orders("ABCD", BallotRule(orders=2)) == (tuple("ABCD"), tuple("CDAB"))
    assert ballot_orders("ABCDE", BallotRule(orders=2)) == (tuple("ABCDE"), tuple("CDEAB"))
    assert ballot_orders("ABC", BallotRule(orders=7)) == (tuple("ABC"), tuple("BCA"), tuple("CAB")), "no order twice"


@given(st.integers(2, 26))
def test_over_all_rotations_each_option_stands_at_each_place_once(number: int) -> None:
    orders = ballot_orders(LETTERS[:number], BallotRule(orders=None))
    places = Counter((letter, place) for order in orders for place, letter in enumerate(order))
    assert len(places) == number**2
    assert set(places.values()) == {1}


@given(st.integers(2, 26), st.integers(1, 26))
def test_of_fewer_rotations_each_option_stands_at_as_many_places(number: int, wanted: int) -> None:
    orders = ballot_orders(LETTERS[:number], BallotRule(orders=wanted))
    assert orders[0] == tuple(LETTERS[:number])
    assert len(set(orders)) == len(orders) == min(wanted, number)
    for letter in LETTERS[:number]:
        assert len({order.index(letter) for order in orders}) == len(orders)


def test_the_arithmetic_pool_is_the_mean() -> None:
    mean = pooled(answers({"A": 0.9, "B": 0.1}, {"A": 0.2, "B": 0.8}), BallotRule(orders=None))
    assert mean == pytest.approx({"A": 0.55, "B": 0.45})


def test_the_geometric_pool_is_the_normalised_product_with_a_floor() -> None:
    rule = BallotRule(orders=None, pool="geometric", floor=0.01)
    given_ = answers({"A": 0.9, "B": 0.1}, {"A": 0.4, "B": 0.6})
    a, b = math.sqrt(0.36), math.sqrt(0.06)
    assert pooled(given_, rule) == pytest.approx({"A": a / (a + b), "B": b / (a + b)})
    vetoed = pooled(answers({"A": 0.0, "B": 1.0}, {"A": 1.0, "B": 0.0}), rule)
    assert vetoed == pytest.approx({"A": 0.5, "B": 0.5}), "one zero is not the end of an option"


def test_one_answer_is_itself_whatever_the_pool() -> None:
    shares = {"A": 1.0, "B": 0.0}
    assert pooled(answers(shares), BallotRule(pool="geometric")) == shares


@given(st.lists(st.lists(st.floats(1e-6, 1), min_size=3, max_size=3), min_size=2, max_size=5), st.booleans())
def test_a_pool_is_a_distribution_and_knows_no_order_of_its_answers(rows: list[list[float]], linear: bool) -> None:
    rule = BallotRule(orders=None, pool="arithmetic" if linear else "geometric")
    made = [dict(zip("ABC", (x / sum(row) for x in row), strict=True)) for row in rows]
    once, turned = pooled(answers(*made), rule), pooled(answers(*reversed(made)), rule)
    assert math.fsum(once.values()) == pytest.approx(1)
    assert once == pytest.approx(turned)
