"""Agreement: published examples, tables worked out by hand, and what has no value said in words."""

from __future__ import annotations

import pytest

from rpt_core.statistics import agreement
from rpt_core.statistics.agreement import (
    Rating,
    agreement_by_reviewer,
    alpha_by_label,
    cohen_kappa,
    confusion,
    kappa_of_pairs,
    krippendorff_alpha,
    masi_distance,
    percent_agreement,
)

# Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), part C: 4 observers, 12 units, gaps.
PUBLISHED = {
    "A": [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    "B": [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    "C": [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    "D": [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
}
# The same paper, part A: two observers, ten units, two values.
TWO = {"Meg": [0, 1, 0, 0, 0, 0, 0, 0, 1, 0], "Owen": [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]}


def ratings(table):
    return [
        Rating(unit, who, value) for who, row in table.items() for unit, value in enumerate(row) if value is not None
    ]


def of_two(pairs):
    """What a and b said of one item after the other."""
    return [rating for item, (a, b) in enumerate(pairs) for rating in (Rating(item, "a", a), Rating(item, "b", b))]


def sets(*pairs):
    return of_two([(frozenset(a), frozenset(b)) for a, b in pairs])


@pytest.mark.parametrize(("measure", "value"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_alpha_is_that_of_the_published_example(measure, value):
    found = krippendorff_alpha(ratings(PUBLISHED), measure)
    assert found.value == pytest.approx(value, abs=5e-4)
    assert found.low < found.value < found.high <= 1
    assert (found.items, found.pairs) == (11, 8 * 6 + 2 * 3 + 1)  # 8 units have four values, 2 three, 1 two


def test_alpha_of_two_observers_is_the_published_one():
    assert krippendorff_alpha(ratings(TWO)).value == pytest.approx(0.095, abs=5e-4)


@pytest.mark.parametrize("measure", ["nominal", "ordinal", "interval"])
def test_a_draw_of_every_item_once_gives_alpha_itself(measure):
    """The bootstrap's own arithmetic against the package's."""
    shared = agreement._shared(ratings(PUBLISHED))
    domain = agreement._domain(shared, measure)
    counts = agreement._counts(shared, domain)
    outer = counts[:, :, None] * counts[:, None, :] - counts[:, :, None] * agreement.np.eye(len(domain))
    whole = (outer / (counts.sum(axis=1) - 1)[:, None, None]).sum(axis=0)
    expected = krippendorff_alpha(ratings(PUBLISHED), measure).value
    assert agreement._alpha_of(whole, domain, measure) == pytest.approx(expected)


def test_the_interval_is_the_same_for_the_same_seed():
    one, same, other = (krippendorff_alpha(ratings(PUBLISHED), seed=seed) for seed in (1, 1, 2))
    assert one == same
    assert one.low != other.low or one.high != other.high


def test_kappa_is_that_of_a_table_worked_out_by_hand():
    """Cohen's kappa of 50 proposals: both yes 20, both no 15, 5 and 10 apart: (0.7 - 0.5) / (1 - 0.5)."""
    table = [("yes", "yes")] * 20 + [("yes", "no")] * 5 + [("no", "yes")] * 10 + [("no", "no")] * 15
    given = of_two(table)
    assert cohen_kappa(given, "a", "b").value == pytest.approx(0.4)
    assert percent_agreement(given).value == pytest.approx(0.7)
    assert kappa_of_pairs(given)["a", "b"] == cohen_kappa(given, "b", "a")
    assert confusion(given, ["yes", "no"]) == [[20, 15], [15, 15]]


def test_percent_agreement_counts_pairs_and_each_reviewers_own():
    given = [Rating("x", who, value) for who, value in (("a", 1), ("b", 1), ("c", 2))]
    given += [Rating("y", "a", 1), Rating("y", "c", 1), Rating("z", "b", 2)]
    assert percent_agreement(given).value == pytest.approx(2 / 4)
    by_reviewer = {name: (found.value, found.pairs) for name, found in agreement_by_reviewer(given).items()}
    assert by_reviewer == {"a": (2 / 3, 3), "b": (1 / 2, 2), "c": (1 / 3, 3)}


def test_masi_tells_a_part_from_something_else():
    ab, a, c, bc = (frozenset(text) for text in ("ab", "a", "c", "bc"))
    assert masi_distance(ab, ab) == 0
    assert masi_distance(ab, a) == pytest.approx(1 - 1 / 2 * 2 / 3)
    assert masi_distance(ab, bc) == pytest.approx(1 - 1 / 3 * 1 / 3)
    assert masi_distance(ab, c) == 1


def test_alpha_of_sets_is_worked_out_by_hand_and_each_label_by_itself():
    """Two items, {a} {a} and {a} {a, b}: Do = 2/4 d, De = (2 * 3 * 1) / (4 * 3) d, so alpha is 0 whatever d is."""
    given = sets(("a", "a"), ("a", "ab"))
    assert krippendorff_alpha(given, "sets").value == pytest.approx(0)
    near, far = sets(("a", "a"), ("c", "c"), ("a", "ab")), sets(("a", "a"), ("c", "c"), ("a", "c"))
    assert krippendorff_alpha(near, "sets").value > krippendorff_alpha(far, "sets").value
    found = alpha_by_label(near, ["a", "b"])
    assert found["a"].value == 1
    assert found["b"].value == pytest.approx(0)


def test_names_need_no_order():
    given = of_two([("x", "x"), ("y", "y")])
    assert krippendorff_alpha(given).value == 1


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ([], agreement.NO_RATING),
        ([Rating(1, "a", "x"), Rating(2, "a", "y")], agreement.ONE_REVIEWER),
        ([Rating(1, "a", "x"), Rating(2, "b", "y")], agreement.NO_OVERLAP),
    ],
)
def test_without_anything_to_compare_it_says_why(given, why):
    for found in (percent_agreement(given), krippendorff_alpha(given), cohen_kappa(given, "a", "b")):
        assert (found.value, found.low, found.items, found.why) == (None, None, 0, why)


def test_where_all_is_alike_only_percent_agreement_has_a_value():
    given = [Rating(item, who, "x") for item in range(5) for who in "ab"]
    assert percent_agreement(given).value == 1
    assert krippendorff_alpha(given).why == cohen_kappa(given, "a", "b").why == agreement.ALL_ALIKE
    assert krippendorff_alpha(given).value is None


def test_few_items_have_no_interval():
    given = [Rating(1, "a", "x"), Rating(1, "b", "y"), Rating(2, "a", "x"), Rating(2, "b", "x")]
    found = krippendorff_alpha(given)
    assert (found.items, found.low, found.high) == (2, None, None)
