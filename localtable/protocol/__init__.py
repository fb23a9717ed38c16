"""The rules of a debate as pure state machines: no I/O, no clock, no model."""

from localtable.protocol.conditions import (
    CONTROLS,
    DEBATE,
    Condition,
    build_conditions,
    build_variants,
    cards_of,
    debate_of,
)
from localtable.protocol.confederates import panel_on, scripted_distribution, scripted_vote, statement_for
from localtable.protocol.debate import Debate, build_round, peers_read, read_under
from localtable.protocol.turn import Draft, Text, Vote, next_step, rule_for

__all__ = [
    "CONTROLS",
    "DEBATE",
    "Condition",
    "Debate",
    "Draft",
    "Text",
    "Vote",
    "build_conditions",
    "build_round",
    "build_variants",
    "cards_of",
    "debate_of",
    "next_step",
    "panel_on",
    "peers_read",
    "read_under",
    "rule_for",
    "scripted_distribution",
    "scripted_vote",
    "statement_for",
]
