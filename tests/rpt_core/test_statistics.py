"""Intervals for accuracies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpt_core.analysis.statistics import wilson_interval


@pytest.mark.parametrize(
    ("correct", "n", "low", "high"),
    [
        # Newcombe (1998), table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_the_interval_has_the_published_values(correct, n, low, high):
    assert wilson_interval(correct, n) == pytest.approx((low, high), abs=5e-5)


def test_the_interval_of_a_wider_level_by_hand():
    # z = 1 (level 0.6827), 1 of 2: centre 1/2, half width (1 / 1.5) * sqrt(1/8 + 1/16) = 0.28868.
    assert wilson_interval(1, 2, level=0.6826894921370859) == pytest.approx((0.2113249, 0.7886751))


def test_nothing_observed_tells_nothing():
    assert wilson_interval(0, 0) == (0.0, 1.0)


def test_the_bound_is_exact_at_none_and_all():
    assert wilson_interval(0, 7)[0] == 0.0
    assert wilson_interval(7, 7)[1] == 1.0


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_holds_the_share_and_mirrors_that_of_the_failures(counts):
    correct, n = counts
    low, high = wilson_interval(correct, n)
    assert 0 <= low <= correct / n <= high <= 1
    assert wilson_interval(n - correct, n) == pytest.approx((1 - high, 1 - low))


@pytest.mark.parametrize(("correct", "n", "level"), [(-1, 3, 0.95), (4, 3, 0.95), (0, -1, 0.95), (1, 3, 1.0)])
def test_impossible_counts_are_refused(correct, n, level):
    with pytest.raises(ValueError, match="no interval"):
        wilson_interval(correct, n, level)
