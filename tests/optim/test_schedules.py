"""Half a cosine against its formula."""

import math

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from vsim_tf.errors import UserError
from vsim_tf.optim.schedules import CosineSchedule

SCHEDULE = CosineSchedule(peak=2.0, warmup=10, horizon=50)


QUARTER = math.cos(math.pi / 4)


@pytest.mark.parametrize(
    ("step", "rate"),
    [(0, 0), (1, 0.2), (5, 1), (9, 1.8), (10, 2), (20, 1 + QUARTER), (30, 1), (40, 1 - QUARTER), (50, 0), (60, 0)],
)
def test_rates(step, rate):
    """Ten steps of warm-up; then t = (step − 10) / 40 and 1 + cos πt."""
    assert float(SCHEDULE.rate(tf.constant(step, tf.int64))) == pytest.approx(rate, abs=1e-6)


def test_without_warm_up_the_first_rate_is_the_peak():
    assert float(CosineSchedule(peak=0.5, warmup=0, horizon=4).rate(tf.constant(0))) == 0.5


@given(warmup=st.integers(0, 100), length=st.integers(1, 1000))
@settings(max_examples=30)
def test_it_rises_and_then_falls(warmup, length):
    rates = CosineSchedule(peak=3e-5, warmup=warmup, horizon=warmup + length).rate(tf.range(warmup + length + 5)).numpy()
    assert np.all(np.diff(rates[: warmup + 1]) > 0) and np.all(np.diff(rates[warmup:]) <= 0)
    assert rates.max() == pytest.approx(3e-5, rel=1e-6) and rates.min() >= 0
    np.testing.assert_allclose(rates[warmup + length :], 0, atol=1e-12)


def test_a_schedule_is_longer_than_its_warm_up():
    with pytest.raises(UserError, match="warmup=10 with horizon=10: a schedule must be longer than its warm-up") as caught:
        CosineSchedule(peak=1.0, warmup=10, horizon=10)
    assert list(caught.value.fields) == ["warmup", "horizon"]
