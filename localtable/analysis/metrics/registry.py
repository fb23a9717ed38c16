"""All metrics by name, in the order in which an analysis gives them.

`localtable analyze --explain` prints them from here, and docs/analysis.md has its table from here.
"""

from __future__ import annotations

from collections.abc import Mapping

from localtable.analysis.metrics import (
    agreement,
    bias,
    calibration,
    controls,
    dynamics,
    efficiency,
    influence,
    outcome,
    pairs,
    rules,
    seats,
    social,
    speed,
    validity,
)
from localtable.analysis.metrics.metric import Metric

_MODULES = (
    validity,
    outcome,
    controls,
    dynamics,
    social,
    seats,
    influence,
    agreement,
    pairs,
    calibration,
    bias,
    rules,
    efficiency,
    speed,
)

METRICS: Mapping[str, Metric] = {metric.name: metric for module in _MODULES for metric in module.METRICS}
