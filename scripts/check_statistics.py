"""Do 95 % intervals hold in 95 % of studies, and do 5 % tests find nothing in 95 % of studies where nothing is?

    python scripts/check_statistics.py            # 4,000 simulated studies of each kind, some minutes
    python scripts/check_statistics.py --quick    # 200, some seconds
    python scripts/check_statistics.py --only ECE # intervals with that in their name

Every study is drawn from a known truth, with seats of one question alike or not, and goes through the functions that
`localtable analyze` calls. Targets, from 100 questions on: coverage averaged over p from 0.1 to 0.9 at least 93.5 %,
size at most 6.5 %; 50 questions are printed. Exit code 1 where one is missed.
"""

from __future__ import annotations

import argparse
import functools
import math
import os
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, NamedTuple

# Two processes with a thread each are faster here than one with two: set before numpy is loaded.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from localtable.analysis.statistics.agreement import chance_corrected_agreement, fleiss_kappa
from localtable.analysis.statistics.bootstrap import bootstrap
from localtable.analysis.statistics.calibration import ece, equal_width_edges
from localtable.analysis.statistics.equivalence import MARGIN, equivalence
from localtable.analysis.statistics.error_correlation import error_correlation
from localtable.analysis.statistics.estimate import Estimate
from localtable.analysis.statistics.mcnemar import mcnemar_mid_p
from localtable.analysis.statistics.multiple_tests import holm
from localtable.analysis.statistics.option_order import slot_chi_square
from localtable.analysis.statistics.selective import aurc, auroc
from localtable.analysis.statistics.sign_flip import sign_flip
from localtable.analysis.statistics.statistic import difference, mean, mean_difference, ratio
from localtable.seeds import derive

COVERAGE, SIZE = 0.935, 0.065
SEATS, OPTIONS = 6, 4
RARE = (0.01, 0.02, 0.98, 0.99)
"""Shares at which hardly any question differs from the rest."""
AT_ONCE = 500
"""Studies that share their resamples."""

Array = Any
Rng = np.random.Generator


def rates(rng: Rng, p: float, correlation: float, shape: tuple[int, ...]) -> Array:
    """Each question's own chance: a beta distribution with this mean; its seats then correlate so much."""
    spread = 1 / correlation - 1
    return rng.beta(p * spread, (1 - p) * spread, shape)


# ── intervals: studies [studies, questions, …] → one estimate a study, and the truth ─────────────────────────


class Studies(NamedTuple):
    """What was estimated in each, and the truth; None: that of a study of 100,000 questions."""

    estimates: list[Estimate]
    truth: float | None


def share_of_single_ballots(rng: Rng, studies: int, n: int, p: float, name: str) -> Studies:
    return Studies(bootstrap([mean(study) for study in rng.random((studies, n)) < p], name=name), p)


def share_of_seats(rng: Rng, studies: int, n: int, p: float, name: str, correlation: float) -> Studies:
    right: Array = rng.binomial(SEATS, rates(rng, p, correlation, (studies, n)))
    return Studies(bootstrap([ratio(study, np.full(n, SEATS)) for study in right], name=name), p)


def share_of_the_wrong(rng: Rng, studies: int, n: int, p: float, name: str, wrong: float = 0.4) -> Studies:
    """A correction rate: seats that are right in the end, of those that were wrong, whose number varies."""
    at_first: Array = rng.binomial(SEATS, rates(rng, wrong, 0.3, (studies, n)))
    corrected: Array = rng.binomial(at_first, rates(rng, p, 0.3, (studies, n)))
    return Studies(bootstrap([ratio(*study) for study in zip(corrected, at_first, strict=True)], name=name), p)


def twins(rng: Rng, studies: int, n: int, p: float) -> tuple[Array, Array]:
    """Rates of two conditions on the same questions: alike in 70 % of them."""
    first = rates(rng, p, 0.5, (studies, n))
    return first, np.where(rng.random(first.shape) < 0.7, first, rates(rng, p, 0.5, first.shape))


