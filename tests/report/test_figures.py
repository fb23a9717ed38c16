"""Figures as text: each unit that a metric can have is written somehow."""

from __future__ import annotations

from typing import get_args

import pytest

from localtable.analysis.metrics.metric import Unit
from localtable.report.analysis.figures import NOTHING, number


@pytest.mark.parametrize("unit", get_args(Unit))
def test_every_unit_can_be_written(unit: str) -> None:
    assert number(None, unit) == NOTHING
    for value in (0.0, 0.25, 12.5, 123456.0):
        assert any(map(str.isdigit, number(value, unit)))
