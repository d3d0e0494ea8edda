"""Counts in words."""

import pytest

from rpt_core.analysis.scaling import fit_power_law
from rpt_core.errors import UserError
from rpt_core.words import counted


@pytest.mark.parametrize(("number", "expected"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (12_000, "12,000 rows")])
def test_one_of_a_thing_is_told_in_the_singular(number, expected):
    assert counted(number, "row") == expected


def test_one_point_of_a_curve_is_one_point():
    with pytest.raises(UserError, match="1 point with different compute"):
        fit_power_law([1e9, 1e9], [0.4, 0.5])
