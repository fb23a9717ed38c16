"""Statistics over what a store holds."""

from localtable.analysis.statistics.wilson import wilson

__all__ = ["wilson"]
