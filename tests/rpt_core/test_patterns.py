"""Reasoning patterns."""

import math

import pytest

from rpt_core.analysis.patterns import pattern_shares, patterns_in

GROUPS = ["transition", "reflection", "breakdown", "hypothesis", "divergent_thinking", "deduction"]


@pytest.mark.parametrize(
    ("text", "groups"),
    [
        ("Alternatively, think differently.", {"transition"}),
        ("WAIT. My initial answer was wrong", {"reflection"}),
        ("let me break\n  down the sentence", {"breakdown"}),
        ("Let's Break This Down", {"breakdown"}),
        ("probably something like that", {"hypothesis"}),
        ("words, numbers, etc.", {"divergent_thinking"}),
        ("(dots, dashes, etc.) or something", {"divergent_thinking"}),
        ("Otherwise there are options", {"divergent_thinking"}),
        ("In conclusion, finally", {"deduction"}),
        ("Wait, logically it is either", {"reflection", "deduction", "divergent_thinking"}),
        # Whole words only.
        ("waiting, awaited, improbably, neither, optional, etcetera", set()),
        ("concluded", set()),
        ("", set()),
    ],
)
def test_a_group_is_found_by_its_keywords_as_whole_words(text, groups):
    assert patterns_in(text) == groups


def test_shares_are_fractions_of_the_texts_keyed_by_group():
    shares = pattern_shares(["Wait, wait, finally", "wait", "probably", ""])
    assert list(shares) == GROUPS
    assert shares == {**dict.fromkeys(GROUPS, 0.0), "reflection": 0.5, "hypothesis": 0.25, "deduction": 0.25}


def test_no_texts_have_no_shares():
    shares = pattern_shares([])
    assert list(shares) == GROUPS
    assert all(math.isnan(share) for share in shares.values())
