"""Two classifiers on the same questions, one yes or no each: what only one of them has right decides."""

from __future__ import annotations

from localtable.analysis.statistics.estimate import PValue

METHOD = "mid-p McNemar test (Fagerland, Lydersen & Laake 2013)"


def mcnemar_mid_p(only_first: int, only_second: int) -> PValue:
    """Two-sided mid-p of equal shares, for one repeat and no shared ties: rows that share a question break it.

    With n = b + c discordant pairs and m = min(b, c): 2 P(X < m) + P(X = m), X ~ Binomial(n, ½) (Fagerland, Lydersen
    & Laake 2013, BMC Med. Res. Methodol. 13:91). The exact test's size is far below its level; this one's is near it.

    Args:
        only_first: b, pairs that only the first has right.
        only_second: c, pairs that only the second has right.

    Returns:
        p, 1 where no pair is discordant; n is b + c.
    """
    from scipy.special import bdtr

    n, least = only_first + only_second, min(only_first, only_second)
    strictly = float(bdtr(least - 1, n, 0.5)) if least else 0.0
    return PValue(min(strictly + float(bdtr(least, n, 0.5)), 1.0), n, METHOD)
