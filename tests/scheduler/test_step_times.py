"""Speeds fitted to samples of steps: found again where samples tell them apart, the expected ratios where not."""

from __future__ import annotations

import random
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localtable.engines.step_meter import SAMPLE_S, StepMeter, StepSample
from localtable.scheduler.simulate.instance import Speed
from localtable.scheduler.step_times import PRIOR_S, StepTimes

TRUE = Speed(0.1, 0.01, 0.005)
EXPECTED = Speed(0.05, 0.02, 0.002)


def sample(steps: int, rows: int, prompt: int, speed: Speed = TRUE, noise: float = 1.0) -> StepSample:
    """What so many steps take, each with so many rows."""
    seconds = steps * speed.step_s + steps * rows * speed.row_s + prompt * speed.prefill_s
    return StepSample(seconds * noise, steps, steps * rows, prompt)


def seen(*samples: StepSample) -> StepTimes:
    times = StepTimes()
    times.add(samples)
    return times


def fitted(times: StepTimes, expected: Speed = EXPECTED) -> Speed:
    found = times.fit(expected)
    assert found is not None
    return found


def figures(speed: Speed) -> tuple[float, float, float]:
    return speed.step_s, speed.row_s, speed.prefill_s


def test_steps_rows_and_prompts_are_told_apart() -> None:
    varied = [sample(3, rows, prompt) for rows, prompt in product((1, 4, 10, 40), (0, 100, 700))] * 40
    assert figures(fitted(seen(*varied))) == pytest.approx(figures(TRUE), rel=0.03)


@pytest.mark.parametrize(("spread", "within"), [(0.2, 0.05), (0.5, 0.1)])
def test_noise_of_a_shared_machine_averages_out(spread: float, within: float) -> None:
    rng = random.Random(0)
    noise = lambda: rng.uniform(1 - spread, 1 + spread)  # noqa: E731
    varied = [sample(3, rng.choice((1, 4, 10, 40)), rng.choice((0, 0, 300)), noise=noise()) for _ in range(2000)]
    assert figures(fitted(seen(*varied))) == pytest.approx(figures(TRUE), rel=within)


def test_stalls_are_part_of_the_time_that_all_took() -> None:
    rng = random.Random(0)
    varied = [
        sample(3, rng.choice((1, 4, 10)), rng.choice((0, 300)), noise=5.0 if rng.random() < 0.05 else 1.0)
        for _ in range(500)
    ]
    times, found = seen(*varied), fitted(seen(*varied))
    planned = found.step_s * times.decode_steps + found.row_s * times.decode_rows
    assert planned + found.prefill_s * times.prompt_tokens == pytest.approx(times.seconds)


def test_the_total_is_what_was_measured_however_little_varies() -> None:
    """One kind of batch can't tell rows from steps: the expected ratio decides, the sum is the samples' own."""
    times = seen(*[sample(24, 10, 0)] * 50)
    found = fitted(times)
    assert 24 * (found.step_s + 10 * found.row_s) == pytest.approx(24 * (TRUE.step_s + 10 * TRUE.row_s), rel=0.02)
    assert found.step_s / found.row_s == pytest.approx(EXPECTED.step_s / EXPECTED.row_s, rel=0.5)


def test_what_was_never_seen_is_as_much_slower_as_all_that_was() -> None:
    times = seen(*[sample(3, rows, 0) for rows in (1, 4, 10, 40)] * 40)
    found = fitted(times)
    expected_s = sum(40 * (3 * EXPECTED.step_s + 3 * rows * EXPECTED.row_s) for rows in (1, 4, 10, 40))
    assert found.prefill_s / EXPECTED.prefill_s == pytest.approx(times.seconds / expected_s)
    assert (found.step_s, found.row_s) == pytest.approx((TRUE.step_s, TRUE.row_s), rel=0.1)


def test_a_little_watching_moves_ratios_a_little_and_the_total_at_once() -> None:
    few = seen(sample(1, 1, 0), sample(1, 10, 0), sample(0, 0, 30))
    assert few.seconds < PRIOR_S
    expected = Speed(TRUE.step_s * 3, TRUE.row_s * 3, TRUE.prefill_s * 3)
    assert figures(fitted(few, expected)) == pytest.approx(figures(TRUE)), "three times as fast in everything"


def test_an_expectation_that_is_far_off_is_unlearned() -> None:
    """A card whose figures are wrong, or a machine unlike any that the formulas know."""
    varied = [sample(3, rows, prompt) for rows, prompt in product((1, 4, 10, 40), (0, 100, 700))] * 40
    for odd in (Speed(1e-6, 1e-9, 1e-7), Speed(0.1, 0.0, 0.0), Speed(1e-5, 10.0, 1e-9)):
        assert figures(fitted(seen(*varied), odd)) == pytest.approx(figures(TRUE), rel=0.03)


def test_nothing_is_below_zero() -> None:
    """Steps of many rows that took less than steps of few: rows cost nothing then."""
    odd = seen(*[StepSample(1.0, 2, 2, 0), StepSample(0.5, 2, 80, 0)] * 200)
    found = fitted(odd)
    assert found.row_s == 0
    assert found.step_s > 0


def test_nothing_seen_is_nothing_known() -> None:
    assert StepTimes().fit(EXPECTED) is None


@given(
    st.lists(
        st.builds(
            StepSample,
            st.floats(1e-6, 1e5),
            st.integers(0, 10_000),
            st.integers(0, 1_000_000),
            st.integers(0, 1_000_000),
        ),
        max_size=20,
    )
)
def test_no_samples_make_it_fail(samples: list[StepSample]) -> None:
    found = seen(*samples).fit(EXPECTED)
    assert found is None or min(figures(found)) >= 0


def test_a_sample_is_closed_when_it_is_worth_one() -> None:
    meter = StepMeter()
    meter.add(SAMPLE_S / 4, 0, 300)
    meter.add(SAMPLE_S / 4, 5, 0)
    assert meter.take() == ()
    meter.add(SAMPLE_S, 5, 20)
    meter.add(SAMPLE_S / 4, 1, 0)
    (closed,) = meter.take()
    assert closed == StepSample(SAMPLE_S * 1.5, 2, 10, 320)
    assert meter.take() == ()
