"""An analysis in the order in which it should be read, validity first, what can't be shown last."""

from localtable.report.analysis.explain import print_explanation
from localtable.report.analysis.page import print_analysis, put_analysis

__all__ = ["print_analysis", "print_explanation", "put_analysis"]
