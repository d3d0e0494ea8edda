"""Comments: who reads and who writes them.

Whoever sees an experiment reads the comments on it, its runs and their responses, also those of a team that it is
shared with; only the team's own members write. Comments on a position are read and written within one team.
What people change and take back is their own; an administrator may take back anybody's.

What others wrote on a response, or a position, that the user has yet to review, or could still take, is nowhere to be
seen before they have submitted it.
"""

from __future__ import annotations

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from rpt_web.access.reports import get_report_or_404
from rpt_web.access.review import blind_items
from rpt_web.access.roles import (
    Actor,
    can_administer,
    can_change,
    found_or_404,
    refusal,
    require_change,
    roles_of,
    seen,
)
from rpt_web.access.work import experiments_for, get_experiment_or_404, get_rollout_or_404, get_run_or_404
from rpt_web.comments.models import Comment
from rpt_web.comments.subjects import Subject
from rpt_web.review.models import ItemKind, ReviewItem
from rpt_web.traces.models import IDS_OF_A_STEP, CorpusPosition, ResponseGroup


def comments_for(user: Actor) -> QuerySet[Comment]:
    """Comments that the user may read, oldest first; of what they have yet to review, their own alone."""
    teams = [team.pk for team in roles_of(user)]
    of_teams = seen(user, "experiment", "experiment__") | Q(experiment=None, team__in=teams)  # on positions and reports
    of_items = Q(rollout__isnull=False) | Q(position__isnull=False)
    yet_to_review = _response_to_review(user) | _position_to_review(user)
    found = Comment.objects.filter(of_teams, ~of_items | Q(author=user.pk or 0) | ~yet_to_review)
    return found.select_related("author", "resolved_by").order_by("id")


def _response_to_review(user: Actor) -> Q:
    """Of comments on responses: those on an item, of a pair, of a group that the user has yet to submit."""
    items = ReviewItem.objects.filter(blind_items(user))
    first = items.filter(run=OuterRef("run"), rollout_id=OuterRef("rollout"))
    second = items.filter(other_run=OuterRef("run"), other_rollout_id=OuterRef("rollout"))
    of_group = {"step": OuterRef("step"), "kind": OuterRef("rollout_kind"), "group": OuterRef("group")}
    # By the group's row: to plan a query, Postgres looks at the responses of every run, which have tables of their own.
    response = OuterRef(OuterRef("rollout"))
    one = ResponseGroup.objects.filter(run_id=OuterRef("run_id"), first_rollout__lte=response, **of_group)
    one = one.filter(first_rollout__gt=response - F("samples"))
    step = OuterRef("rollout") / IDS_OF_A_STEP  # else all groups of the run are read for each comment
    group = items.filter(Exists(one), kind=ItemKind.GROUP, run=OuterRef("run"), step=step)
    return Q(Exists(first)) | Q(Exists(second)) | Q(Exists(group))


def _position_to_review(user: Actor) -> Q:
    """Of comments on positions: those on one that the user has yet to submit."""
    return Q(Exists(ReviewItem.objects.filter(blind_items(user), place=OuterRef("position"))))


def comments_on(user: Actor, subject: Subject, *, is_hidden: bool) -> QuerySet[Comment]:
    """Those on one thing, which the user must be known to see, oldest first.

    is_hidden: whether the user has yet to review it (`is_blind_on`), and so reads their own alone.
    """
    found = Comment.objects.filter(**subject.fields).select_related("author", "resolved_by").order_by("id")
    if subject.experiment is None:
        found = found.filter(team__in=list(roles_of(user)))
    return found.filter(author=user.pk or 0) if is_hidden else found


def can_comment(user: Actor, team_id: int) -> bool:
    """Whether the user writes comments on what belongs to this team, and settles threads."""
    return can_change(user, team_id)


def can_edit_comment(user: Actor, comment: Comment) -> bool:
    """Whether the user may change its text."""
    is_own = comment.author_id is not None and comment.author_id == user.pk
    return is_own and comment.deleted_at is None and can_change(user, comment.team_id)


def can_delete_comment(user: Actor, comment: Comment) -> bool:
    """Whether the user may take it back."""
    if comment.deleted_at is not None:
        return False
    return can_edit_comment(user, comment) or can_administer(user, comment.team_id)


def get_comment_or_404(user: Actor, comment_id: int, *, to_answer: bool = False) -> Comment:
    """A comment that the user may read. Raises Http404, or PermissionDenied for who may not write there."""
    rows = comments_for(user).filter(pk=comment_id).select_related("run", "experiment", "position")
    comment = found_or_404(rows, "comment", comment_id, "It may be deleted.")
    if to_answer:
        require_change(user, comment.team_id)
    return comment


def get_own_comment_or_404(user: Actor, comment_id: int, *, to_delete: bool = False) -> Comment:
    """A comment that the user may change, or take back. Raises as `get_comment_or_404`."""
    comment = get_comment_or_404(user, comment_id, to_answer=True)
    if not (can_delete_comment if to_delete else can_edit_comment)(user, comment):
        raise refusal(user, f"Only {comment.author or 'its author'} changes this comment. Reply to it instead.")
    return comment


def get_subject_or_404(
    user: Actor,
    *,
    experiment_id: int | None = None,
    run_id: int | None = None,
    rollout_id: int | None = None,
    position_id: int | None = None,
    report_id: int | None = None,
    team_id: int = 0,
) -> Subject:
    """What a comment is to be about, for somebody who may write there. Raises Http404, or PermissionDenied.

    team_id: whose comment on a position it is.
    """
    if run_id is not None:
        run = get_run_or_404(user, run_id)
        if rollout_id is not None:
            get_rollout_or_404(user, run_id, rollout_id)
        subject = Subject(run.experiment, run, rollout_id)
    elif experiment_id is not None:
        subject = Subject(get_experiment_or_404(user, experiment_id))
    elif report_id is not None:
        subject = Subject(report=report_id, of_team=get_report_or_404(user, report_id).team_id)
    else:
        rows = CorpusPosition.objects.filter(pk=position_id or 0, groups__experiment__in=experiments_for(user))
        found = found_or_404(rows, "position", position_id or 0, "A response leads to its position.")
        subject = Subject(position=found, of_team=team_id)
    require_change(user, subject.team_id)
    return subject