def paired_difference(rng: Rng, studies: int, n: int, p: float, name: str) -> Studies:
    first, second = (np.asarray(rng.binomial(SEATS, chance) / SEATS) for chance in twins(rng, studies, n, p))
    return Studies(bootstrap([mean_difference(*study) for study in zip(first, second, strict=True)], name=name), 0.0)


def difference_of_the_wrong(rng: Rng, studies: int, n: int, p: float, name: str) -> Studies:
    """Correction rates of two conditions, whose seats were wrong in different numbers."""
    at_first: list[Array] = [rng.binomial(SEATS, rates(rng, 0.4, 0.3, (studies, n))) for _ in range(2)]
    sides = [
        [ratio(*study) for study in zip(np.asarray(rng.binomial(among, chance)), among, strict=True)]
        for among, chance in zip(at_first, twins(rng, studies, n, p), strict=True)
    ]
    return Studies(bootstrap([difference(*both) for both in zip(*sides, strict=True)], name=name), 0.0)


def votes_of(rng: Rng, studies: int, n: int, p: float) -> tuple[Array, Array]:
    """Right options, and votes [studies, questions, seats]: errors correlate in a question, and fall anywhere."""
    answers = rng.integers(0, OPTIONS, (studies, n, 1))
    right = rng.random((studies, n, SEATS)) < rates(rng, p, 0.3, (studies, n, 1))
    return answers, np.where(right, answers, (answers + rng.integers(1, OPTIONS, right.shape)) % OPTIONS)


def kappa(rng: Rng, studies: int, n: int, p: float, name: str) -> Studies:
    return Studies(bootstrap([fleiss_kappa(study) for study in votes_of(rng, studies, n, p)[1]], name=name), None)


def agreement(rng: Rng, studies: int, n: int, p: float, name: str) -> Studies:
    options = np.full(n, OPTIONS)
    votes = votes_of(rng, studies, n, p)[1]
    return Studies(bootstrap([chance_corrected_agreement(study, options) for study in votes], name=name), None)


def correlation_of_errors(rng: Rng, studies: int, n: int, p: float, name: str) -> Studies:
    answers, votes = votes_of(rng, studies, n, p)
    there = np.ones((n, SEATS), np.bool_)
    return Studies(bootstrap([error_correlation(study, there) for study in votes != answers], name=name), None)


def confident(rng: Rng, studies: int, n: int, p: float, seats: int = SEATS) -> tuple[Array, Array, Array]:
    """Confidences and whether they are right, [studies, ballots], and the ballots' questions."""
    chance = rates(rng, p, 0.3, (studies, n, 1))
    right = rng.random((studies, n, seats)) < chance
    doubt = rng.normal(0, 0.7, right.shape) + np.log(chance.clip(1e-9) / (1 - chance).clip(1e-9))
    return (1 / (1 + np.exp(-doubt))).reshape(studies, -1), right.reshape(studies, -1), np.repeat(np.arange(n), seats)


def area(rng: Rng, studies: int, n: int, p: float, name: str, of: Callable[..., Estimate]) -> Studies:
    sure, right, questions = confident(rng, studies, n, p)
    return Studies([of(s, r, questions) for s, r in zip(sure, right, strict=True)], None)


def calibration_error(rng: Rng, studies: int, n: int, p: float, name: str, seats: int = SEATS) -> Studies:
    sure, right, questions = confident(rng, studies, n, p, seats)
    edges = equal_width_edges()
    return Studies([ece(s, r, edges, questions) for s, r in zip(sure, right, strict=True)], None)


