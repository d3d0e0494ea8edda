"""Thinking only where it pays, on numbers computed by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpt_core.analysis.frontier import Choices, cross_fitted, frontier, second_half, tokens_to_match


def choices(entropies, standard, thinking, tokens, documents=None):
    arrays = [np.array(values, np.float64) for values in (entropies, standard, thinking, tokens)]
    return Choices(*arrays, documents or [f"d{n}" for n in range(len(entropies))])


FOUR = choices([0.2, 2.0, 1.0, 1.0], [1, 0, 1, 0], [0, 1, 1, 0.5], [10, 30, 20, 40])


def test_the_frontier_goes_from_never_to_always_by_falling_entropy():
    # Thinking at none; at 2.0; at both of 1.0 too; at all. Right: 1+0+1+0, 1+1+1+0, 1+1+1+.5, 0+1+1+.5.
    points = frontier(FOUR)
    assert points.taus.tolist() == [np.inf, 1.5, 0.6, -np.inf]
    assert points.shares.tolist() == [0, 0.25, 0.75, 1]
    assert points.accuracy.tolist() == [2 / 4, 3 / 4, 3.5 / 4, 2.5 / 4]
    assert points.tokens.tolist() == [1, (30 + 3) / 4, (30 + 20 + 40 + 1) / 4, 100 / 4]
    assert points.best() == 2


def test_of_equally_good_points_the_cheapest_is_best():
    points = frontier(choices([3, 2, 1], [0, 1, 1], [1, 1, 1], [5, 5, 5]))
    assert points.accuracy.tolist() == pytest.approx([2 / 3, 1, 1, 1])
    assert points.best() == 1
    assert tokens_to_match(points, 1.0) == pytest.approx(7 / 3)
    assert tokens_to_match(points, 0.5) == 1
    assert tokens_to_match(frontier(choices([1], [0], [0], [5])), 0.5) is None


values = st.integers(1, 30).flatmap(
    lambda n: st.tuples(
        st.lists(st.sampled_from([0.0, 0.5, 1.0, 1.7]), min_size=n, max_size=n),
        *[st.lists(st.booleans(), min_size=n, max_size=n) for _ in range(2)],
        st.lists(st.integers(1, 50), min_size=n, max_size=n),
    )
)


@given(values)
def test_each_point_is_what_its_tau_gives(columns):
    found = choices(*columns)
    points = frontier(found)
    for tau, share, accuracy, tokens in zip(points.taus, points.shares, points.accuracy, points.tokens, strict=True):
        thinks = found.entropies > tau
        assert share == pytest.approx(thinks.mean())
        assert accuracy == pytest.approx(found.correctness(thinks).mean())
        assert tokens == pytest.approx(found.cost(thinks).mean())
    assert len(points.taus) == len(set(columns[0])) + 1


def test_halves_keep_documents_whole_and_are_of_like_size():
    documents = [f"d{n % 17}" for n in range(200)]
    second = second_half(documents, seed=0)
    sides = {(document, bool(half)) for document, half in zip(documents, second, strict=True)}
    assert len(sides) == 17
    assert 90 <= second.sum() <= 110
    assert second.tolist() != second_half(documents, seed=1).tolist()


def test_each_half_uses_the_tau_of_the_other():
    # Documents p and q disagree: thinking pays above 1 in p, and never in q.
    found = choices([2, 0.5, 2, 0.5], [0, 1, 1, 1], [1, 0, 0, 0], [9] * 4, ["p", "p", "q", "q"])
    fair = cross_fitted(found, seed=0)
    taus = {"p": 1.25, "q": np.inf}
    second = second_half(found.documents, 0)
    expected = tuple(
        taus[next(d for d, s in zip(found.documents, second, strict=True) if s != half)] for half in (0, 1)
    )
    assert fair.taus == expected
    assert fair.thinks.tolist() == [False, False, True, False]  # p never thinks, q does above 1.25
    assert (fair.accuracy.value, fair.accuracy.n) == (2 / 4, 4)  # p: 0, 1; q: 0, 1
    assert fair.tokens == (9 + 3) / 4
    assert fair.over_always.value == 2 / 4 - 1 / 4
    assert fair.over_never.value == 2 / 4 - 3 / 4


def test_a_tau_that_helps_everywhere_is_found_and_its_gain_told():
    random = np.random.default_rng(0)
    entropies = random.random(400) * 2
    hard = entropies > 1
    found = choices(entropies, ~hard, hard, [20] * 400)
    fair = cross_fitted(found, seed=0)
    assert fair.accuracy.value > 0.98
    assert fair.over_always.low > 0.3
    assert fair.over_never.low > 0.3
    assert max(fair.taus) - min(fair.taus) < 0.1


def test_the_gain_is_not_flattered_by_the_choice_of_tau():
    """Where entropy tells nothing, the best tau in hindsight gains and the cross-fitted one does not."""
    random = np.random.default_rng(1)
    hindsight, fair = [], []
    for trial in range(40):
        found = choices(*random.random((1, 60)), *(random.random((2, 60)) < 0.5), [20] * 60)
        points = frontier(found)
        hindsight.append(points.accuracy.max() - max(points.accuracy[0], points.accuracy[-1]))
        fitted = cross_fitted(found, trial, resamples=10)
        fair.append((fitted.over_always.value + fitted.over_never.value) / 2)
    assert np.mean(hindsight) > 0.03
    assert abs(np.mean(fair)) < 0.02


def test_one_document_cannot_be_split():
    assert cross_fitted(choices([1, 2], [0, 1], [1, 0], [5, 5], ["d", "d"]), seed=0) is None
