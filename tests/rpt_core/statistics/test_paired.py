"""Differences at the same positions, on numbers computed by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpt_core.statistics.paired import (
    TwoByTwo,
    bootstrap_interval,
    gained_and_forgotten,
    mean_difference,
    sign_flip_p,
    two_by_two,
)

A = [1, 1, 0, 0, 0, 1]
B = [1, 0, 1, 1, 0, 1]


def test_the_four_cases_are_counted_and_the_changed_positions_named():
    assert two_by_two(A, B) == TwoByTwo(both=2, only_a=1, only_b=2, neither=1)
    assert two_by_two(A, B).n == 6
    assert gained_and_forgotten(A, B) == ([2, 3], [1])


@pytest.mark.parametrize(
    ("only_a", "only_b", "p"),
    [
        (1, 5, 14 / 64),  # 2 (C(6,0) + C(6,1)) / 2^6
        (0, 5, 2 / 32),
        (3, 3, 1.0),
        (0, 0, 1.0),
        (2, 8, 2 * (1 + 10 + 45) / 1024),
    ],
)
def test_mcnemars_p_is_that_of_fair_coins(only_a, only_b, p):
    assert TwoByTwo(7, only_a, only_b, 9).p == pytest.approx(p)


def test_the_difference_is_b_minus_a_over_all_positions():
    found = mean_difference(A, B, seed=0)
    assert (found.value, found.n) == (pytest.approx(1 / 6), 6)


def test_the_interval_of_two_values_has_the_quantiles_of_a_binomial():
    # 100 positions, half 0 and half 1: the resampled sum is binomial(100, 1/2); its quantiles are 40 and 60.
    values = np.repeat([0.0, 1.0], 50)
    assert bootstrap_interval(values, seed=1, resamples=100_000) == (0.40, 0.60)


def test_continuous_values_get_the_interval_of_their_standard_error():
    values = np.random.default_rng(0).normal(size=2000)
    low, high = bootstrap_interval(values, seed=0)
    half = 1.96 * values.std() / 2000**0.5
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.1 * half)


def test_whole_documents_are_resampled_when_they_are_named():
    # Two documents of 50 positions each, one all gained, one all lost: both, either or neither are drawn.
    values = np.repeat([1.0, -1.0], 50)
    documents = ["one"] * 50 + ["other"] * 50
    assert bootstrap_interval(values, seed=0, clusters=documents) == (-1.0, 1.0)
    low, high = bootstrap_interval(values, seed=0)
    assert -0.25 < low < 0 < high < 0.25


def test_documents_weigh_by_their_positions():
    # Drawn are twice the long one (mean 1), both (3 of 4), or twice the short one (0).
    values = np.array([1.0, 1.0, 1.0, 0.0])
    found = mean_difference(np.zeros(4), values, 0, ["long", "long", "long", "short"])
    assert (found.value, found.low, found.high) == (0.75, 0.0, 1.0)


@pytest.mark.parametrize(
    ("values", "clusters"), [([0, 0, 0], None), ([1], None), ([1, 0], ["d", "d"]), ([1, 0, 1, 0], ["c", "c", "d", "d"])]
)
def test_no_interval_is_made_up_where_nothing_varies(values, clusters):
    assert bootstrap_interval(np.array(values, float), 0, clusters) == (None, None)


def test_the_same_seed_gives_the_same_interval_and_another_one_another():
    a, b = np.random.default_rng(3).random((2, 60))
    found = [mean_difference(a, b, seed, resamples=500) for seed in (1, 1, 2)]
    assert found[0] == found[1] != found[2]


def test_no_positions_have_no_difference():
    with pytest.raises(ValueError, match="without positions"):
        mean_difference([], [], 0)


@given(st.integers(0, 12), st.integers(0, 12))
def test_sign_flips_agree_with_mcnemar_on_right_and_wrong(only_a, only_b):
    a = np.array([1] * only_a + [0] * only_b + [1, 0])
    b = np.array([0] * only_a + [1] * only_b + [1, 0])
    assert sign_flip_p(a, b, seed=0) == pytest.approx(two_by_two(a, b).p, abs=0.02)


def test_sign_flips_of_means_by_hand():
    # |differences| 1/2, 1/2, 1; sums of all signs: 2, 1, 1, 0 and their negatives. Observed 2: 2 of 8.
    assert sign_flip_p([0.5, 0, 0], [1, 0.5, 1], seed=0, resamples=40_000) == pytest.approx(0.25, abs=0.01)
