"""What people said of groups of responses, for lists of groups across runs: as far as the reader may see it.

Reviews of responses and of whole groups count, once they are submitted. Of a group that the reader has something of to
review yet, their own alone do: neither a list nor a count tells what others said of it, in whatever queue. While pairs
wait for them, that holds for all groups of the two steps that are compared.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from django.db import connection
from django.db.models import Exists, Max, OuterRef, Q, QuerySet

from rpt_web.access.review import blind_items
from rpt_web.access.roles import Actor, roles_of
from rpt_web.access.work import runs_for
from rpt_web.review.models import ItemKind, LabelSetVersion, Review, ReviewItem, ReviewQueue
from rpt_web.review.questions import ReviewQuestion, from_stored
from rpt_web.traces import group_lists
from rpt_web.traces.group_filters import DISPUTE, Condition, GroupFilters

MOST_VALUES = 12
"""Labels, and reviewers, that counts name."""
MOST_VERSIONS = 50
"""Of label sets, the newest, whose labels are offered."""
_PLACE = ("item__run", "item__step", "item__rollout_kind", "item__group")


def judged(user: Actor, filters: GroupFilters) -> GroupFilters:
    """The filters with what the user may see of reviews, where they ask for any."""
    return replace(filters, judged=_judged(user, filters)) if filters.asks_for_reviews else filters


def labels_offered(user: Actor) -> dict[str, str]:
    """Labels that queues of the user's teams ask for, `question:value` -> words (1 query)."""
    asked = ReviewQueue.objects.filter(team__in=list(roles_of(user))).exclude(kind=ItemKind.PAIR)
    versions = LabelSetVersion.objects.filter(pk__in=asked.values("version")).order_by("-pk")[:MOST_VERSIONS]
    found: dict[str, tuple[str, str]] = {}
    for version in reversed(versions):
        for question in from_stored(version.questions):
            found |= _labels_of(question)
    often = Counter(title for title, _ in found.values())
    return {key: title if often[title] == 1 else f"{title} ({asked})" for key, (title, asked) in found.items()}


def reviewers_offered(user: Actor) -> list[str]:
    """Who has submitted a review that the user may know of, by name (1 query)."""
    rows = _reviews(user).order_by("reviewer__username")
    return list(rows.values_list("reviewer__username", flat=True).distinct())


def judged_counts(user: Actor, filters: GroupFilters) -> dict[str, dict[str, int]]:
    """How many groups of a list have a label and a reviewer, the most frequent ones, and how many are disputed.

    By `label`, `reviewer` and `disputed`; at most 4 queries.
    """
    labels = labels_offered(user)
    if not labels:
        return {}
    reviews = _reviews(user).values(*_PLACE, "answers", "reviewer__username")
    disputed = (
        _reviews(user, with_own=False).filter(item__dispute__gt=0).values(*_PLACE, "answers", "reviewer__username")
    )
    by_label, by_reviewer, _ = _counted(user, filters, reviews, list(labels))
    return {"label": by_label, "reviewer": by_reviewer, "disputed": {"1": _counted(user, filters, disputed, [])[2]}}


def _judged(user: Actor, filters: GroupFilters) -> Condition:
    needs_dispute = filters.disputed or filters.column == DISPUTE
    rows = _reviews(user, with_own=not needs_dispute)
    if needs_dispute:
        rows = rows.filter(item__dispute__gt=0)
    if filters.reviewer:
        rows = rows.filter(reviewer__username=filters.reviewer)
    if filters.label:
        rows = rows.filter(_has_label(*filters.label.split(":")))
    found = rows.order_by().values(*_PLACE).annotate(dispute=Max("item__dispute"))
    sql, values = found.query.sql_with_params()
    return sql, list(values)


