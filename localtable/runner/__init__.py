"""Holds debates: turns become requests, completions become turns, rounds close, verdicts fall."""

from localtable.runner.inputs import find_weights
from localtable.runner.session import RunOptions
from localtable.runner.single import hold_debate
from localtable.runner.suite import SuiteOptions, begin_suite, open_suite
from localtable.runner.sweeps import begin_sweep, plan_sweep, refuse_large
from localtable.runner.transcripts import finished_transcripts, numbered_transcripts

__all__ = [
    "RunOptions",
    "SuiteOptions",
    "begin_suite",
    "begin_sweep",
    "find_weights",
    "finished_transcripts",
    "hold_debate",
    "numbered_transcripts",
    "open_suite",
    "plan_sweep",
    "refuse_large",
]
