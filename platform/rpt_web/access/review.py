"""Label sets, queues, items and reviews: who sees what of them, and when.

They belong to a team and are not shared with others. Whoever has yet to submit an item sees nothing that others said of
it, in whatever queue, nor, where the queue is blind, its reward and its run: not on its page, not in an export, not by
the API. Whoever could still take an item of a queue that is open to all has yet to submit it.
"""

from __future__ import annotations

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery

from rpt_web.access.roles import Actor, found_or_404, refusal, require_change, role_in, roles_of, teams_to_change
from rpt_web.prepared import Given, Prepared
from rpt_web.review.models import ItemKind, LabelSet, Review, ReviewItem, ReviewQueue
from rpt_web.teams.models import Role
from rpt_web.traces.models import CorpusPosition, ResponseGroup, Rollout


def label_sets_for(user: Actor) -> QuerySet[LabelSet]:
    """Label sets of the teams that the user is in, by name."""
    teams = list(roles_of(user))
    return LabelSet.objects.filter(team__in=teams).select_related("created_by", "team").order_by("name", "id")


def get_label_set_or_404(user: Actor, label_set_id: int, *, to_change: bool = False) -> LabelSet:
    """One that the user may see. Raises Http404, or PermissionDenied when it is to be changed and may not be."""
    found = found_or_404(label_sets_for(user).filter(pk=label_set_id), "label set", label_set_id)
    if to_change:
        require_change(user, found.team_id)
    return found


def queues_for(user: Actor) -> QuerySet[ReviewQueue]:
    """Queues of the teams that the user is in, newest first."""
    found = ReviewQueue.objects.filter(team__in=list(roles_of(user)))
    return found.select_related("team", "created_by", "version__label_set").order_by("-id")


def can_manage_queue(user: Actor, queue: ReviewQueue) -> bool:
    """Whether the user may close the queue and import labels: who made it, or administers the team."""
    role = role_in(user, queue.team_id)
    return role == Role.ADMINISTRATOR or (role == Role.MEMBER and queue.created_by_id == user.pk)


def get_queue_or_404(user: Actor, queue_id: int, *, to_review: bool = False, to_manage: bool = False) -> ReviewQueue:
    """A queue that the user may see. Raises Http404, or PermissionDenied for who may not review, or manage it."""
    queue = found_or_404(queues_for(user).filter(pk=queue_id), "queue", queue_id, "The page Review shows them.")
    if to_review or to_manage:
        require_change(user, queue.team_id)
    if to_manage and not can_manage_queue(user, queue):
        raise refusal(
            user,
            f"Only {queue.created_by or 'an administrator'}, who made the queue, or an administrator of the team does "
            "this. Ask one of them.",
        )
    return queue


def get_item_or_404(user: Actor, item_id: int, *, to_review: bool = False) -> ReviewItem:
    """An item of a queue that the user may see. Raises Http404, or PermissionDenied for who may not review it."""
    rows = ReviewItem.objects.filter(queue__in=queues_for(user), pk=item_id)
    item = found_or_404(
        rows.select_related("queue__team", "queue__version__label_set", "run__experiment", "place"),
        "item",
        item_id,
        "The page of a queue leads to them.",
    )
    if to_review:
        require_change(user, item.queue.team_id)
    return item


def blind_items(user: Actor) -> Q:
    """Of a few items: those that the user has yet to submit, or could still take."""
    return _blind(user.pk or 0, _teams(user))


def _blind(user: int | Given, teams: list[int] | Given) -> Q:
    return _is_begun(user) | _could_take(user, teams)


def _blind_among_many(user: Actor) -> Q:
    """The same, for whole queues."""
    return Q(pk__in=_any_of(*_parts(user)).values("pk"))


def _parts(user: Actor) -> tuple[Q, Q]:
    return _is_begun(user.pk or 0), _could_take(user.pk or 0, _teams(user))


def _teams(user: Actor) -> list[int]:
    return [team.pk for team in teams_to_change(user)]


def _is_begun(user: int | Given) -> Q:
    own = Review.objects.filter(item=OuterRef("pk"), reviewer=user, submitted_at=None)
    return Q(Exists(own), queue__closed_at=None)


def _could_take(user: int | Given, teams: list[int] | Given) -> Q:
    of_queue = Q(queue__closed_at=None, queue__is_open_to_all=True, queue__team__among=teams)
    own = Review.objects.filter(item=OuterRef("pk"), reviewer=user)
    return of_queue & Q(~Exists(own), submitted__lt=F("wanted"))


