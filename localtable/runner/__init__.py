"""Holds debates: turns become requests, completions become turns, rounds close, verdicts fall."""

from localtable.runner.session import RunOptions, Session, find_weights, hold_debate, open_session

__all__ = ["RunOptions", "Session", "find_weights", "hold_debate", "open_session"]
