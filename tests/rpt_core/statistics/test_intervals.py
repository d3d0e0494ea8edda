"""Intervals for accuracies, and pass@k."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpt_core.statistics.intervals import difference_interval, mean_interval, pass_at_k, wilson_interval


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


def test_one_response_at_each_position_gives_the_interval_of_the_count():
    assert mean_interval([1, 0, 0, 1, 0, 0, 0]) == wilson_interval(2, 7)


def test_responses_that_always_agree_count_as_one():
    assert mean_interval([1, 0, 0, 1, 0, 0, 0], samples=8) == pytest.approx(wilson_interval(2, 7))


def test_responses_that_differ_count_for_more():
    # Means 1/4, 1/2, 3/4: p (1 - p) = 1/4, variance 1/24, so that each position is worth 6 responses, if there were 8.
    assert mean_interval([0.25, 0.5, 0.75], samples=8) == pytest.approx(wilson_interval(1.5 * 6, 18))
    assert mean_interval([0.25, 0.5, 0.75], samples=4) == pytest.approx(wilson_interval(1.5 * 4, 12))
    assert mean_interval([0.5, 0.5, 0.5], samples=4) == pytest.approx(wilson_interval(6, 12))


def test_where_all_are_wrong_only_the_positions_count():
    assert mean_interval([0, 0, 0, 0, 0], samples=100) == wilson_interval(0, 5)
    assert mean_interval([], samples=3) == (0.0, 1.0)


def test_the_interval_of_means_covers_the_truth():
    """Positions of differing difficulty, 8 responses each: 95 % intervals hold the mean in about 95 % of trials."""
    random = np.random.default_rng(0)
    held = 0
    for _ in range(2000):
        chances = random.beta(0.4, 1.2, 60)  # mean 1/4
        low, high = mean_interval((random.binomial(8, chances) / 8).tolist(), samples=8)
        held += low <= 0.25 <= high
    assert 0.93 < held / 2000 < 0.97


@pytest.mark.parametrize(
    ("samples", "right", "k", "value"),
    [(4, 0, 2, 0.0), (4, 1, 1, 0.25), (4, 1, 2, 0.5), (4, 2, 2, 1 - 1 / 6), (4, 3, 2, 1.0), (8, 1, 8, 1.0)],
)
def test_pass_at_k_counts_the_draws_without_a_right_one(samples, right, k, value):
    assert pass_at_k(samples, right, k) == pytest.approx(value)


@pytest.mark.parametrize(("samples", "right", "k"), [(4, 5, 1), (4, 1, 5), (4, 1, 0), (4, -1, 2)])
def test_impossible_draws_are_refused(samples, right, k):
    with pytest.raises(ValueError, match="no pass@"):
        pass_at_k(samples, right, k)


def test_the_interval_of_a_difference_is_newcombes():
    """His example: 56 of 70 against 48 of 80, method 10 (Statistics in Medicine 17, 1998, table II, column a)."""
    a, b = 48 / 80, 56 / 70
    low, high = difference_interval(a, wilson_interval(48, 80), b, wilson_interval(56, 70))
    assert (round(low, 4), round(high, 4)) == (0.0524, 0.3339)
