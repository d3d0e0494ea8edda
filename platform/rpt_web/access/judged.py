"""What people said of groups of responses, for lists of groups across runs: as far as the reader may see it.

Reviews of responses and of whole groups count, once they are submitted. Of a group that the reader has something of to
review yet, or could take their last review of back, their own alone do: neither a list nor a count tells what others
said of it, in whatever queue. While pairs wait for them, that holds for all groups of the two steps that are compared.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from django.db import connection
from django.db.models import Max, OuterRef, Q, QuerySet, Subquery

from rpt_web.access.review import undecided_items
from rpt_web.access.roles import Actor, roles_of, teams_to_change
from rpt_web.access.work import runs_for
from rpt_web.prepared import Given, Prepared
from rpt_web.review.models import ItemKind, Review, ReviewItem, ReviewQueue
from rpt_web.review.questions import ReviewQuestion, from_stored
from rpt_web.teams.models import User
from rpt_web.traces import group_lists
from rpt_web.traces.group_filters import DISPUTE, Condition, GroupFilters

MOST_VALUES = 12
"""Labels, and reviewers, that counts name."""
MOST_VERSIONS = 50
"""Of label sets, the newest, whose labels are offered."""
COUNTED_KINDS = (ItemKind.RESPONSE, ItemKind.GROUP)
_GROUP = ("run", "step", "rollout_kind", "group")
_PLACE = tuple(f"item__{name}" for name in _GROUP)
_BLIND = (*_GROUP, "kind", "document", "position", "queue")
_QUESTIONS = """
    SELECT questions::text FROM review_labelsetversion WHERE id IN (
        SELECT version_id FROM review_reviewqueue WHERE team_id = ANY(%s) AND kind <> 'pair'
    ) ORDER BY id DESC LIMIT %s
"""
_UNDECIDED = Prepared(lambda: undecided_items(Given("user"), Given("teams")).values_list(*_BLIND))
_SAME_AS = {
    "unnest(%s::bigint[], %s::int[], %s::text[], %s::int[])": 'run_id, step, rollout_kind, "group"',
    "unnest(%s::text[], %s::int[])": "document, position",
    "unnest(%s::bigint[], %s::int[], %s::text[])": "run_id, step, rollout_kind",
}
_HIDDEN = [
    f"SELECT i.id FROM {given} w ({names}) JOIN review_reviewitem i USING ({names})"
    " JOIN review_reviewqueue q ON q.id = i.queue_id WHERE q.team_id = ANY(%s) AND i.submitted > 0"
    for given, names in _SAME_AS.items()
]
"""Items with the groups, at the positions, of the steps. Each is asked by itself: joined by OR, all items are read."""


def judged(user: Actor, filters: GroupFilters) -> GroupFilters:
    """The filters with what the user may see of reviews, where they ask for any."""
    return replace(filters, judged=_judged(user, filters)) if filters.asks_for_reviews else filters


def labels_offered(user: Actor) -> dict[str, str]:
    """Labels that queues of the user's teams ask for, `question:value` -> words (1 query)."""
    with connection.cursor() as cursor:
        cursor.execute(_QUESTIONS, [[team.pk for team in roles_of(user)], MOST_VERSIONS])
        versions = [questions for (questions,) in cursor.fetchall()]
    found: dict[str, tuple[str, str]] = {}
    for questions in reversed(versions):
        found |= _labels_in(questions)
    often = Counter(title for title, _ in found.values())
    return {key: title if often[title] == 1 else f"{title} ({asked})" for key, (title, asked) in found.items()}


def reviewers_offered(user: Actor) -> list[str]:
    """Who has submitted a review that the user may know of, by name (at most 4 queries)."""
    one = _reviews(user, _hidden_items(user)).filter(reviewer=OuterRef("pk")).order_by("-submitted_at").values("pk")[:1]
    # Postgres finds each person's newest review by an index; for EXISTS it would read them all. `exclude(one=None)`
    # would not do: Django drops it for a user without teams, who would then get everybody's name.
    found = User.objects.annotate(one=Subquery(one)).filter(one__isnull=False).order_by("username")
    return list(found.values_list("username", flat=True))


