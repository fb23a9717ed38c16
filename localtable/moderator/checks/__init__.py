"""A sentence about a debate, held against its facts: names, votes, counts, directions, quotations.

docs/summary.md says which claims are checked, and which are not.
"""

from localtable.moderator.checks.check import Checked, check_sentence
from localtable.moderator.checks.ground import Ground, ground_of
from localtable.moderator.checks.problem import Problem, ProblemKind

__all__ = ["Checked", "Ground", "Problem", "ProblemKind", "check_sentence", "ground_of"]
