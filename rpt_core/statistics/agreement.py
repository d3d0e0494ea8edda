"""How far people agree who label the same things.

In: ratings, each what one reviewer said of one item; people may have looked at different items. Out: percent
agreement, Cohen's kappa for two of them, Krippendorff's alpha for all, each with its n and, where a number has no
meaning, with the reason in words.

Percent agreement tells nothing about chance: two people who call nearly all things sound agree nearly always. Kappa and
alpha are 1 where all agree, 0 where agreement is what chance gives, below 0 where it is less.

Alpha (Krippendorff 2019, chapter 12) takes any number of reviewers and gaps. The distance between two labels depends on
what they are: `nominal`, names; `ordinal`, ranks; `interval`, numbers; `sets`, several labels at once. For sets it is
MASI (Passonneau 2006): {a, b} against {a} is a smaller disagreement than against {c}, which a comparison of whole sets
would miss, and one number says it; `alpha_by_label` says which labels are to blame, each taken as named or not named.

Intervals are percentile bootstraps over items, since the reviews of one item belong together.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Measure = Literal["nominal", "ordinal", "interval", "sets"]
DRAWS = 1000
FEWEST_ITEMS = 3
"""With fewer that two people looked at, a bootstrap over items says nothing."""
NO_RATING = "Nothing has been reviewed yet."
ONE_REVIEWER = "Only one person has reviewed, so there is nobody to compare with."
NO_OVERLAP = "No two people have reviewed the same item, so there is nothing to compare."
ALL_ALIKE = "Everybody gave the same label to everything, so agreement cannot be told from chance: this has no value."
_Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Rating:
    """What one reviewer said of one item: a name, a number, or for `sets` a frozenset of names."""

    item: Hashable
    reviewer: str
    value: Any


@dataclass(frozen=True)
class Coefficient:
    """A measure of agreement; without a value, `why` says in a sentence what it lacks."""

    value: float | None
    items: int
    """Items that at least two people have looked at."""
    pairs: int
    """Pairs of ratings of the same item."""
    low: float | None = None
    high: float | None = None
    why: str = ""


def percent_agreement(ratings: Iterable[Rating]) -> Coefficient:
    """The share, from 0 to 1, of all pairs of ratings of the same item that are alike."""
    found = list(ratings)
    shared = _shared(found)
    pairs = [(a.value, b.value) for rated in shared for a, b in combinations(rated, 2)]
    if not pairs:
        return _without_value(found)
    return Coefficient(sum(a == b for a, b in pairs) / len(pairs), len(shared), len(pairs))


def cohen_kappa(ratings: Iterable[Rating], one: str, other: str) -> Coefficient:
    """Cohen's kappa (1960) of two reviewers, over the items that both have looked at; labels are names."""
    found = [rating for rating in ratings if rating.reviewer in (one, other)]
    pairs = [(a.value, b.value) for rated in _shared(found) for a, b in [_ordered(rated, one)]]
    if not pairs:
        return _without_value(found)
    n = len(pairs)
    of_one, of_other = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    agreed = sum(a == b for a, b in pairs) / n
    by_chance = sum(of_one[value] * of_other[value] for value in of_one) / n**2
    if by_chance == 1:
        return Coefficient(None, n, n, why=ALL_ALIKE)
    return Coefficient((agreed - by_chance) / (1 - by_chance), n, n)


