"""Decision rules on published elections, and on small ones that are reckoned by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from ballot_profiles import profile, ranked, voted, winners

from localtable.analysis.rules import Outcome, Profile, parse_rule


def decide(rule: str, given: Profile) -> Outcome:
    return parse_rule(rule).decide(given)


def margin(rule: str, given: Profile) -> float:
    return float(decide(rule, given).margin[0])


# ── published ───────────────────────────────────────────────────────────────────────────────────────────────

TENNESSEE = ranked("MNCK", {"M>N>C>K": 42, "N>C>K>M": 26, "C>K>N>M": 15, "K>C>N>M": 17})
"""Where the capital should be: Memphis, Nashville, Chattanooga, Knoxville (the standard example of the literature)."""


@pytest.mark.parametrize(
    ("rule", "winner", "lead"),
    [
        ("plurality", "M", (42 - 26) / 100),
        ("majority", "", math.nan),
        ("borda", "N", (194 - 173) / 300),
        ("instant_runoff", "K", (58 - 42) / 100),
        ("condorcet", "N", (58 - 42) / 100),
    ],
)
def test_the_capital_of_tennessee(rule: str, winner: str, lead: float) -> None:
    outcome = decide(rule, TENNESSEE)
    assert winners(outcome, "MNCK") == winner
    assert outcome.margin[0] == pytest.approx(lead, abs=1e-12, nan_ok=True)


def test_condorcet_s_paradox_has_no_winner_and_ties_all_the_rest() -> None:
    """Condorcet 1785: each option is above another one on two of three ballots."""
    cycle = ranked("ABC", {"A>B>C": 1, "B>C>A": 1, "C>A>B": 1})
    assert winners(decide("condorcet", cycle), "ABC") == ""
    for rule in ("plurality", "borda", "instant_runoff", "linear_pool", "log_pool"):
        assert winners(decide(rule, cycle), "ABC") == "ABC"
        assert margin(rule, cycle) == 0


def test_borda_s_own_example_of_1781() -> None:
    """Of 21 voters 8 put A first and 13 put A last; Black 1958, The Theory of Committees and Elections."""
    borda = ranked("ABC", {"A>B>C": 1, "A>C>B": 7, "B>C>A": 7, "C>B>A": 6})
    assert winners(decide("plurality", borda), "ABC") == "A"
    assert winners(decide("borda", borda), "ABC") == "C"
    assert margin("borda", borda) == pytest.approx((26 - 21) / 42)
    assert winners(decide("condorcet", borda), "ABC") == "C"


def test_condorcet_s_example_against_borda() -> None:
    """81 voters: A is above B by one vote, and B has more points (Young 1988, APSR 82:1231)."""
    given = {"A>B>C": 30, "A>C>B": 1, "B>A>C": 29, "B>C>A": 10, "C>A>B": 10, "C>B>A": 1}
    against = ranked("ABC", given)
    assert winners(decide("condorcet", against), "ABC") == "A"
    assert margin("condorcet", against) == pytest.approx(1 / 81)
    assert winners(decide("borda", against), "ABC") == "B"
    assert margin("borda", against) == pytest.approx((109 - 101) / 162)


def test_the_mayor_of_burlington_2009_with_ballots_that_rank_not_everybody() -> None:
    """Montroll was above each other one, Kiss was elected, Wright had the most first places (Ornstein and Norman 2014,
    Public Choice 161:1).
    """
    given = {"M>K>W": 1332, "M>W>K": 767, "M": 455, "K>M>W": 2043, "K>W>M": 371, "K": 568}
    burlington = ranked("MKW", {**given, "W>M>K": 1513, "W>K>M": 495, "W": 1289})
    assert winners(decide("plurality", burlington), "MKW") == "W"
    assert winners(decide("instant_runoff", burlington), "MKW") == "K"
    # Where an election drops a ballot that ranks neither of the last two, it is shared here: the lead is the same.
    assert margin("instant_runoff", burlington) == pytest.approx(((2982 + 1332) - (3297 + 767)) / 8833)
    assert winners(decide("condorcet", burlington), "MKW") == "M"
    assert margin("condorcet", burlington) == pytest.approx((4067 - 3477) / 8833)


# ── thresholds ──────────────────────────────────────────────────────────────────────────────────────────────


def test_half_of_the_votes_is_no_majority() -> None:
    assert winners(decide("majority", voted(3, 0, 0, 1, 2)), "ABC") == ""
    assert winners(decide("majority", voted(3, 0, 0, 0, 1, 2)), "ABC") == "A"


@pytest.mark.parametrize(("share", "winner"), [("0.667", "A"), ("0.6667", "A"), ("0.67", ""), ("1", "")])
def test_a_supermajority_s_share_is_read_as_a_panel_s_own(share: str, winner: str) -> None:
    assert winners(decide(f"supermajority:share={share}", voted(2, 0, 0, 1)), "AB") == winner


def test_a_supermajority_needs_two_thirds_by_default() -> None:
    assert winners(decide("supermajority", voted(2, 0, 0, 1)), "AB") == "A"
    assert winners(decide("supermajority", voted(2, 0, 0, 0, 1, 1)), "AB") == ""


def test_unanimity_is_all_or_nothing() -> None:
    assert winners(decide("unanimity", voted(2, 1, 1)), "AB") == "B"
    assert margin("unanimity", voted(2, 1, 1)) == 1
    outcome = decide("unanimity", voted(2, 1, 0))
    assert winners(outcome, "AB") == ""
    assert np.isnan(outcome.margin[0])


# ── ties ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_shared_first_places_share_the_victory_whatever_their_letters() -> None:
    outcome = decide("plurality", voted(4, 3, 1, 3, 1, 0))
    assert outcome.weights.tolist() == [[0, 0.5, 0, 0.5]]
    assert outcome.margin.tolist() == [0]


def test_options_that_a_ballot_ranks_equally_share_borda_s_points_of_their_places() -> None:
    # 3, then 1.5 and 1.5 in place of 2 and 1, then 0: against 0, 2, 1, 3.
    given = ranked("ABCD", {"A>B=C>D": 1, "D>B>C>A": 1})
    outcome = decide("borda", given)
    assert winners(outcome, "ABCD") == "B"
    assert outcome.margin[0] == pytest.approx((3.5 - 3) / 6)


def test_options_with_the_fewest_first_places_are_struck_out_together() -> None:
    # One by one C or D would go first, and who goes would decide.
    given = ranked("ABCD", {"A>B>C>D": 3, "B>A>C>D": 2, "C>B>A>D": 1, "D>B>A>C": 1})
    assert winners(decide("instant_runoff", given), "ABCD") == "B"
    assert margin("instant_runoff", given) == pytest.approx((4 - 3) / 7)


def test_a_shared_first_place_gives_each_option_its_part_in_a_run_off() -> None:
    # First places: A 1.5, B 1.5, C 2; A and B go together.
    given = ranked("ABC", {"A>B>C": 1, "B>A>C": 1, "A=B>C": 1, "C>A>B": 2})
    assert winners(decide("instant_runoff", given), "ABC") == "C"


def test_ballots_that_rank_nothing_above_anything_decide_nothing() -> None:
    even = profile([[0.25] * 4, [0.25] * 4])
    assert winners(decide("condorcet", even), "ABCD") == ""
    for rule in ("borda", "instant_runoff", "approval", "cumulative", "linear_pool", "log_pool"):
        assert winners(decide(rule, even), "ABCD") == "ABCD"


def test_what_rounding_alone_tells_apart_is_ranked_equally() -> None:
    rounded = profile([[0.1 + 0.2, 0.3, 0.4]])  # 0.30000000000000004
    assert winners(decide("condorcet", rounded), "ABC") == "C"
    assert margin("borda", rounded) == pytest.approx((2 - 0.5) / 2)
    first = profile([[0.3, 0.1 + 0.2, 0.1, 0.3]])
    assert winners(decide("instant_runoff", first), "ABCD") == "ABD"


def test_tiny_probabilities_are_ranked_all_the_same() -> None:
    sure = profile([[1.0, 1e-12, 1e-10]])
    assert margin("borda", sure) == pytest.approx((2 - 1) / 2)


# ── probabilities ───────────────────────────────────────────────────────────────────────────────────────────


def test_pools_by_hand() -> None:
    given = profile([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.45, 0.4, 0.15]])
    assert winners(decide("linear_pool", given), "ABC") == "A"
    assert margin("linear_pool", given) == pytest.approx((1.25 - 1.2) / 3)
    a, b, c = (math.prod(p) ** (1 / 3) for p in ((0.6, 0.2, 0.45), (0.3, 0.5, 0.4), (0.1, 0.3, 0.15)))
    assert winners(decide("log_pool", given), "ABC") == "B"
    assert margin("log_pool", given) == pytest.approx((b - a) / (a + b + c))


def test_one_ballot_s_nothing_is_a_veto_down_to_the_floor() -> None:
    given = profile([[1.0, 0.0], [0.1, 0.9], [0.1, 0.9]])
    assert winners(decide("log_pool", given), "AB") == "A"
    assert winners(decide("log_pool:floor=0.03", given), "AB") == "B"


def test_a_sure_vote_outweighs_two_doubtful_ones() -> None:
    given = profile([[0.99, 0.005, 0.005], [0.3, 0.4, 0.3], [0.3, 0.4, 0.3]])
    assert winners(decide("plurality", given), "ABC") == "B"
    assert winners(decide("confidence_weighted", given), "ABC") == "A"
    assert margin("confidence_weighted", given) == pytest.approx((0.99 - 0.8) / 1.79)


def test_approval_counts_ballots_above_a_threshold() -> None:
    given = profile([[0.5, 0.4, 0.1], [0.1, 0.5, 0.4], [0.7, 0.2, 0.1]])
    assert winners(decide("approval", given), "ABC") == "AB"  # a third or more: A, B · B, C · A
    assert winners(decide("approval:threshold=0.45", given), "ABC") == "A"
    assert margin("approval:threshold=0.45", given) == pytest.approx(1 / 3)
    nothing = decide("approval:threshold=0.8", given)
    assert winners(nothing, "ABC") == ""
    assert np.isnan(nothing.margin[0])


def test_cumulative_points_go_by_largest_remainders() -> None:
    # 10 points: 4.6, 3.3, 2.1 → 5, 3, 2; and 1.4, 4.3, 4.3 → 1, 4, 4 and the last one to A's 0.4.
    given = profile([[0.46, 0.33, 0.21], [0.14, 0.43, 0.43]])
    outcome = decide("cumulative", given)
    assert winners(outcome, "ABC") == "AB"  # 7, 7, 6
    assert outcome.margin[0] == 0
    # One point of each: A's, and one that B and C share.
    single = decide("cumulative:points=1", given)
    assert winners(single, "ABC") == "A"
    assert single.margin[0] == pytest.approx((1 - 0.5) / 2)


def test_a_judge_decides_alone() -> None:
    given = profile([[0.1, 0.9], [0.8, 0.2], [0.7, 0.3]], seats="XYZ")
    outcome = decide("judge:seat=X", given)
    assert winners(outcome, "AB") == "B"
    assert np.isnan(outcome.margin[0])


# ── trajectory ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_change_of_mind_takes_from_the_old_option_and_gives_to_the_new_one() -> None:
    # Seat 1: A, then B: 20 − 25/2 to A, 30/2 to B. Seat 2: B, B: 20 + 20/2 to B.
    given = profile([[0.1, 0.8, 0.1], [0.1, 0.8, 0.1]], rounds=[[0, 1]])
    outcome = decide("trajectory", given)
    assert winners(outcome, "ABC") == "B"
    assert outcome.margin[0] == pytest.approx(((15 + 30) - 7.5) / (2 * 30))


def test_a_trajectory_can_keep_what_the_last_round_has_lost() -> None:
    # All held A for two rounds, then two of three gave in.
    given = profile([[0.1, 0.9], [0.1, 0.9], [0.9, 0.1]], rounds=[[0, 0, 0], [0, 0, 0]])
    assert winners(decide("plurality", given), "AB") == "B"
    assert winners(decide("trajectory", given), "AB") == "A"
    assert winners(decide("trajectory:leave=100,adopt=200", given), "AB") == "B"


def test_one_round_s_trajectory_is_plurality() -> None:
    given = voted(3, 0, 0, 2)
    assert decide("trajectory", given).weights.tolist() == decide("plurality", given).weights.tolist()
    assert margin("trajectory", given) == pytest.approx((40 - 20) / 60)


def test_an_option_that_nobody_voted_for_wins_no_trajectory() -> None:
    # With a heavy price for leaving, both options that were voted for fall below 0.
    given = profile([[0.1, 0.8, 0.1], [0.8, 0.1, 0.1]], rounds=[[0, 1]])
    assert winners(decide("trajectory:initial=0,leave=100,adopt=0", given), "ABC") == "AB"
