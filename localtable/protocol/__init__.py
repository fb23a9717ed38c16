"""The rules of a debate as pure state machines: no I/O, no clock, no model."""

from localtable.protocol.conditions import CONTROLS, DEBATE, Condition, View, build_conditions
from localtable.protocol.debate import Debate, build_round
from localtable.protocol.turn import Draft, Text, Vote, next_step

__all__ = [
    "CONTROLS",
    "DEBATE",
    "Condition",
    "Debate",
    "Draft",
    "Text",
    "View",
    "Vote",
    "build_conditions",
    "build_round",
    "next_step",
]