def krippendorff_alpha(
    ratings: Iterable[Rating], measure: Measure = "nominal", *, draws: int = DRAWS, seed: int = 0
) -> Coefficient:
    """Alpha over all reviewers with its bootstrap interval over items (95 %).

    A draw in which all labels are alike has no alpha and is left out; without half of the draws there is no interval.
    """
    from krippendorff import alpha

    found = list(ratings)
    shared = _shared(found)
    if not shared:
        return _without_value(found)
    domain = _domain(shared, measure)
    counts = _counts(shared, domain)
    told = Coefficient(None, len(shared), sum(len(rated) * (len(rated) - 1) // 2 for rated in shared))
    if len(domain) < 2:
        return replace(told, why=ALL_ALIKE)
    if measure == "sets":
        between = _masi_distances(domain)
        value = alpha(value_counts=counts, level_of_measurement=lambda v1, v2, i1, i2, n_v, dtype: between[i1, i2])
    else:
        level = _level(domain, measure)
        value = alpha(value_counts=counts, value_domain=level, level_of_measurement=measure)
    low, high = _bootstrap(counts, domain, measure, draws, seed)
    return replace(told, value=float(value), low=low, high=high)


def alpha_by_label(
    ratings: Iterable[Rating], labels: Sequence[str], *, draws: int = DRAWS, seed: int = 0
) -> dict[str, Coefficient]:
    """Of each label by itself: whether people agree on where it holds. Values are names, or frozensets of them."""
    found = list(ratings)
    return {
        label: krippendorff_alpha(
            (replace(rating, value=int(_holds(rating.value, label))) for rating in found), draws=draws, seed=seed
        )
        for label in labels
    }


def agreement_by_reviewer(ratings: Iterable[Rating]) -> dict[str, Coefficient]:
    """Of each reviewer: the share of comparisons with others, at the same items, in which both said the same."""
    found = list(ratings)
    alike: Counter[str] = Counter()
    compared: Counter[str] = Counter()
    items: Counter[str] = Counter()
    for rated in _shared(found):
        items.update(rating.reviewer for rating in rated)
        for a, b in combinations(rated, 2):
            compared.update((a.reviewer, b.reviewer))
            if a.value == b.value:
                alike.update((a.reviewer, b.reviewer))
    names = sorted({rating.reviewer for rating in found})
    return {
        name: Coefficient(alike[name] / compared[name], items[name], compared[name])
        if compared[name]
        else Coefficient(None, 0, 0, why=ONE_REVIEWER if len(names) == 1 else NO_OVERLAP)
        for name in names
    }


def kappa_of_pairs(ratings: Iterable[Rating]) -> dict[tuple[str, str], Coefficient]:
    """Cohen's kappa of every two reviewers, in the order of their names."""
    found = list(ratings)
    names = sorted({rating.reviewer for rating in found})
    return {(one, other): cohen_kappa(found, one, other) for one, other in combinations(names, 2)}


def confusion(ratings: Iterable[Rating], labels: Sequence[Any]) -> list[list[int]]:
    """How often two people gave which two labels to the same item, each pair counted once.

    (labels, labels); symmetric, but for the diagonal each disagreement stands in both of its cells.
    """
    place = {label: index for index, label in enumerate(labels)}
    table = [[0] * len(labels) for _ in labels]
    for rated in _shared(list(ratings)):
        for a, b in combinations(rated, 2):
            if a.value not in place or b.value not in place:
                continue
            row, column = place[a.value], place[b.value]
            table[row][column] += 1
            if row != column:
                table[column][row] += 1
    return table


def masi_distance(a: frozenset[Any], b: frozenset[Any]) -> float:
    """1 - Jaccard x monotonicity: 0 for equal sets, 1 for those with nothing in common (Passonneau 2006)."""
    if a == b:
        return 0.0
    common = len(a & b)
    if not common:
        return 1.0
    monotonicity = 2 / 3 if a <= b or b <= a else 1 / 3
    return 1 - common / len(a | b) * monotonicity


def _shared(ratings: Iterable[Rating]) -> list[list[Rating]]:
    """By item, those that at least two people have rated; of one person's several ratings of an item the last."""
    by_item: defaultdict[Hashable, dict[str, Rating]] = defaultdict(dict)
    for rating in ratings:
        by_item[rating.item][rating.reviewer] = rating
    return [list(rated.values()) for rated in by_item.values() if len(rated) > 1]


def _without_value(ratings: Sequence[Rating]) -> Coefficient:
    people = {rating.reviewer for rating in ratings}
    why = NO_RATING if not people else ONE_REVIEWER if len(people) == 1 else NO_OVERLAP
    return Coefficient(None, 0, 0, why=why)


def _ordered(rated: Sequence[Rating], one: str) -> Sequence[Rating]:
    return rated if rated[0].reviewer == one else rated[::-1]


def _holds(value: Any, label: str) -> bool:
    return label in value if isinstance(value, frozenset) else value == label


def _domain(shared: Sequence[Sequence[Rating]], measure: Measure) -> list[Any]:
    """The values there are: numbers by size, others in a fixed order."""
    values = {rating.value for rated in shared for rating in rated}
    return sorted(values) if measure in ("ordinal", "interval") else sorted(values, key=_written)


def _written(value: Any) -> Any:
    return sorted(map(str, value)) if isinstance(value, frozenset) else str(value)


def _counts(shared: Sequence[Sequence[Rating]], domain: Sequence[Any]) -> NDArray[np.int64]:
    """(items, values): how many people gave which value."""
    place: Mapping[Any, int] = {value: index for index, value in enumerate(domain)}
    counts = np.zeros((len(shared), len(domain)), dtype=np.int64)
    for row, rated in enumerate(shared):
        for rating in rated:
            counts[row, place[rating.value]] += 1
    return counts


def _level(domain: Sequence[Any], measure: Measure) -> NDArray[Any]:
    """The values as the package wants them; names are told apart by their places."""
    return np.arange(len(domain)) if measure == "nominal" else np.asarray(domain, dtype=np.float64)


def _masi_distances(domain: Sequence[frozenset[Any]]) -> _Numbers:
    return np.array([[masi_distance(a, b) for b in domain] for a in domain])


def _bootstrap(
    counts: NDArray[np.int64], domain: Sequence[Any], measure: Measure, draws: int, seed: int
) -> tuple[float | None, float | None]:
    """Percentile interval of alpha when items are drawn with replacement: alpha is a function of the sum of the items'
    coincidences, so each draw is one row of weights."""
    items, values = counts.shape
    if items < FEWEST_ITEMS or draws == 0:
        return None, None
    outer = counts[:, :, None] * counts[:, None, :] - counts[:, :, None] * np.eye(values)
    coincidences = outer / (counts.sum(axis=1) - 1)[:, None, None]
    generator = np.random.default_rng(seed)
    weights = generator.multinomial(items, np.full(items, 1 / items), size=draws)
    drawn = (weights @ coincidences.reshape(items, -1)).reshape(draws, values, values)
    found = np.array([_alpha_of(drawn[index], domain, measure) for index in range(draws)])
    found = found[np.isfinite(found)]
    if len(found) < draws / 2:
        return None, None
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def _alpha_of(coincidences: _Numbers, domain: Sequence[Any], measure: Measure) -> float:
    """Alpha of a coincidence matrix (values, values); not a number where all labels are alike."""
    totals = coincidences.sum(axis=0)
    distances = _distances(domain, measure, totals)
    expected = (np.outer(totals, totals) - np.diag(totals)) * distances
    disagreement = expected.sum() / (totals.sum() - 1)
    return float(1 - (coincidences * distances).sum() / disagreement) if disagreement > 0 else float("nan")


def _distances(domain: Sequence[Any], measure: Measure, totals: _Numbers) -> _Numbers:
    if measure == "sets":
        return _masi_distances(domain)
    if measure == "nominal":
        return 1 - np.eye(len(domain))
    if measure == "interval":
        numbers = np.asarray(domain, dtype=np.float64)
        return np.asarray((numbers[:, None] - numbers[None, :]) ** 2)
    middles = np.cumsum(totals) - totals / 2
    return np.asarray((middles[:, None] - middles[None, :]) ** 2)
