"""Preferences of two: counted, with an interval, an exact test and a check of the order."""

from __future__ import annotations

import pytest
from scipy.stats import binomtest

from rpt_core.statistics.intervals import wilson_interval
from rpt_core.statistics.preferences import Ballot, preference, sign_test


def votes(**counts):
    """One vote for each item; the second stands on the left in every other one."""
    chosen = [choice for choice, times in counts.items() for _ in range(times)]
    return [Ballot(item, choice, ("first", "second")[item % 2]) for item, choice in enumerate(chosen)]


@pytest.mark.parametrize(("one", "other"), [(0, 1), (3, 3), (2, 9), (14, 6), (40, 61), (500, 560)])
def test_the_sign_test_is_that_of_scipy(one, other):
    assert sign_test(one, other) == pytest.approx(binomtest(one, one + other).pvalue)


def test_with_one_vote_for_each_item_it_is_wilsons_interval_of_the_decided_ones():
    found = preference(votes(first=6, second=14, tie=3, both_bad=2))
    assert (found.first, found.second, found.tie, found.both_bad, found.votes, found.items) == (6, 14, 3, 2, 25, 25)
    assert found.share == 0.7
    assert (found.low, found.high) == pytest.approx(wilson_interval(14, 20))
    assert found.p == pytest.approx(0.1153182983398437)  # 2 x (C(20,0) + ... + C(20,6)) / 2^20
    assert (found.first_items, found.second_items, found.even_items) == (6, 14, 0)


def test_several_votes_at_an_item_count_as_what_they_are():
    """Ten items of three people who always agree tell no more than ten votes; the interval says so."""
    alike = [Ballot(item, "second" if item < 7 else "first", "first") for item in range(10) for _ in range(3)]
    found = preference(alike)
    assert found.share == 0.7
    assert (found.low, found.high) == pytest.approx(wilson_interval(7, 10))
    assert found.p == sign_test(3, 7)
    assert found.decided == 30


def test_an_item_of_which_people_are_of_two_minds_counts_for_neither():
    found = preference([Ballot("x", "first", "first"), Ballot("x", "second", "first"), Ballot("y", "second", "second")])
    assert (found.first_items, found.second_items, found.even_items, found.p) == (0, 1, 1, 1.0)
    assert found.share == 0.75


def test_the_left_side_is_noticed_when_it_is_chosen_too_often():
    always_left = [Ballot(item, side, side) for item in range(20) for side in [("first", "second")[item % 2]]]
    found = preference(always_left)
    assert (found.share, found.bias.left, found.bias.decided) == (0.5, 20, 20)
    assert found.bias.p < 0.001
    assert found.p == 1


def test_without_a_decided_vote_there_is_no_share():
    found = preference(votes(tie=2, both_bad=1))
    assert (found.share, found.low, found.high, found.p, found.bias.p) == (None, None, None, None, None)
    assert preference([]).votes == 0
