"""Differences of several seeds at several positions each."""

from __future__ import annotations

import numpy as np
import pytest

from rpt_core.statistics.hierarchical import hierarchical_mean
from rpt_core.statistics.paired import mean_difference


def test_the_mean_is_that_of_the_seeds_whatever_their_numbers_of_positions():
    found = hierarchical_mean([[1.0, 1.0, 0.0, 0.0], [1.0]], [["a", "a", "b", "b"], ["a"]], seed=0, resamples=500)
    assert found.value == 0.75
    assert found.n == 2
    assert found.low < 0.75 < found.high


def test_seeds_that_differ_make_the_interval_wider_than_that_of_positions():
    random = np.random.default_rng(0)
    seeds = [(random.random(400) < share).astype(float) for share in (0.3, 0.5, 0.7)]
    documents = [[place // 4 for place in range(400)]] * 3
    found = hierarchical_mean(seeds, documents, seed=1)
    alone = mean_difference(np.zeros(400), seeds[1], 1, documents[1])
    assert found.high - found.low > 2 * (alone.high - alone.low)
    assert found.low < 0.4
    assert found.high > 0.6


def test_alike_seeds_leave_the_noise_of_positions():
    random = np.random.default_rng(0)
    values = (random.random(400) < 0.5).astype(float)
    documents = list(range(400))
    found = hierarchical_mean([values] * 200, [documents] * 200, seed=0, resamples=300)
    expected = 1.96 * values.std() / np.sqrt(400 * 200)  # each seed draws documents of its own
    assert (found.high - found.low) / 2 == pytest.approx(expected, rel=0.25)


def test_one_seed_and_values_that_are_all_alike_have_no_interval():
    assert hierarchical_mean([[0.0, 1.0]], [["a", "b"]], seed=0).low is None
    assert hierarchical_mean([[1.0], [1.0]], [["a"], ["b"]], seed=0).low is None
    with pytest.raises(ValueError, match="without positions"):
        hierarchical_mean([[1.0], []], [["a"], []], seed=0)
