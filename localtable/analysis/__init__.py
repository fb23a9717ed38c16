"""Statistics over what a store holds."""

from localtable.analysis.intervals import wilson

__all__ = ["wilson"]
