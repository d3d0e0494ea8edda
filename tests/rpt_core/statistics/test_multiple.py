"""Holm's adjustment against statsmodels', and clusters against its cluster-robust errors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpt_core.statistics.clusters import design_effect
from rpt_core.statistics.multiple import holm


def test_holm_is_that_of_statsmodels():
    from statsmodels.stats.multitest import multipletests  # takes longer than an example may

    @given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
    def is_the_same(p_values):
        assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1].tolist())

    is_the_same()


def test_holm_leaves_out_what_was_not_tested():
    assert holm([0.01, None, 0.04]) == [0.02, None, 0.04]
    assert holm([]) == []
    with pytest.raises(ValueError, match="between 0 and 1"):
        holm([1.5])


def test_a_design_effect_is_that_of_cluster_robust_errors():
    import statsmodels.api as sm

    random = np.random.default_rng(0)
    clusters = np.repeat(np.arange(40), random.integers(1, 9, 40))
    values = (random.random(len(clusters)) < random.random(40)[clusters]).astype(float)
    fit = sm.OLS(values, np.ones_like(values))
    robust = fit.fit(cov_type="cluster", cov_kwds={"groups": clusters, "use_correction": False}).bse[0] ** 2
    found = design_effect(values, clusters.tolist())
    expected = robust * 40 / 39 / (values.var(ddof=1) / len(values))
    assert (found.n, found.clusters) == (len(values), 40)
    assert found.effect == pytest.approx(expected)
    assert found.effective_n == pytest.approx(len(values) / max(1, expected))


def test_twins_count_once():
    values = [0, 1, 1, 0, 1, 0, 0, 1]
    twice = design_effect(np.repeat(values, 2), np.repeat(range(8), 2).tolist())
    assert twice.effect == pytest.approx(2, rel=0.1)
    alone = design_effect(values, range(8))
    assert alone.effect == pytest.approx(1)
    assert alone.effective_n == pytest.approx(8)


@pytest.mark.parametrize(("values", "clusters"), [([1, 0], "aa"), ([1, 1], "ab"), ([1], "a")])
def test_where_there_is_no_telling(values, clusters):
    assert design_effect(values, clusters).effect is None
    assert design_effect(values, clusters).effective_n is None


def test_what_does_not_fit():
    with pytest.raises(ValueError, match="a cluster for each value"):
        design_effect([1], "ab")
