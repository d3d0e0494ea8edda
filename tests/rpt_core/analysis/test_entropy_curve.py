"""Entropy against the largest probability."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpt_core.analysis.entropy_curve import entropy_nats, largest_probability
from rpt_core.errors import UserError


def test_the_thresholds_of_the_paper_over_150_000_tokens():
    # Solved to 5 digits, 1.0 nats give 0.93604; the value that is quoted for them, 0.9361, lies 6e-5 above.
    assert largest_probability([0.5, 1.0, 1.5]) == pytest.approx([0.96950, 0.93604, 0.90120], abs=5e-6)
    assert largest_probability([0.5, 1.0, 1.5]) == pytest.approx([0.9695, 0.9361, 0.9012], abs=1e-4)


def test_two_tokens_by_hand():
    # -1/4 ln 1/4 - 3/4 ln 3/4
    assert entropy_nats(0.75, 2) == pytest.approx(0.25 * math.log(4) + 0.75 * math.log(4 / 3))
    assert largest_probability(0.5623351446188083, 2) == pytest.approx(0.75)


def test_three_tokens_by_hand():
    # 1/2, 1/4, 1/4: 1/2 ln 2 + 1/2 ln 4 = 1.5 ln 2.
    assert entropy_nats(0.5, 3) == pytest.approx(1.5 * math.log(2))
    assert largest_probability(1.5 * math.log(2), 3) == pytest.approx(0.5)


def test_the_ends_are_certainty_and_the_uniform_distribution():
    # The curve is flat at its top, so that p cannot be found to more than half of a float's digits there.
    assert largest_probability([0.0, math.log(1000)], 1000) == pytest.approx([1.0, 0.001], abs=1e-7)
    assert entropy_nats([1.0, 0.001], 1000) == pytest.approx([0.0, math.log(1000)])
    assert entropy_nats(1 / 150_000) == pytest.approx(math.log(150_000))


@given(share=st.floats(0, 1), vocabulary=st.integers(2, 300_000))
def test_each_is_the_inverse_of_the_other(share, vocabulary):
    entropy = share * math.log(vocabulary)
    assert entropy_nats(largest_probability(entropy, vocabulary), vocabulary) == pytest.approx(entropy, abs=1e-6)


def test_shapes_are_kept_and_the_curve_falls():
    entropies = np.linspace(0, 5, 12).reshape(3, 4)
    found = largest_probability(entropies)
    assert found.shape == (3, 4)
    assert (np.diff(found.ravel()) < 0).all()


@pytest.mark.parametrize("entropy", [-0.1, [0.5, math.log(10) + 0.01], float("nan"), float("inf")])
def test_entropies_that_cannot_be_are_refused(entropy):
    with pytest.raises(UserError, match=r"between 0 and 2\.303 nats"):
        largest_probability(entropy, 10)


@pytest.mark.parametrize("probability", [0.09, 1.01, float("nan")])
def test_probabilities_that_cannot_be_the_largest_are_refused(probability):
    with pytest.raises(UserError, match=r"between 0\.1 and 1"):
        entropy_nats(probability, 10)


@pytest.mark.parametrize("function", [entropy_nats, largest_probability])
def test_a_vocabulary_of_one_token_is_refused(function):
    with pytest.raises(UserError, match="at least 2"):
        function(1.0, 1)
