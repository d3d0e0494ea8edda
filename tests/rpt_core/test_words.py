"""Counts in words."""

import pytest

from rpt_core.analysis.scaling import fit_power_law
from rpt_core.errors import UserError
from rpt_core.words import counted, duration


@pytest.mark.parametrize(("number", "expected"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (12_000, "12,000 rows")])
def test_one_of_a_thing_is_told_in_the_singular(number, expected):
    assert counted(number, "row") == expected


def test_one_point_of_a_curve_is_one_point():
    with pytest.raises(UserError, match="1 point with different compute"):
        fit_power_law([1e9, 1e9], [0.4, 0.5])


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0.25, "0.3 s"), (9.949, "9.9 s"), (10.5, "11 s"), (59.5, "1 min 00 s"), (3599.5, "1 h 00 min"), (1e5, "1 d 3 h")],
)
def test_times_are_written_in_their_two_largest_units(seconds, expected):
    assert duration(seconds) == expected
