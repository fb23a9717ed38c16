"""The rules of a debate as pure state machines: no I/O, no clock, no model."""

from localtable.protocol.debate import Debate, build_round
from localtable.protocol.turn import Draft, Step, Text, Vote, next_step

__all__ = ["Debate", "Draft", "Step", "Text", "Vote", "build_round", "next_step"]
