"""Other forms of a scaling curve."""

from __future__ import annotations

import numpy as np
import pytest

from rpt_core.analysis.scaling import fit_saturating
from rpt_core.analysis.scaling_forms import log_linear

COMPUTE = np.array([1e9, 2e9, 4e9, 8e9, 1.6e10])


def test_a_saturating_exponential_is_found_again():
    accuracy = 0.8 - 0.5 * np.exp(-COMPUTE / 3e9)
    fit = fit_saturating(COMPUTE, accuracy[None])
    assert fit.p_star == pytest.approx([0.8], abs=1e-4)
    assert fit.rate / fit.scale == pytest.approx([1 / 3e9], rel=1e-3)
    assert not fit.at_bound[0]
    assert fit.predict([3.2e10])[0] == pytest.approx([0.8 - 0.5 * np.exp(-32 / 3)], abs=1e-4)


def test_what_rises_without_an_end_lies_at_a_bound():
    assert fit_saturating(COMPUTE, (COMPUTE / 2e10)[None]).at_bound[0]


def test_a_log_linear_form_is_least_squares():
    rows = np.array([0.1 + 0.05 * np.log(COMPUTE / 1e9), [0.1, 0.3, 0.2, 0.5, 0.4]])
    predict = log_linear(COMPUTE, rows)
    expected = [np.polyval(np.polyfit(np.log(COMPUTE), row, 1), np.log(3.2e10)) for row in rows]
    assert predict([3.2e10])[:, 0] == pytest.approx(expected)
