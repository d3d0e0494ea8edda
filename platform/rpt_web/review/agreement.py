"""How far reviewers agree: counts over what was submitted, and the items that they disagree about.

In: the questions of a queue and the reviews that the reader may see. Out: plain data. One pass over the reviews; a
question with a free text is left out.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from django.db.models import QuerySet

from rpt_core.statistics.intervals import wilson_interval
from rpt_web.review.models import Review
from rpt_web.review.questions import ReviewQuestion

Cell = tuple[int, ...]
MOST_PAIRS = 15
"""Pairs of reviewers that are listed, those with the most common items."""


@dataclass(frozen=True)
class SubmittedReview:
    """A submitted review, as far as agreement needs it."""

    item: int
    number: int
    reward: float | None
    reviewer: str
    answers: Mapping[str, Any]


@dataclass(frozen=True)
class SharedLabels:
    """How often a label was given, and how often both of two reviewers gave it."""

    value: str | int
    title: str
    colour: str
    given: int
    rewarded: int
    of_rewarded: int
    """Reviews of rewarded responses, whatever they said."""
    of_others: int
    pairs: int
    """Pairs of reviews of one item of which at least one gave it."""
    agreed: int

    @property
    def share_of_rewarded(self) -> float | None:
        """How often a rewarded response was called so."""
        return self.rewarded / self.of_rewarded if self.of_rewarded else None

    @property
    def interval_of_rewarded(self) -> tuple[float, float]:
        """Wilson's interval of it, as if reviews were independent."""
        return wilson_interval(self.rewarded, self.of_rewarded)

    @property
    def share_of_others(self) -> float | None:
        """The same of those that earned nothing."""
        return (self.given - self.rewarded) / self.of_others if self.of_others else None

    @property
    def share_agreed(self) -> float | None:
        """Of the pairs with it, those in which both gave it."""
        return self.agreed / self.pairs if self.pairs else None


@dataclass(frozen=True)
class PairOfReviewers:
    """Two reviewers and the items that both looked at."""

    first: str
    second: str
    items: int
    agreed: int

    @property
    def share(self) -> float:
        """Of these items, those about which they agree."""
        return self.agreed / self.items


@dataclass(frozen=True)
class QuestionAgreement:
    """How far reviewers agree about one question."""

    question: ReviewQuestion
    items: int
    """With two reviews or more."""
    pairs: int
    agreed: int
    labels: Sequence[SharedLabels]
    confusion: Sequence[tuple[str, Sequence[int]]]
    """Of each answer, how often the other reviewer gave each; both ways round, so it is symmetric."""
    people: Sequence[PairOfReviewers]

    @property
    def share(self) -> float | None:
        """Of all pairs of reviews of one item, those that say the same."""
        return self.agreed / self.pairs if self.pairs else None

    @property
    def answers(self) -> list[str]:
        """What can be answered, in words."""
        return [name for name, _ in self.confusion]


def submitted_of(reviews: QuerySet[Review]) -> list[SubmittedReview]:
    """Rows of reviews (1 query)."""
    rows = reviews.order_by("item__number", "reviewer__username")
    names = ("item", "item__number", "item__reward", "reviewer__username", "answers")
    return [SubmittedReview(*row) for row in rows.values_list(*names)]


def of_question(question: ReviewQuestion, reviews: Sequence[SubmittedReview]) -> QuestionAgreement:
    """What two people said of the same item, compared for all such pairs."""
    by_item: dict[int, list[tuple[str, Any]]] = defaultdict(list)
    for review in reviews:
        if question.name in review.answers:
            by_item[review.item].append((review.reviewer, _comparable(review.answers[question.name])))
    shared = [said for said in by_item.values() if len(said) > 1]
    pairs = [pair for said in shared for pair in combinations(said, 2)]
    return QuestionAgreement(
        question=question,
        items=len(shared),
        pairs=len(pairs),
        agreed=sum(one == other for (_, one), (_, other) in pairs),
        labels=_labels(question, reviews, pairs),
        confusion=_confusion(question, pairs),
        people=_people(pairs),
    )


def disagreements(questions: Sequence[ReviewQuestion], reviews: Sequence[SubmittedReview]) -> list[int]:
    """Items, by their order in the queue, about which somebody disagrees on some question."""
    said: dict[int, dict[str, set[Any]]] = defaultdict(lambda: defaultdict(set))
    for review in reviews:
        for name, answer in review.answers.items():
            said[review.item][name].add(_comparable(answer))
    names = [question.name for question in questions if question.kind != "text"]
    return [item for item, answers in said.items() if any(len(answers[name]) > 1 for name in names)]


def compared(questions: Sequence[ReviewQuestion]) -> list[ReviewQuestion]:
    """Those about which agreement means something."""
    return [question for question in questions if question.kind != "text"]


def _comparable(answer: Any) -> Any:
    return tuple(answer) if isinstance(answer, list) else answer


def _holds(answer: Any, value: Any) -> bool:
    return value in answer if isinstance(answer, tuple | list) else answer == value


def _values(question: ReviewQuestion) -> list[tuple[Any, str, str]]:
    """(stored, in words, colour) of each label or number."""
    if question.kind == "scale":
        return [(number, str(number), "grey") for number in question.numbers]
    return [(label.value, label.title, label.colour) for label in question.labels]


def _labels(question: ReviewQuestion, reviews: Sequence[SubmittedReview], pairs: Sequence[Any]) -> list[SharedLabels]:
    answered = [review for review in reviews if question.name in review.answers and review.reward is not None]
    rewarded = [review.answers[question.name] for review in answered if (review.reward or 0) > 0]
    others = [review.answers[question.name] for review in answered if not (review.reward or 0) > 0]
    found = []
    for value, title, colour in _values(question):
        both = [(_holds(one, value), _holds(other, value)) for (_, one), (_, other) in pairs]
        of_rewarded = sum(_holds(answer, value) for answer in rewarded)
        given = of_rewarded + sum(_holds(answer, value) for answer in others)
        sizes = (len(rewarded), len(others), sum(map(any, both)), sum(map(all, both)))
        found.append(SharedLabels(value, title, colour, given, of_rewarded, *sizes))
    return found


def _confusion(question: ReviewQuestion, pairs: Iterable[Any]) -> list[tuple[str, list[int]]]:
    """For one label or a number, those that were given; several labels have too many combinations for a table."""
    if question.kind == "several":
        return []
    counts: Counter[tuple[Any, Any]] = Counter()
    for (_, one), (_, other) in pairs:
        counts[one, other] += 1
        counts[other, one] += one != other
    given = {answer for pair in counts for answer in pair}
    values = [value for value in _values(question) if value[0] in given]
    return [(title, [counts[value, other] for other, _, _ in values]) for value, title, _ in values]


def _people(pairs: Iterable[Any]) -> list[PairOfReviewers]:
    said: dict[tuple[str, str], list[tuple[Any, Any]]] = defaultdict(list)
    for first, second in pairs:
        one, other = sorted((first, second), key=lambda each: str(each[0]))
        said[one[0], other[0]].append((one[1], other[1]))
    found = [
        PairOfReviewers(*names, len(answers), sum(one == other for one, other in answers))
        for names, answers in said.items()
    ]
    return sorted(found, key=lambda pair: -pair.items)[:MOST_PAIRS]
