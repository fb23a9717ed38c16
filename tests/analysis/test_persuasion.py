"""Measured influences as a matrix, and claims held against them."""

from __future__ import annotations

import random

import pytest

from localtable.analysis.influence import Measurement, claims, pairs

NAMES = ("Ada", "Bob", "Cy")


def measured(question: int, seat: str, peer: str, value: float, **changes: object) -> Measurement:
    fields = {"turn": question * 10 + NAMES.index(seat), "kind": "direct", "persuaded_by": None, **changes}
    return Measurement(question=question, seat=seat, model="m", peer=peer, peer_model="m", value=value, **fields)  # type: ignore[arg-type]


def test_a_matrix_has_the_pairs_that_there_are_in_the_panel_s_order() -> None:
    rows = [measured(1, "Cy", "Ada", 0.1), measured(1, "Ada", "Cy", 0.2), measured(2, "Ada", "Bob", 0.3)]
    found = pairs(rows, "direct", "seat", NAMES)
    assert [(pair.peer, pair.reader, pair.turns, pair.mean.value) for pair in found] == [
        ("Ada", "Cy", 1, pytest.approx(0.1)),
        ("Bob", "Ada", 1, pytest.approx(0.3)),
        ("Cy", "Ada", 1, pytest.approx(0.2)),
    ]
    (whole,) = pairs(rows, "direct", "model", ["m"])
    assert (whole.turns, whole.mean.n) == (3, 2), "turns in all, and their questions"
    assert whole.mean.value == pytest.approx(0.2)
    assert pairs(rows, "total", "seat", NAMES) == []


def test_a_steady_influence_is_told_from_one_that_comes_and_goes() -> None:
    rng = random.Random(1)
    rows = [measured(q, "Ada", "Bob", 0.2 + rng.uniform(-0.1, 0.1)) for q in range(30)]
    rows += [measured(q, "Ada", "Cy", rng.uniform(-0.3, 0.3)) for q in range(30)]
    bob, cy = pairs(rows, "direct", "seat", NAMES)
    assert bob.test.p is not None
    assert bob.test.p <= 0.001
    assert bob.mean.low is not None
    assert bob.mean.low > 0.1
    assert cy.test.p is not None
    assert cy.test.p > 0.05
    assert cy.p_adjusted is not None
    assert cy.p_adjusted >= cy.test.p


def test_turns_of_one_question_are_one_observation() -> None:
    rows = [measured(q, "Ada", "Bob", 0.3, turn=q * 100 + repeat) for q in range(4) for repeat in range(50)]
    (pair,) = pairs(rows, "direct", "seat", NAMES)
    assert pair.turns == 200
    assert pair.test.p == pytest.approx(2 / 16), "of the 16 signs of four questions"


@pytest.mark.parametrize(
    ("named", "values", "agreeing"),
    [
        ("Bob", {"Bob": 0.3, "Cy": 0.1}, 1.0),
        ("Cy", {"Bob": 0.3, "Cy": 0.1}, 0.0),
        ("Cy", {"Bob": 0.3, "Cy": 0.3}, 0.5),
        ("Bob", {"Bob": -0.1, "Cy": -0.2}, 1.0),
    ],
)
def test_a_claim_is_right_where_it_names_the_peer_of_largest_influence(
    named: str, values: dict[str, float], agreeing: float
) -> None:
    rows = [measured(1, "Ada", peer, value, persuaded_by=named) for peer, value in values.items()]
    rows.append(measured(2, "Ada", "Bob", 0.9))
    found = claims(rows, "direct")
    assert (found.n, found.agreeing, found.base_rate) == (1, agreeing, 0.5)


def test_claims_that_can_t_be_held_against_anything_are_not_counted() -> None:
    rows = [measured(1, "Ada", "Bob", 0.1, persuaded_by="Eve"), measured(2, "Ada", "Bob", 0.1)]
    assert claims(rows, "direct") == claims([], "direct")
    assert claims(rows, "direct").base_rate is None
