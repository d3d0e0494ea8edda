"""Teams, people, and what is somebody's own: tokens, browsers, identities, notices."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.db import connection
from django.db.models import Q, QuerySet

from rpt_web.access.comments import comments_for
from rpt_web.access.roles import (
    Actor,
    can_administer,
    can_manage,
    found_or_404,
    missing,
    refusal,
    require_change,
    roles_of,
)
from rpt_web.access.work import experiments_for
from rpt_web.notices.models import Notice
from rpt_web.teams.models import (
    ApiToken,
    Browser,
    Identity,
    Invitation,
    Membership,
    Team,
)

_UNREAD = """
    SELECT n.id, e.id, e.team_id, n.comment_id, q.team_id FROM (
        SELECT id, run_id, experiment_id, comment_id, queue_id FROM notices_notice
        WHERE user_id = %s AND read_at IS NULL ORDER BY id DESC LIMIT %s
    ) n
    LEFT JOIN runs_run r ON r.id = n.run_id
    LEFT JOIN runs_experiment e ON e.id = COALESCE(r.experiment_id, n.experiment_id)
    LEFT JOIN review_reviewqueue q ON q.id = n.queue_id
    ORDER BY n.id DESC
"""


def get_team_or_404(user: Actor, team_id: int, *, to_change: bool = False, to_administer: bool = False) -> Team:
    """A team the user is in. Raises Http404, or PermissionDenied when the role there is not enough."""
    team = next((team for team in roles_of(user) if team.pk == team_id), None)
    if team is None:
        raise missing("team", team_id, "The list of teams shows them.")
    if to_change:
        require_change(user, team.pk)
    if to_administer and not can_administer(user, team.pk):
        raise refusal(user, "Only an administrator of the team decides who is in it. Ask one of them.")
    return team


def get_person_or_404(user: Actor, team: Team, person_id: int, *, to_manage: bool = False) -> Membership:
    """Somebody of a team that the user administers. Raises Http404, or PermissionDenied.

    `to_manage` asks for their account, which is more than their place in this team.
    """
    rows = team.memberships.select_related("user").filter(user=person_id)
    found = found_or_404(rows, "person", person_id, "The team's page shows who is in it.")
    if to_manage and not can_manage(user, found.user):
        raise PermissionDenied(
            f"{found.user} is in a team that you do not administer, or administers the server. Ask a server "
            "administrator."
        )
    return found


def get_invitation_or_404(team: Team, invitation_id: int) -> Invitation:
    """An open invitation to a team that the user administers. Raises Http404."""
    return found_or_404(Invitation.open_ones().filter(team=team, pk=invitation_id), "invitation", invitation_id)


def get_token_or_404(user: Actor, token_id: int) -> ApiToken:
    """One of the user's own tokens. Raises Http404."""
    return found_or_404(ApiToken.objects.filter(user=user.pk or 0, pk=token_id), "token", token_id)


def get_identity_or_404(user: Actor, identity_id: int) -> Identity:
    """One of the user's own identities elsewhere. Raises Http404."""
    found: Identity = found_or_404(Identity.objects.filter(user=user.pk or 0, pk=identity_id), "identity", identity_id)
    return found


def get_browser_or_404(user: Actor, browser_id: int) -> Browser:
    """One of the browsers in which the user has logged in. Raises Http404."""
    return found_or_404(Browser.objects.filter(user=user.pk or 0, pk=browser_id), "browser", browser_id)


def notices_for(user: Actor) -> QuerySet[Notice]:
    """The user's inbox, newest first: what is about something that they may still see."""
    seen = experiments_for(user)  # as subqueries: with joins the query took 5 s on the platform of benchmarks/pages.py
    about = Q(run=None, experiment=None, comment=None) | Q(run__experiment__in=seen) | Q(experiment__in=seen)
    about |= Q(comment__in=comments_for(user))
    of_queue = Q(queue=None) | Q(queue__team__in=list(roles_of(user)))
    return Notice.objects.filter(about, of_queue, user=user.pk or 0).order_by("-id")


def count_unread(user: Actor, most: int) -> int:
    """How many notices of the user's inbox are unread, up to `most`."""
    return len(unread_keys(user, most))


def unread_keys(user: Actor, most: int) -> list[int]:
    """The newest unread notices of the user's inbox by their ids, newest first, up to `most`.

    Every page counts them, and writing and planning the query of `notices_for` takes longer than the rest of many a
    page: what the newest unread notices are about is looked up instead.
    """
    with connection.cursor() as cursor:
        cursor.execute(_UNREAD, [user.pk or 0, most])
        about = cursor.fetchall()
    teams = {team.pk for team in roles_of(user)}
    seen = {experiment for _, experiment, team, _, _ in about if team in teams}
    if shared := {experiment for _, experiment, _, _, _ in about if experiment} - seen:
        seen |= set(experiments_for(user).filter(pk__in=shared).values_list("pk", flat=True))
    written = {comment for _, _, _, comment, _ in about if comment}
    read = set(comments_for(user).filter(pk__in=written).values_list("pk", flat=True)) if written else set()
    keys = [
        key
        for key, experiment, _, comment, queue in about
        if (experiment is comment is None or experiment in seen or comment in read)
        and (queue is None or queue in teams)
    ]
    if len(about) < most or len(keys) == most:
        return keys
    return list(notices_for(user).filter(read_at=None).values_list("pk", flat=True)[:most])  # some may not be seen


def get_notice_or_404(user: Actor, notice_id: int) -> Notice:
    """A notice in the user's inbox. Raises Http404."""
    return found_or_404(notices_for(user).filter(pk=notice_id), "notice", notice_id, "The inbox shows them.")