def could_take_back(user: int | Given) -> Q:
    """Of items: those whose review a user could still change: the last one of each open queue, until they are shown
    what others said of it."""
    own = Review.objects.filter(reviewer=user).exclude(submitted_at=None)
    # As `reviews.take_back` has it: labels that were imported have one time.
    newest = own.filter(item__queue=OuterRef("pk")).order_by("-submitted_at", "-id").values("pk")[:1]
    last = ReviewQueue.objects.filter(closed_at=None).order_by().annotate(last=Subquery(newest)).values("last")
    return Q(pk__in=Review.objects.filter(pk__in=last, seen_at=None).values("item"))


def undecided_items(user: int | Given, teams: list[int] | Given) -> QuerySet[ReviewItem]:
    """Those that a user has yet to submit, could still take, or could still take back; without an order. teams: in
    which they may change things."""
    return _any_of(_is_begun(user), _could_take(user, teams), could_take_back(user))


def _any_of(*parts: Q) -> QuerySet[ReviewItem]:
    """Items for which one of these holds. Each is looked up by itself: joined by OR, all are asked of each item."""
    first, *others = (ReviewItem.objects.filter(part).order_by() for part in parts)
    return first.union(*others)


def is_blind(user: Actor, item: ReviewItem) -> bool:
    """Whether the user must not see what others said of an item yet."""
    return ReviewItem.objects.filter(blind_items(user), pk=item.pk).exists()


def hidden_items(user: Actor, queue: ReviewQueue) -> list[int]:
    """Items of a queue of which the user must not see what others said: they have yet to submit it, or another one, in
    whatever queue, with the same response, group or position (2 queries)."""
    items, blind = ReviewItem.objects.filter(queue=queue).order_by(), ReviewItem.objects.filter(_blind_among_many(user))
    found, waiting = [items.filter(_blind_among_many(user))], _kinds_to_review(user)
    for kind, other, same in _SAME:
        if kind == queue.kind and other in waiting:
            with_it = blind.filter(kind=other, **{own: OuterRef(theirs) for own, theirs in same.items()})
            found.append(items.filter(Exists(with_it)))
    first, *others = (part.values_list("pk", flat=True) for part in found)
    return list(first.union(*others))


def hides_labels(user: Actor, item: ReviewItem) -> bool:
    """Whether what others said of an item must not be seen, also because of another item (1 query)."""
    found = Q(pk=item.pk)
    for kind, other, same in _SAME:
        if kind == item.kind:
            values = {own: item.serializable_value(theirs) for own, theirs in same.items()}
            found |= Q(kind=other, **values)
    return ReviewItem.objects.filter(blind_items(user), found).exists()


def _kinds_to_review(user: Actor) -> set[str]:
    """Kinds of the queues in which something may wait for the user (1 query)."""
    own = Review.objects.filter(item__queue=OuterRef("pk"), reviewer=user.pk or 0, submitted_at=None)
    waits = Q(Exists(own)) | Q(is_open_to_all=True, team__in=teams_to_change(user))
    return set(ReviewQueue.objects.filter(waits, closed_at=None).order_by().values_list("kind", flat=True))


_FIRST, _SECOND = ("run", "rollout_id"), ("other_run", "other_rollout_id")
_GROUP, _PLACE = ("run", "step", "rollout_kind", "group"), ("place",)
_SAME: list[tuple[str, str, dict[str, str]]] = [
    (kind, other, dict(zip(own, theirs, strict=True)))
    for kind, other, own, theirs in (
        (ItemKind.RESPONSE, ItemKind.RESPONSE, _FIRST, _FIRST),
        (ItemKind.RESPONSE, ItemKind.PAIR, _FIRST, _FIRST),
        (ItemKind.RESPONSE, ItemKind.PAIR, _SECOND, _FIRST),
        (ItemKind.RESPONSE, ItemKind.GROUP, _GROUP, _GROUP),
        (ItemKind.GROUP, ItemKind.RESPONSE, _GROUP, _GROUP),
        (ItemKind.GROUP, ItemKind.PAIR, _GROUP, _GROUP),
        (ItemKind.GROUP, ItemKind.GROUP, _GROUP, _GROUP),
        (ItemKind.POSITION, ItemKind.POSITION, _PLACE, _PLACE),
        (ItemKind.PAIR, ItemKind.RESPONSE, _FIRST, _FIRST),
        (ItemKind.PAIR, ItemKind.RESPONSE, _FIRST, _SECOND),
        (ItemKind.PAIR, ItemKind.GROUP, _GROUP, _GROUP),
        *((ItemKind.PAIR, ItemKind.PAIR, own, theirs) for own in (_FIRST, _SECOND) for theirs in (_FIRST, _SECOND)),
    )
]
"""When two items are about the same: the kinds of the one and of the other, and what they have in common: fields of the
other -> fields of the one."""


