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
"""Seconds of watching that the expected shares of the three are worth."""


class StepTimes:
    """Samples of one engine's steps, kept as the sums that a fit needs."""

    def __init__(self) -> None:
        self.seconds = 0.0
        """Of all steps that were seen, those left out that are no sample yet."""
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

    @property
    def decode_steps(self) -> int:
        """Steps in which at least one row went on."""
        return round(self._sums[0])

    @property
    def decode_rows(self) -> int:
        """Rows that went on, over all steps."""
        return round(self._sums[1])

    @property
    def prompt_tokens(self) -> int:
        """Tokens of prompts that were computed."""
        return round(self._sums[2])

    def fit(self, expected: Speed) -> Speed | None:
        """The speed that the samples speak for.

        Weighted least squares, none of the three below zero. A sample's variance is taken to grow with its seconds, so
        that a long one counts for as much as the short ones that it could have been. What share of the time each of
        the three was expected to take is worth `PRIOR_S` seconds of samples: where these don't tell two of them apart
        (an engine that always had as many rows), that decides, and the samples say how much slower or faster all is.

        Args:
            expected: What is reckoned with before anything was seen.

        Returns:
            None where nothing was seen.
        """
        # Imported late: they take a quarter of a second, and only the end of a run needs them.
        import numpy as np
        from scipy.optimize import nnls

        before = np.array([expected.step_s, expected.row_s, expected.prefill_s])
        sums = np.array(self._sums)
        reckoned = float(sums @ before)
        if reckoned <= 0:
            return None
        overall = self.seconds / reckoned
        seen = sums > 0
        # By the normal equations of Σ (t − x·s)² / t + PRIOR_S × Σ (s − expected)², s being shares of all seconds.
        per_share = self.seconds / sums[seen]
        products = np.array(self._products)[np.ix_(seen, seen)]
        left = products * np.outer(per_share, per_share) + PRIOR_S * np.eye(len(per_share))
        right = np.full(len(per_share), self.seconds) + PRIOR_S * overall * before[seen] / per_share
        root = np.linalg.cholesky(left)
        shares, _ = nnls(root.T, np.linalg.solve(root, right))
        # What was never seen is as much slower as all the rest.
        fitted = before * overall
        # Divided by their own seconds, samples that were slow by chance count for less than those that were fast: what
        # all took together is what it is to come to.
        fitted[seen] = shares * per_share / shares.sum()
        step_s, row_s, prefill_s = fitted.tolist()
        return Speed(step_s, row_s, prefill_s)