def judged_counts(user: Actor, filters: GroupFilters) -> dict[str, dict[str, int]]:
    """How many groups of a list have a label and a reviewer, the most frequent ones, and how many are disputed.

    By `label`, `reviewer` and `disputed`.
    """
    labels = labels_offered(user)
    if not labels:
        return {}
    hidden = _hidden_items(user)
    items, of_items = _items(user).filter(submitted__gt=0).values(*_GROUP, "pk", "dispute").query.sql_with_params()
    of_groups = group_lists.all_of(runs_for(user), filters, _KEPT_COLUMNS, (f"JOIN places v ON {_SAME_GROUP}", []))
    reviews = _submitted(user, hidden).order_by()
    said, of_reviews = reviews.values("item", "answers", "reviewer").query.sql_with_params()
    with connection.cursor() as cursor:
        values = [hidden, *of_items, *of_groups[1], *of_reviews, list(labels)]
        cursor.execute(_COUNTS.format(items=items, source=of_groups[0], said=said), values)
        by_label, by_reviewer, disputed = cursor.fetchone()
    counted = dict(by_reviewer or ())
    names = User.objects.filter(pk__in=counted).values_list("pk", "username")
    by_name = sorted(((name, counted[pk]) for pk, name in names), key=lambda found: (-found[1], found[0]))
    return {"label": dict(by_label or ()), "reviewer": dict(by_name), "disputed": {"1": disputed}}


def _judged(user: Actor, filters: GroupFilters) -> Condition:
    needs_dispute, hidden = filters.disputed or filters.column == DISPUTE, _hidden_items(user)
    if needs_dispute and not (filters.reviewer or filters.label):
        return _disputed(user, hidden)
    rows = _reviews(user, hidden, with_own=not needs_dispute)
    if needs_dispute:
        rows = rows.filter(item__dispute__gt=0)
    if filters.reviewer:
        rows = rows.filter(reviewer__username=filters.reviewer)
    if filters.label:
        rows = rows.filter(_has_label(*filters.label.split(":")))
    found = rows.order_by().values(*_PLACE).annotate(dispute=Max("item__dispute"))
    sql, values = found.query.sql_with_params()
    return sql, list(values)


def _disputed(user: Actor, hidden: list[int]) -> Condition:
    """All that is disputed, without a look at the reviews: what was never submitted has no dispute."""
    rows = _items(user).filter(dispute__gt=0)
    found = rows.exclude(pk__in=hidden).values(*_GROUP).annotate(dispute=Max("dispute"))
    sql, values = found.query.sql_with_params()
    return sql, list(values)


def _items(user: Actor) -> QuerySet[ReviewItem]:
    """Responses and groups in queues of the user's teams, without an order."""
    teams = list(roles_of(user))
    return ReviewItem.objects.filter(queue__team__in=teams, kind__in=COUNTED_KINDS).order_by()


def _reviews(user: Actor, hidden: list[int], *, with_own: bool = True) -> QuerySet[Review]:
    """Submitted reviews of responses and groups that the user may know of. with_own: also their own of hidden items."""
    teams = list(roles_of(user))
    known = _submitted(user, hidden, with_own=with_own)
    return known.filter(item__queue__team__in=teams, item__kind__in=COUNTED_KINDS)


def _submitted(user: Actor, hidden: list[int], *, with_own: bool = True) -> QuerySet[Review]:
    """Of all items, whosever: for `_reviews`, and for who joins the rows to `_items`."""
    rows = Review.objects.exclude(submitted_at=None)
    if not hidden:
        return rows
    return rows.filter(Q(reviewer=user.pk or 0) | ~Q(item__in=hidden) if with_own else ~Q(item__in=hidden))


def _hidden_items(user: Actor) -> list[int]:
    """Items whose group, position or step the user has something of to review, in whatever queue (at most 3 queries).

    All of it at once: asked of each review it would take seconds.
    """
    found = _UNDECIDED.rows(user=user.pk or 0, teams=[team.pk for team in teams_to_change(user)])
    blind = [dict(zip(_BLIND, row, strict=True)) for row in found]
    groups = [tuple(row[name] for name in _GROUP) for row in blind if row["kind"] in COUNTED_KINDS]
    of_positions = [row for row in blind if row["kind"] == ItemKind.POSITION and row["position"] is not None]
    positions = [(row["document"], row["position"]) for row in of_positions]
    steps = _compared({row["queue"] for row in blind if row["kind"] == ItemKind.PAIR})
    asked = [(sql, rows) for sql, rows in zip(_HIDDEN, (groups, positions, steps), strict=True) if rows]
    if not asked:
        return []
    teams = [team.pk for team in roles_of(user)]
    values = [value for _, rows in asked for value in (*map(list, zip(*rows, strict=True)), teams)]
    with connection.cursor() as cursor:
        cursor.execute(" UNION ".join(sql for sql, _ in asked), values)
        return [pk for (pk,) in cursor.fetchall()]


