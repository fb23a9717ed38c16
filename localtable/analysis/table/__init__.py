"""A store as arrays: every turn and ballot in its place, what is missing masked and counted.

All analysis starts here: decision rules, figures and tests take these arrays and never ask the store again. A
condition's arrays are indexed [debates, rounds, seats]; every debate of the run has its row, the failed and unfinished
ones too. What did not take place has no turn there: rounds after an early stop, and what a debate still lacks.
"""

from localtable.analysis.table.arrays import Ballots, ConditionTable, Influences, Orders, RunTable, SeatColumn, Turns
from localtable.analysis.table.reader import load_table

__all__ = [
    "Ballots",
    "ConditionTable",
    "Influences",
    "Orders",
    "RunTable",
    "SeatColumn",
    "Turns",
    "load_table",
]