def calibration_of_panels(rng: Rng, studies: int, n: int, p: float, name: str) -> Studies:
    """The share of votes as a confidence, which has few values and is far off; shared first places are left out."""
    answers, votes = votes_of(rng, studies, n, p)
    counts = (votes[..., None] == np.arange(OPTIONS)).sum(axis=2)
    most = counts.max(axis=2)
    single = (counts == most[..., None]).sum(axis=2) == 1
    right = counts.argmax(axis=2) == answers[..., 0]
    edges = equal_width_edges()
    studied = zip(most / SEATS, right, single, strict=True)
    return Studies([ece(share[s], r[s], edges, np.flatnonzero(s)) for share, r, s in studied], None)


INTERVALS: dict[str, Callable[..., Studies]] = {
    "share, one ballot a question": share_of_single_ballots,
    "share, 6 seats, correlation 0.3": functools.partial(share_of_seats, correlation=0.3),
    "share, 6 seats, correlation 0.6": functools.partial(share_of_seats, correlation=0.6),
    "share of the wrong (40 % of seats)": share_of_the_wrong,
    "share of the wrong (15 % of seats)": functools.partial(share_of_the_wrong, wrong=0.15),
    "paired difference of accuracies": paired_difference,
    "difference of shares of the wrong": difference_of_the_wrong,
    "chance-corrected agreement": agreement,
    "Fleiss' kappa": kappa,
    "error correlation": correlation_of_errors,
    "AUROC": functools.partial(area, of=auroc),
    "AURC": functools.partial(area, of=aurc),
    "ECE, 15 bins": calibration_error,
    "ECE, one ballot a question (no target)": functools.partial(calibration_error, seats=1),
    "ECE of panels, shares of 6 votes": calibration_of_panels,
}


@functools.cache
def truth_of(kind: str, p: float) -> float:
    """A figure in 100,000 questions."""
    rng = np.random.default_rng(derive("truth", kind, str(p)))
    estimate = INTERVALS[kind](rng, 1, 100_000, p, "truth").estimates[0]
    assert estimate.value is not None
    return estimate.value


class Task(NamedTuple):
    kind: str
    n: int
    p: float
    studies: int
    truth: float | None


def covered(task: Task) -> tuple[int, int]:
    """Intervals that hold the truth, and studies that have none."""
    rng = np.random.default_rng(derive("coverage", task.kind, task.n, str(task.p)))
    holds = without = 0
    for chunk in range(0, task.studies, AT_ONCE):
        found = INTERVALS[task.kind](rng, min(AT_ONCE, task.studies - chunk), task.n, task.p, f"check {chunk}")
        truth = found.truth if found.truth is not None else task.truth
        assert truth is not None
        for estimate in found.estimates:
            if estimate.low is None or estimate.high is None:
                without += 1
            else:
                holds += estimate.low - 1e-12 <= truth <= estimate.high + 1e-12
    return holds, without


# ── tests: studies of nothing → which of them reject at 5 % ──────────────────────────────────────────────────


def sign_flip_rejects(differences: Array, name: str) -> list[bool]:
    return [test.p is not None and test.p <= 0.05 for test in sign_flip(differences.T, name=name)]


def flips_of_pairs(rng: Rng, studies: int, n: int, name: str) -> list[bool]:
    first, second = (rng.binomial(SEATS, chance) / SEATS for chance in twins(rng, studies, n, 0.6))
    return sign_flip_rejects(first - second, name)


def flips_of_single_ballots(rng: Rng, studies: int, n: int, name: str) -> list[bool]:
    first, second = (rng.random(chance.shape) < chance for chance in twins(rng, studies, n, 0.6))
    return sign_flip_rejects(first * 1.0 - second, name)


def flips_of_lopsided(rng: Rng, studies: int, n: int, name: str, lost: int, often: float) -> list[bool]:
    """A martingale whose steps are skewed: one seat gains, or several lose together, in proportion less often."""
    chances = [lost * often, often, 1 - (lost + 1) * often]
    return sign_flip_rejects(rng.choice([1 / SEATS, -lost / SEATS, 0], (studies, n), p=chances), name)