def _compared(queues: Collection[int]) -> list[tuple[int, int, str]]:
    """Run, step and kind of both sides of queues of pairs."""
    sources = ReviewQueue.objects.filter(pk__in=queues).values_list("source", flat=True) if queues else ()
    sides = [side for source in sources for side in (source.get("first"), source.get("second")) if side]
    return [(side["run"], side["step"], side["kind"]) for side in sides]


def _has_label(question: str, value: str) -> Q:
    values: list[Any] = [value, [value]] + ([int(value)] if value.isdecimal() else [])
    found = Q()
    for one in values:
        found |= Q(answers__contains={question: one})
    return found


@lru_cache(maxsize=4 * MOST_VERSIONS)
def _labels_in(questions: str) -> Mapping[str, tuple[str, str]]:
    """Of the questions of a version, as JSON: see `_labels_of`."""
    found: dict[str, tuple[str, str]] = {}
    for question in from_stored(json.loads(questions)):
        found |= _labels_of(question)
    return MappingProxyType(found)


def _labels_of(question: ReviewQuestion) -> dict[str, tuple[str, str]]:
    """`question:value` -> title of the label, name of the question."""
    if question.kind == "scale":
        titles = {str(number): f"{question.title} {number}" for number in question.numbers}
    else:
        titles = {label.value: label.title for label in question.labels}
    return {f"{question.name}:{value}": (title, question.name) for value, title in titles.items()}


_SAME_GROUP = 'v.run_id = g.run_id AND v.step = g.step AND v.kind = g.kind AND v.place = g."group"'
_KEPT_COLUMNS = "g.id, v.items, v.is_disputed"
_EACH = (
    "jsonb_each(answers) AS answer CROSS JOIN LATERAL jsonb_array_elements_text("
    "CASE jsonb_typeof(answer.value) WHEN 'array' THEN answer.value ELSE jsonb_build_array(answer.value) END) AS one"
)
_OFTEN = "SELECT json_agg(json_build_array(name, n) ORDER BY n DESC, name) FROM ({}) AS often"
_BY = (
    "SELECT name, count(*) AS n FROM (SELECT DISTINCT {} AS name, id FROM {}) AS each"
    f" GROUP BY 1 ORDER BY n DESC LIMIT {MOST_VALUES}"
)
_NAMED = "given JOIN named USING (answers) CROSS JOIN LATERAL unnest(ids) AS id"
_COUNTS = (
    "WITH places (run_id, step, kind, place, items, is_disputed) AS MATERIALIZED ("
    'SELECT run, step, rollout_kind, "group", array_agg(pk), bool_or(dispute > 0 AND pk <> ALL(%s::bigint[]))'
    " FROM ({items}) AS item GROUP BY 1, 2, 3, 4),"
    " kept AS MATERIALIZED ({source}),"
    " told AS MATERIALIZED (SELECT id, answers, reviewer FROM kept JOIN ({said}) AS said ON item = ANY(items)),"
    " given AS MATERIALIZED (SELECT answers, array_agg(id) AS ids FROM told GROUP BY answers),"
    f" named AS MATERIALIZED (SELECT DISTINCT answers, answer.key || ':' || one AS label FROM given CROSS JOIN LATERAL"
    f" {_EACH} WHERE answer.key || ':' || one = ANY(%s))"
    f" SELECT ({_OFTEN.format(_BY.format('label', _NAMED))}),"
    f" ({_OFTEN.format(_BY.format('reviewer', 'told'))}),"
    " (SELECT count(DISTINCT id) FROM kept WHERE is_disputed)"
)
"""Few groups of a list have reviews, so each of these is looked up once, with its items: a review then needs only its
item's id. Most reviews give the same few answers, so labels are read once for each different answer."""
