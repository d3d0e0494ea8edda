"""Which of two people prefer, when they see responses of both side by side without knowing which is which.

In: votes, each for one item. Out: how many chose what, the share of decided votes that went to the second with an
interval, an exact sign test, and whether the left side was chosen more often than it should. Standard library only.

Votes at one item belong together: several people look at the same two responses. The share is therefore the mean over
items of the share of their decided votes, its interval is `mean_interval` (Wilson's, with the effective number of
votes), and the sign test counts each item once, for the side that more people chose there. With one vote for each item
these are the share, Wilson's interval and the sign test of the votes themselves. Ties and pairs of which both are bad
decide nothing and are counted beside.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from math import comb
from typing import Literal

from rpt_core.statistics.intervals import mean_interval, wilson_interval

Side = Literal["first", "second"]
Choice = Literal["first", "second", "tie", "both_bad"]


@dataclass(frozen=True)
class Ballot:
    """What one person chose at one item, and which of the two stood on the left."""

    item: Hashable
    choice: Choice
    left: Side


@dataclass(frozen=True)
class OrderBias:
    """How often the left side was chosen, of the decided votes; sides are at random, so it should be half of them."""

    left: int
    decided: int
    low: float
    high: float
    p: float | None
    """Of the exact sign test, two-sided; None without decided votes."""


@dataclass(frozen=True)
class Preference:
    """What came of it. `share`, `low` and `high` are of the second; None while nothing is decided."""

    first: int
    second: int
    tie: int
    both_bad: int
    items: int
    """At which somebody voted."""
    first_items: int
    """At which more people chose the first."""
    second_items: int
    even_items: int
    """Decided votes on both sides, as many on each."""
    share: float | None
    low: float | None
    high: float | None
    p: float | None
    """Of the exact sign test over items, two-sided."""
    bias: OrderBias

    @property
    def votes(self) -> int:
        """All of them."""
        return self.first + self.second + self.tie + self.both_bad

    @property
    def decided(self) -> int:
        """Votes for one of the two."""
        return self.first + self.second


def sign_test(one: int, other: int) -> float | None:
    """The two-sided p of so many against so many where chance gives half; exact. None without any."""
    n = one + other
    if n == 0:
        return None
    tail = sum(comb(n, k) for k in range(min(one, other) + 1))
    return float(min(1.0, 2 * tail / 2**n))


def preference(votes: Iterable[Ballot]) -> Preference:
    """All of it."""
    found = list(votes)
    counts = Counter(vote.choice for vote in found)
    by_item: defaultdict[Hashable, list[Ballot]] = defaultdict(list)
    for vote in found:
        if vote.choice in ("first", "second"):
            by_item[vote.item].append(vote)
    shares = [_share(of_item) for of_item in by_item.values()]
    first_items, second_items = sum(share < 0.5 for share in shares), sum(share > 0.5 for share in shares)
    most = max((len(of_item) for of_item in by_item.values()), default=1)
    low, high = mean_interval(shares, most) if shares else (None, None)
    return Preference(
        first=counts["first"],
        second=counts["second"],
        tie=counts["tie"],
        both_bad=counts["both_bad"],
        items=len({vote.item for vote in found}),
        first_items=first_items,
        second_items=second_items,
        even_items=len(shares) - first_items - second_items,
        share=sum(shares) / len(shares) if shares else None,
        low=low,
        high=high,
        p=sign_test(first_items, second_items),
        bias=_order_bias([vote for of_item in by_item.values() for vote in of_item]),
    )


def _share(votes: Sequence[Ballot]) -> float:
    """Of decided votes: how many went to the second."""
    return sum(vote.choice == "second" for vote in votes) / len(votes)


def _order_bias(decided: Sequence[Ballot]) -> OrderBias:
    left = sum(vote.choice == vote.left for vote in decided)
    low, high = wilson_interval(left, len(decided))
    return OrderBias(left, len(decided), low, high, sign_test(left, len(decided) - left))
