"""The scaling curve."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rpt_core.analysis.scaling import extrapolate, fit_power_law, fit_power_laws, held_out_error
from rpt_core.errors import UserError

FLOPS = np.geomspace(1e18, 1e20, 7)


def curve(gain, alpha, p_star, compute=FLOPS):
    """Accuracy that starts `gain` below P* at the first point."""
    return p_star - gain * (compute / compute[0]) ** -alpha


@given(gain=st.floats(0.05, 0.3), alpha=st.floats(0.1, 2.0), p_star=st.floats(0.35, 0.95))
@settings(deadline=None)
def test_a_power_law_is_recovered_from_its_own_points(gain, alpha, p_star):
    fit = fit_power_law(FLOPS, curve(gain, alpha, p_star))
    assert (fit.alpha, fit.p_star) == pytest.approx((alpha, p_star), rel=1e-3)
    assert pytest.approx(-gain * FLOPS[0] ** alpha, rel=0.05) == fit.A
    assert fit.r2 == pytest.approx(1.0)
    assert not fit.at_bound
    assert fit.predict(FLOPS) == pytest.approx(curve(gain, alpha, p_star), abs=1e-6)


def test_a_falling_curve_has_a_positive_factor():
    fit = fit_power_law(FLOPS, curve(-0.4, 0.7, 0.2))
    assert fit.A > 0
    assert (fit.alpha, fit.p_star) == pytest.approx((0.7, 0.2), rel=1e-3)


def test_noise_is_averaged_out():
    compute = np.geomspace(1e9, 1e12, 60)
    noise = np.random.default_rng(0).normal(0, 0.005, 60)
    fit = fit_power_law(compute, curve(0.5, 0.5, 0.8, compute) + noise)
    assert fit.alpha == pytest.approx(0.5, abs=0.05)
    assert fit.p_star == pytest.approx(0.8, abs=0.02)
    assert 0.98 < fit.r2 < 1


def test_points_without_compute_are_left_out():
    with_start = fit_power_law([0.0, *FLOPS], [0.9, *curve(0.3, 0.5, 0.7)])
    assert with_start == fit_power_law(FLOPS, curve(0.3, 0.5, 0.7))


def test_the_limit_stays_an_accuracy_and_the_fit_says_so():
    # Linear in log C without an end in sight: the free fit would tend to more than 1.
    fit = fit_power_law(FLOPS, np.linspace(0.2, 0.9, 7))
    assert fit.p_star == 1.0
    assert fit.at_bound
    assert 0.9 < fit.r2 < 1


def test_a_step_drives_alpha_to_its_edge_and_the_fit_says_so():
    fit = fit_power_law([1.0, 10.0, 20.0, 30.0, 40.0], [0.1, 0.6, 0.6, 0.6, 0.6])
    assert fit.at_bound
    assert fit.p_star == pytest.approx(0.6)


def test_accuracies_that_do_not_vary_have_no_r2():
    fit = fit_power_law(FLOPS, [0.5] * 7)
    assert np.isnan(fit.r2)
    assert fit.at_bound
    assert fit.predict([1e19]) == pytest.approx([0.5])


def test_r2_by_hand():
    # Whatever the curve, R2 is 1 - residual / spread.
    p = np.array([0.1, 0.5, 0.4, 0.8, 0.7])
    fit = fit_power_law([1, 2, 4, 8, 16], p)
    residual = ((p - fit.predict([1, 2, 4, 8, 16])) ** 2).sum()
    # The spread about the mean 0.5: 0.16 + 0 + 0.01 + 0.09 + 0.04 = 0.3.
    assert fit.r2 == pytest.approx(1 - residual / 0.3)


@pytest.mark.parametrize(
    ("compute", "accuracy", "problem"),
    [
        ([1, 2, 3], [0.1, 0.2, 0.3], "3 points"),
        ([0, 1, 2, 3], [0.1, 0.2, 0.3, 0.4], "3 points"),
        ([1, 2, 2, 3], [0.1, 0.2, 0.3, 0.4], "3 points"),
        ([1, 2, 3, 4], [10.0, 20.0, 30.0, 40.0], "fractions between 0 and 1"),
        ([1, 2, 3, 4], [0.1, 0.2, 0.3], "4 compute values do not match 3"),
        ([1, 2, 3, 4], [0.1, 0.2, 0.3, float("nan")], "3 points"),
    ],
)
def test_points_that_cannot_be_fitted_are_explained(compute, accuracy, problem):
    with pytest.raises(UserError, match=problem):
        fit_power_law(compute, accuracy)


def test_many_curves_are_fitted_as_each_would_be_alone():
    curves = np.stack([curve(0.3, 0.5, 0.7), curve(0.2, 1.1, 0.6), np.linspace(0.2, 0.9, 7), np.full(7, 0.5)])
    fits = fit_power_laws(FLOPS, curves)
    alone = [fit_power_law(FLOPS, row) for row in curves]
    assert fits.alpha == pytest.approx([fit.alpha for fit in alone])
    assert fits.p_star == pytest.approx([fit.p_star for fit in alone])
    assert fits.at_bound.tolist() == [False, False, True, True] == [fit.at_bound for fit in alone]
    at = [1e19, 1e21]
    assert fits.predict(at) == pytest.approx(np.stack([fit.predict(at) for fit in alone]))


def test_memory_is_bounded_without_a_change_of_the_numbers(monkeypatch):
    curves = np.stack([curve(0.3, 0.1 * n, 0.7) for n in range(2, 9)])
    whole = fit_power_laws(FLOPS, curves)
    monkeypatch.setattr("rpt_core.analysis.scaling._CURVES_AT_ONCE", 3)
    parts = fit_power_laws(FLOPS, curves)
    assert whole.alpha.tolist() == parts.alpha.tolist()
    assert whole.p_star.tolist() == parts.p_star.tolist()


def test_a_curve_is_extrapolated_where_its_points_determine_it():
    found = extrapolate(FLOPS, curve(0.3, 0.5, 0.7), [1e22, 1e40])
    assert found == pytest.approx([0.7 - 0.3 * 10**-2.0, 0.7], abs=1e-5)


@pytest.mark.parametrize(
    ("compute", "accuracy", "reason"),
    [
        ([1, 2, 4], [0.1, 0.2, 0.3], "Too few .* 3 points"),
        (FLOPS, np.linspace(0.2, 0.9, 7), r"P\* lies at its bound of 100%"),
        (FLOPS, np.linspace(0.5, 0.01, 7) ** 2, r"P\* lies at its bound of 0%"),
        ([1.0, 10.0, 20.0, 30.0, 40.0], [0.1, 0.6, 0.6, 0.6, 0.6], "alpha lies at its bound of 10"),
        (FLOPS, 0.3 + 0.005 * np.log(FLOPS / 1e18), "alpha lies at its bound of 0.01"),
        (FLOPS, [0.5] * 7, "the accuracies do not vary"),
    ],
)
def test_an_extrapolation_that_nothing_supports_is_refused_with_its_reason(compute, accuracy, reason):
    with pytest.raises(UserError, match=reason):
        extrapolate(compute, accuracy, 1e30)


def test_the_error_at_the_last_point_is_that_of_the_curve_through_the_others():
    accuracy = curve(0.3, 0.5, 0.7)
    accuracy[-1] -= 0.02
    assert held_out_error(FLOPS, accuracy) == pytest.approx(0.02, abs=1e-5)
    # The order of the points does not matter, and points without compute are left out.
    assert held_out_error([*FLOPS[::-1], 0.0], [*accuracy[::-1], 0.1]) == pytest.approx(0.02, abs=1e-5)


def test_the_error_at_the_last_point_needs_one_point_more_than_a_fit():
    with pytest.raises(UserError, match="3 points"):
        held_out_error(FLOPS[:4], curve(0.3, 0.5, 0.7)[:4])


# Accuracy on easy positions of a small run: R2 is 0.985, and the corpus allows about 0.77 at most.
EASY = ([2.8e10, 5.6e10, 1.2e11, 2.5e11, 3.7e11, 5e11], [0.534, 0.613, 0.69, 0.717, 0.711, 0.721])


def test_a_high_r2_does_not_hide_that_the_limit_is_open():
    fit = fit_power_law(*EASY)
    assert fit.r2 > 0.97
    assert not fit.at_bound
    assert not fit.is_determined
    assert fit.p_star_low < 0.72 < 0.87 < fit.p_star_high
    assert fit.remark().startswith("the points do not determine this curve: P* from 0.")


def test_a_curve_that_has_reached_its_limit_is_determined():
    noise = np.array([1, -1, 1, -1, 1, -1, 1]) * 1e-3
    fit = fit_power_law(FLOPS, curve(0.3, 1.5, 0.7) + noise)
    assert fit.is_determined
    assert 0.69 < fit.p_star_low < 0.7 < fit.p_star_high < 0.71
    assert fit.remark() == f"P* within {fit.p_star_low:.3f} to {fit.p_star_high:.3f}"


def test_the_profile_interval_holds_what_fits_within_the_noise_and_nothing_else():
    noise = np.array([1, -1, -1, 1, 1, -1, 1]) * 4e-3
    p = curve(0.3, 1.0, 0.7) + noise
    fit = fit_power_law(FLOPS, p)

    def error(p_star):  # by a search of its own, over alpha and A at once
        alphas = np.exp(np.linspace(np.log(0.01), np.log(10), 4000))[:, None]
        x = (FLOPS / FLOPS[3]) ** -alphas
        slope = (x * (p - p_star)).sum(1) / (x * x).sum(1)
        return ((p - p_star - slope[:, None] * x) ** 2).sum(1).min()

    allowed = error(fit.p_star) * (1 + 7.70865 / 4)  # F(1, 4) at 95 %
    assert error(fit.p_star_low) < 1.02 * allowed
    assert error(fit.p_star_high) < 1.02 * allowed
    assert error(fit.p_star_low - 0.006) > allowed
    assert error(fit.p_star_high + 0.006) > allowed


def test_fewer_positions_leave_the_limit_more_open():
    p = curve(0.3, 1.2, 0.7)
    ranges = [fit_power_law(FLOPS, p, positions) for positions in (None, 100_000, 1_000, 50)]
    widths = [fit.p_star_high - fit.p_star_low for fit in ranges]
    assert widths == sorted(widths)
    assert widths[0] < 0.01 < 0.1 < widths[-1]
    assert [fit.is_determined for fit in ranges] == [True, True, True, False]


def test_a_steep_law_with_a_huge_factor_is_fine_where_the_points_determine_it():
    compute = np.array([2e10, 4e10, 8e10, 1.6e11, 3.2e11, 6.4e11])
    fit = fit_power_law(compute, 0.74 - 1.34e15 / compute**1.55, 700)
    assert pytest.approx(-1.34e15, rel=0.1) == fit.A
    assert fit.is_determined


def test_four_points_determine_little():
    noise = np.array([1, -1, 1, -1]) * 4e-3
    fit = fit_power_law(FLOPS[:4], curve(0.3, 1.0, 0.7)[:4] + noise)  # one degree of freedom
    assert not fit.is_determined


@pytest.mark.parametrize(("p", "bound"), [(np.linspace(0.2, 0.9, 7), "P* lies at"), (np.full(7, 0.5), "do not vary")])
def test_the_remark_on_a_fit_at_its_bound_names_the_bound(p, bound):
    fit = fit_power_law(FLOPS, p)
    assert not fit.is_determined
    assert fit.remark().startswith("the points do not determine this curve: ")
    assert bound in fit.remark()