def mcnemar_rejects(rng: Rng, studies: int, n: int, name: str) -> list[bool]:
    cells = rng.multinomial(n, [0.1, 0.1, 0.8], studies)
    return [(mcnemar_mid_p(int(b), int(c)).p or 0.0) <= 0.05 for b, c, _ in cells]


def slots_reject(rng: Rng, studies: int, n: int, name: str) -> list[bool]:
    """Seats prefer one slot that differs by question; questions have 4 or 5 options."""
    questions, options = np.repeat(np.arange(n), SEATS), np.repeat(np.arange(n) % 2 + 4, SEATS)
    favourite = rng.integers(0, options[::SEATS], (studies, n)).repeat(SEATS, axis=1)
    chosen = np.where(rng.random(favourite.shape) < 0.5, favourite, rng.integers(0, options, favourite.shape))
    tests = [slot_chi_square(study, options, questions) for study in chosen]
    return [test.p is not None and test.p <= 0.05 for test in tests]


def equivalent_at_the_margin(rng: Rng, studies: int, n: int, name: str) -> list[bool]:
    """A true difference of just the margin, which must not be called equivalent."""
    steps = rng.choice([1 / SEATS, -1 / SEATS, 0], (studies, n), p=[0.06 + MARGIN * SEATS, 0.06, 0.88 - MARGIN * SEATS])
    rows = [mean_difference(study, np.zeros(n)) for study in steps]
    both = zip(bootstrap(rows, 0.9, name), bootstrap(rows, 0.95, name), strict=True)
    return [equivalence(*pair).verdict == "equivalent" for pair in both]


def any_of_ten(rng: Rng, studies: int, n: int, name: str) -> list[bool]:
    """A family of ten contrasts with one baseline, adjusted by Holm: any rejection is one too many."""
    base = rng.binomial(SEATS, rates(rng, 0.6, 0.3, (studies, n, 1)))
    others = rng.binomial(SEATS, rates(rng, 0.6, 0.3, (studies, n, 10)))
    differences = np.asarray((others - base) / SEATS)
    tests = sign_flip(differences.swapaxes(0, 1).reshape(n, -1), name=name)
    families = [tests[start : start + 10] for start in range(0, len(tests), 10)]
    return [min(p for p in holm([test.p for test in family]) if p is not None) <= 0.05 for family in families]


TESTS: dict[str, Callable[[Rng, int, int, str], list[bool]]] = {
    "sign-flip, paired, one ballot": flips_of_single_ballots,
    "sign-flip, paired, 6 seats": flips_of_pairs,
    "sign-flip, +1 or −2 seats, 10 % lose": functools.partial(flips_of_lopsided, lost=2, often=0.1),
    "sign-flip, +1 or −6, 4 % (no target)": functools.partial(flips_of_lopsided, lost=6, often=0.04),
    "McNemar mid-p, 20 % discordant": mcnemar_rejects,
    "slot chi-square, 6 correlated seats": slots_reject,
    "equivalence, difference at the margin": equivalent_at_the_margin,
    "Holm, any of 10 contrasts": any_of_ten,
}


def rejected(task: Task) -> int:
    rng = np.random.default_rng(derive("size", task.kind, task.n))
    chunks = range(0, task.studies, AT_ONCE)
    return sum(
        sum(TESTS[task.kind](rng, min(AT_ONCE, task.studies - chunk), task.n, f"check {chunk}")) for chunk in chunks
    )


# ── tables ───────────────────────────────────────────────────────────────────────────────────────────────────


def has_target(kind: str, n: int) -> bool:
    return n >= 100 and "no target" not in kind


def allowance(target: float, num_studies: int, quick: bool) -> float:
    """What chance may take from a target in a quick run; nothing in a whole one."""
    return 3 * math.sqrt(target * (1 - target) / num_studies) if quick else 0.0


