"""How fast an engine really is, learned from its own steps.

A step with n rows takes `step_s + n × row_s`, each prompt token `prefill_s` (`simulate/instance.py`). One figure of
tokens a second can't tell the three apart: ten rows cost nearly what four do, and a ballot is all prompt. So they are
fitted to samples of steps.
"""

from __future__ import annotations

from collections.abc import Iterable

from localtable.engines.step_meter import StepSample
from localtable.scheduler.simulate.instance import Speed

PRIOR_S = 0.5
"""Seconds of watching that the expected ratios of the three are worth."""


class StepTimes:
    """Samples of one engine's steps, kept as the sums that a fit needs."""

    def __init__(self) -> None:
        self.seconds = 0.0
        """That were watched."""
        self._sums = [0.0] * 3
        """Of decode steps, rows in them, prompt tokens."""
        self._products = [[0.0] * 3 for _ in range(3)]
        """The same by pairs, each over its sample's seconds."""

    def add(self, samples: Iterable[StepSample]) -> None:
        """Take further samples."""
        for sample in samples:
            done = (sample.decode_steps, sample.decode_rows, sample.prompt_tokens)
            self.seconds += sample.seconds
            for i, one in enumerate(done):
                self._sums[i] += one
                for j, other in enumerate(done):
                    self._products[i][j] += one * other / sample.seconds

    def fit(self, expected: Speed) -> Speed | None:
        """The speed that the samples speak for.

        Weighted least squares, none of the three below zero. A sample's variance is taken to grow with its seconds, so
        that a long one counts for as much as the short ones that it could have been. The ratios that were expected are
        worth `PRIOR_S` seconds: where samples don't tell two of the three apart (an engine that always had as many
        rows), those decide, and the samples say how much slower or faster all is.

        Args:
            expected: What was reckoned with so far.

        Returns:
            None where nothing was seen.
        """
        # Imported late: they take a quarter of a second, and only the end of a run needs them.
        import numpy as np
        from scipy.optimize import nnls

        scale, sums = np.array([expected.step_s, expected.row_s, expected.prefill_s]), np.array(self._sums)
        reckoned = float(sums @ scale)
        if reckoned <= 0:
            return None
        # In multiples of what was expected: Σ (t − x·m)² / t + PRIOR_S × Σ (m − all)², by its normal equations.
        overall = self.seconds / reckoned
        left = np.array(self._products) * np.outer(scale, scale) + PRIOR_S * np.eye(3)
        right = sums * scale + PRIOR_S * overall
        root = np.linalg.cholesky(left)
        multiples, _ = nnls(root.T, np.linalg.solve(root, right))
        step_s, row_s, prefill_s = (multiples * scale).tolist()
        return Speed(step_s, row_s, prefill_s)
