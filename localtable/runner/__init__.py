"""Holds debates: turns become requests, completions become turns, rounds close, verdicts fall."""

from localtable.runner.session import RunOptions, find_weights, hold_debate

__all__ = ["RunOptions", "find_weights", "hold_debate"]