def check_coverage(
    pool: ProcessPoolExecutor, kinds: Iterable[str], sizes: Sequence[int], ps: Sequence[float], studies: int
) -> bool:
    quick = studies < 4000
    print(
        f"coverage of 95 % intervals in %: mean over p = {', '.join(map(str, ps))} (minimum); {studies:,} studies each"
    )
    print(f"{'questions':37}" + "".join(f"{n:>14}" for n in sizes))
    good = True
    for kind in kinds:
        began = time.monotonic()
        drawn = INTERVALS[kind](np.random.default_rng(0), 1, 10, 0.5, "x").truth is None
        truths = {p: truth_of(kind, p) if drawn else None for p in ps}
        tasks = [Task(kind, n, p, studies, truths[p]) for n in sizes for p in ps]
        found = dict(zip(tasks, pool.map(covered, tasks), strict=True))
        cells, missing = [], 0
        for n in sizes:
            shares = [holds / (studies - without) for task, (holds, without) in found.items() if task.n == n]
            missing += sum(without for task, (_, without) in found.items() if task.n == n)
            least = COVERAGE - allowance(COVERAGE, studies * len(ps), quick)
            missed = has_target(kind, n) and bool(np.mean(shares) < least)
            good &= not missed
            cells.append(f"{100 * np.mean(shares):6.1f} ({100 * min(shares):4.1f}){'!' if missed else ' '}")
        none = f"  no interval in {missing} studies" if missing else ""
        print(f"{kind:37}" + "".join(cells) + f" {time.monotonic() - began:4.0f} s{none}", flush=True)
    return good


def check_size(pool: ProcessPoolExecutor, sizes: Sequence[int], studies: int) -> bool:
    quick = studies < 4000
    print(f"\nsize of 5 % tests in %: studies of nothing that are called something; {studies:,} each")
    print(f"{'questions':37}" + "".join(f"{n:>14}" for n in sizes))
    good = True
    for kind in TESTS:
        began = time.monotonic()
        shares = [count / studies for count in pool.map(rejected, [Task(kind, n, 0, studies, None) for n in sizes])]
        most = SIZE + allowance(SIZE, studies, quick)
        missed = [has_target(kind, n) and share > most for n, share in zip(sizes, shares, strict=True)]
        good &= not any(missed)
        cells = [f"{100 * share:13.1f}{'!' if miss else ' '}" for share, miss in zip(shares, missed, strict=True)]
        print(f"{kind:37}" + "".join(cells) + f" {time.monotonic() - began:4.0f} s", flush=True)
    return good


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="200 studies of 50 and 100 questions at three p")
    parser.add_argument("--studies", type=int, default=4000, help="of each kind, size and p")
    parser.add_argument("--sizes", metavar="N,N…", help="numbers of questions, in place of 50, 100, 200 and 500")
    parser.add_argument("--only", default="", metavar="TEXT", help="the kinds of intervals that have it in their name")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    sizes: tuple[int, ...] = (50, 100) if arguments.quick else (50, 100, 200, 500)
    sizes = tuple(map(int, arguments.sizes.split(","))) if arguments.sizes else sizes
    ps = (0.1, 0.5, 0.9) if arguments.quick else tuple(round(0.1 * tenth, 1) for tenth in range(1, 10))
    studies = 200 if arguments.quick else arguments.studies
    kinds = [kind for kind in INTERVALS if arguments.only in kind]
    with ProcessPoolExecutor(arguments.workers) as pool:
        good = check_coverage(pool, kinds, sizes, ps, studies)
        if not arguments.only:
            print()
            good &= check_coverage(pool, [kind for kind in kinds if "6 seats" in kind], sizes, RARE, studies)
            good &= check_size(pool, sizes, studies)
    print("\n" + ("all targets are met" if good else "a target is missed: marked !"))
    raise SystemExit(0 if good else 1)


if __name__ == "__main__":
    main()
