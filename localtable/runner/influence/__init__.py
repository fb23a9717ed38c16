"""Influence, measured behind the debates: what would a seat have voted, had it not read this peer?

docs/influence.md says what is asked, and what that means.
"""

from localtable.runner.influence.cost import Cost, Forecast, cost_so_far, forecast
from localtable.runner.influence.measuring import Measuring, Wanted, open_measuring
from localtable.runner.influence.selection import MeasuredTurn

__all__ = [
    "Cost",
    "Forecast",
    "MeasuredTurn",
    "Measuring",
    "Wanted",
    "cost_so_far",
    "forecast",
    "open_measuring",
]