def is_blind_in(user: Actor, queue: ReviewQueue) -> bool:
    """Whether something of the queue is left that the user must review without knowing more."""
    return ReviewItem.objects.filter(_blind_among_many(user), queue=queue).exists()


def hides_origin(user: Actor, item: ReviewItem, blind: bool | None = None) -> bool:
    """Whether run and reward of an item must not be seen. Of pairs, until all of the user's are done: whoever knows one
    of them knows how either run writes. blind: `is_blind`, from who has asked for it."""
    if item.kind == ItemKind.PAIR:
        return is_blind_in(user, item.queue)
    return item.queue.is_blind and (is_blind(user, item) if blind is None else blind)


def seen_reviews(user: Actor, queue: ReviewQueue, hidden: list[int] | None = None) -> QuerySet[Review]:
    """Submitted reviews of a queue, those of items that the user is not blind for; the user's own always.

    Of pairs none before all of the user's are done, for what is stored says which response was meant.
    hidden: `hidden_items`, from who needs them, too.
    """
    if queue.kind == ItemKind.PAIR and is_blind_in(user, queue):
        return Review.objects.none()
    found = Review.objects.filter(item__queue=queue)
    if hidden is None:
        hidden = hidden_items(user, queue)
    if hidden:
        found = found.filter(Q(reviewer=user.pk or 0) | ~Q(item__in=hidden))
    return found.exclude(submitted_at=None).select_related("item__place", "reviewer")


def reviews_of(user: Actor, item: ReviewItem) -> QuerySet[Review]:
    """What was submitted of an item, as far as the user may see it."""
    if item.kind == ItemKind.PAIR and is_blind_in(user, item.queue):
        return Review.objects.none()
    found = Review.objects.filter(item=item).exclude(submitted_at=None).select_related("item__place", "reviewer")
    return found.filter(reviewer=user.pk or 0) if hides_labels(user, item) else found


def is_blind_on(user: Actor, thing: Rollout | CorpusPosition) -> bool:
    """Whether what others said of a response, or a position, must not be seen yet (1 query)."""
    if isinstance(thing, CorpusPosition):
        return bool(_BLIND_AT.rows(1, place=thing.pk, user=user.pk or 0, teams=_teams(user)))
    return ReviewItem.objects.filter(blind_items(user), _about(thing)).exists()


def should_not_know(user: Actor, thing: Rollout | CorpusPosition) -> bool:
    """Whether the user has an item with this response, or at this position, whose reward and run are hidden from them
    until they submit it (1 query). Who could merely take such an item may know."""
    if isinstance(thing, CorpusPosition):
        return bool(_UNKNOWN_AT.rows(1, place=thing.pk, user=user.pk or 0))
    about = _about(thing) | Q(place__in=_group_of(thing).values("position"))
    return ReviewItem.objects.filter(_unknown(user.pk or 0), about).exists()


def _unknown(user: int | Given) -> Q:
    own = Review.objects.filter(reviewer=user, submitted_at=None)
    pairs = Q(Exists(own.filter(item__queue=OuterRef("queue"))), kind=ItemKind.PAIR)  # as `hides_origin` has it
    hidden = pairs | Q(Exists(own.filter(item=OuterRef("pk"))), queue__is_blind=True)
    return hidden & Q(queue__closed_at=None)


def _about(thing: Rollout) -> Q:
    """Of items: those on a response, a pair with it, its group."""
    one = Q(run=thing.run_id, rollout_id=thing.id) | Q(other_run=thing.run_id, other_rollout_id=thing.id)
    group = {"run": thing.run_id, "step": thing.step, "rollout_kind": thing.kind, "group": thing.group}
    return one | Q(kind=ItemKind.GROUP, **group)


def _group_of(rollout: Rollout) -> QuerySet[ResponseGroup]:
    rows = ResponseGroup.objects.filter(run=rollout.run_id, step=rollout.step, kind=rollout.kind, group=rollout.group)
    return rows.exclude(position=None)


def _at_place(wanted: Q) -> QuerySet[ReviewItem, tuple[int]]:
    return ReviewItem.objects.filter(wanted, place=Given("place")).order_by().values_list("pk")


_BLIND_AT = Prepared(lambda: _at_place(_blind(Given("user"), Given("teams"))))
_UNKNOWN_AT = Prepared(lambda: _at_place(_unknown(Given("user"))))
"""The page of a position asks both."""