def _reviews(user: Actor, *, with_own: bool = True) -> QuerySet[Review]:
    """Submitted reviews of responses and groups that the user may know of. with_own: also where they are blind."""
    blind = ReviewItem.objects.filter(blind_items(user))
    of_group = blind.filter(**{name.removeprefix("item__"): OuterRef(name) for name in _PLACE})
    at_position = {"document": OuterRef("item__document"), "position": OuterRef("item__position")}
    hidden = Exists(of_group) | Exists(blind.filter(kind=ItemKind.POSITION, **at_position)) | _in_pairs(blind)
    seen = Q(reviewer=user.pk or 0) | ~hidden if with_own else ~hidden
    kinds = (ItemKind.RESPONSE, ItemKind.GROUP)
    rows = Review.objects.filter(seen, item__queue__team__in=list(roles_of(user)), item__kind__in=kinds)
    return rows.exclude(submitted_at=None)


def _in_pairs(blind: QuerySet[ReviewItem]) -> Q:
    """Items of the steps that pairs compare which the user has yet to judge (1 query)."""
    queues = ReviewQueue.objects.filter(kind=ItemKind.PAIR, pk__in=blind.filter(kind=ItemKind.PAIR).values("queue"))
    found = Q(pk__in=[])
    for source in queues.values_list("source", flat=True):
        for side in (source.get("first"), source.get("second")):
            if side:
                found |= Q(item__run=side["run"], item__step=side["step"], item__rollout_kind=side["kind"])
    return found


def _has_label(question: str, value: str) -> Q:
    values: list[Any] = [value, [value]] + ([int(value)] if value.isdecimal() else [])
    found = Q()
    for one in values:
        found |= Q(answers__contains={question: one})
    return found


def _labels_of(question: ReviewQuestion) -> dict[str, tuple[str, str]]:
    """`question:value` -> title of the label, name of the question."""
    if question.kind == "scale":
        titles = {str(number): f"{question.title} {number}" for number in question.numbers}
    else:
        titles = {label.value: label.title for label in question.labels}
    return {f"{question.name}:{value}": (title, question.name) for value, title in titles.items()}


def _counted(
    user: Actor, filters: GroupFilters, reviews: Any, labels: list[str]
) -> tuple[dict[str, int], dict[str, int], int]:
    """Groups by label, by reviewer, and all of them, of a list with these reviews."""
    review_sql, review_values = reviews.order_by().query.sql_with_params()
    source, values = group_lists.all_of(runs_for(user), filters, "g.id, v.answers, v.reviewer", _REVIEWS)
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS.format(reviews=review_sql, source=source), [*review_values, *values, labels])
        by_label, by_reviewer, groups = cursor.fetchone()
    return dict(by_label or ()), dict(by_reviewer or ()), groups


_REVIEWS = 'JOIN v ON v.run_id = g.run_id AND v.step = g.step AND v.kind = g.kind AND v.place = g."group"'
_EACH = (
    "jsonb_each(answers) AS answer CROSS JOIN LATERAL jsonb_array_elements_text("
    "CASE jsonb_typeof(answer.value) WHEN 'array' THEN answer.value ELSE jsonb_build_array(answer.value) END) AS one"
)
_OFTEN = "SELECT json_agg(json_build_array(name, n) ORDER BY n DESC, name) FROM ({}) AS often"
_BY = f"SELECT {{}} AS name, count(DISTINCT id) AS n FROM found {{}} GROUP BY 1 ORDER BY n DESC LIMIT {MOST_VALUES}"
_LABELS = _BY.format("answer.key || ':' || one", f"CROSS JOIN LATERAL {_EACH} WHERE answer.key || ':' || one = ANY(%s)")
_COUNTS = (
    "WITH v (run_id, step, kind, place, answers, reviewer) AS MATERIALIZED ({reviews}),"
    " found AS MATERIALIZED ({source}) SELECT"
    f" ({_OFTEN.format(_LABELS)}), ({_OFTEN.format(_BY.format('reviewer', ''))}),"
    " (SELECT count(DISTINCT id) FROM found)"
)
