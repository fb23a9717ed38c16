"""The decision rules by their names.

`localtable tally` takes rules from here, `--explain` prints them, and docs/rules.md has its table from them.
"""

from __future__ import annotations

from collections.abc import Mapping

from localtable.analysis.rules import probabilities, rankings, votes
from localtable.analysis.rules.rule import Name, Number, Rule
from localtable.analysis.rules.trajectory import trajectory

_TWO_THIRDS = 2 / 3
_FLOOR = 1e-6
_HANDBOOK = "Brandt et al. (eds.) 2016, Handbook of Computational Social Choice"

_RULES = (
    Rule(
        "plurality",
        "votes",
        votes.plurality,
        "argmax_o n_o, n_o the votes for option o of n in all",
        "(n_first − n_second) ÷ n",
        f"{_HANDBOOK}, ch. 2",
    ),
    Rule(
        "majority",
        "votes",
        votes.majority,
        "the o with n_o > n ÷ 2",
        "as of plurality, where decided",
        f"May 1952, Econometrica 20:680; {_HANDBOOK}, ch. 2",
    ),
    Rule(
        "supermajority",
        "votes",
        votes.supermajority,
        "the o with n_o ÷ n ≥ share; shares compare to within 0.0005, as a panel's own `stop`",
        "as of plurality, where decided",
        "Caplin and Nalebuff 1988, Econometrica 56:787",
        (Number("share", "the least share of the votes", _TWO_THIRDS, 0.5, 1.0, above_low=True),),
    ),
    Rule(
        "unanimity",
        "votes",
        votes.unanimity,
        "the o with n_o = n",
        "1, where decided",
        f"{_HANDBOOK}, ch. 2",
    ),
    Rule(
        "borda",
        "rankings",
        rankings.borda,
        "argmax_o Σ_ballots (options below o + ½ options level with o)",
        "lead in points ÷ n (k − 1), k options",
        "de Borda 1781; ties by mean places: Black 1976, Public Choice 28:1",
    ),
    Rule(
        "instant_runoff",
        "rankings",
        rankings.instant_runoff,
        "strike out all options with the fewest first places, again and again, unless these are all that are left; a"
        " shared first place gives each its part",
        "lead ÷ n in the last count of several options",
        f"Ware 1871; {_HANDBOOK}, ch. 2 (STV for one seat); ties at once, not by parallel universes (Conitzer et al."
        " 2009, IJCAI)",
    ),
    Rule(
        "condorcet",
        "rankings",
        rankings.condorcet,
        "the o with n(o above p) > n(p above o) for every other option p; nothing where there is none",
        "min_p (n(o above p) − n(p above o)) ÷ n",
        "Condorcet 1785",
    ),
    Rule(
        "approval",
        "distributions",
        probabilities.approval,
        "argmax_o of the ballots with p(o) ≥ threshold",
        "lead in approvals ÷ n",
        "Brams and Fishburn 1978, APSR 72:831; threshold 1 ÷ k: Weber 1995, Journal of Economic Perspectives 9:39",
        (Number("threshold", "the least probability; 1 ÷ options without one", None, 0.0, 1.0, above_low=True),),
    ),
    Rule(
        "cumulative",
        "distributions",
        probabilities.cumulative,
        "argmax_o of points, when each ballot allots them by largest remainders of points × p(o); ties share",
        "lead in points ÷ points given",
        "ten points as in MALLM@d9e66bc (Kaesberg et al. 2025, arXiv:2502.19130); largest remainders: Balinski and"
        " Young 1982, Fair Representation",
        (Number("points", "what each ballot gives out", 10, 1, 100, whole=True),),
    ),
    Rule(
        "confidence_weighted",
        "distributions",
        probabilities.confidence_weighted,
        "argmax_o Σ p_i(vote_i) over the ballots i with vote_i = o",
        "lead ÷ Σ_i p_i(vote_i)",
        "weighted voting as in ReConcile (Chen et al. 2023, arXiv:2309.13007), by probability and not by what is said",
    ),
    Rule(
        "linear_pool",
        "distributions",
        probabilities.linear_pool,
        "argmax_o Σ_i p_i(o) ÷ n",
        "lead in the mean probability",
        "Stone 1961, Annals of Mathematical Statistics 32:1339",
    ),
    Rule(
        "log_pool",
        "distributions",
        probabilities.log_pool,
        "argmax_o Π_i max(p_i(o), floor)^(1 ÷ n)",
        "lead in the pooled probability, made to sum to 1",
        "Genest and Zidek 1986, Statistical Science 1:114",
        (Number("floor", "the least probability that a ballot is read to give", _FLOOR, 0.0, 0.03, above_low=True),),
    ),
    Rule(
        "trajectory",
        "votes of all rounds",
        trajectory,
        "argmax_o of the sum over seats and rounds r of: + initial for the vote of round 1; in later ones + keep ÷ r"
        " for a vote that stays, − leave ÷ r from the old and + adopt ÷ r to the new option of one that changes",
        "lead ÷ the score of an option that all seats vote for throughout",
        "Free-MAD (Cui et al. 2025, arXiv:2509.11035), Algorithm 1; docs/rules.md says what differs",
        (
            Number("initial", "what a vote of round 1 gives", 20, 0, 1000),
            Number("leave", "what a vote that changes takes from its old option", 25, 0, 1000),
            Number("adopt", "what it gives to the new one", 30, 0, 1000),
            Number("keep", "what a vote that stays gives", 20, 0, 1000),
        ),
    ),
    Rule(
        "judge",
        "votes",
        votes.judge,
        "the vote of the named seat",
        "none: it is a single vote",
        f"dictatorship in Arrow's sense ({_HANDBOOK}, ch. 2); as in debates that one agent decides",
        (Name("seat", "whose vote decides"),),
    ),
)

RULES: Mapping[str, Rule] = {rule.name: rule for rule in _RULES}
