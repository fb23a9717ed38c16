"""Decision rules over stored ballots, with no new inference: every rule from one run."""

from localtable.analysis.rules.choice import choose_rule, every_rule, parse_rule
from localtable.analysis.rules.profile import Outcome, Profile, Selection, select
from localtable.analysis.rules.registry import RULES
from localtable.analysis.rules.rule import ChosenRule, Rule
from localtable.analysis.rules.tally import (
    Estimate,
    Interval,
    RuleResult,
    RuleScores,
    Scored,
    Tally,
    score_rules,
    tally,
)

__all__ = [
    "RULES",
    "ChosenRule",
    "Estimate",
    "Interval",
    "Outcome",
    "Profile",
    "Rule",
    "RuleResult",
    "RuleScores",
    "Scored",
    "Selection",
    "Tally",
    "choose_rule",
    "every_rule",
    "parse_rule",
    "score_rules",
    "select",
    "tally",
]
