"""Pages of a team: who is in it, who has been invited, and what an administrator decides about somebody.

Everybody of a team sees who is in it. All changes are an administrator's, and go through `teams.membership`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast

from allauth.mfa.models import Authenticator
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from rpt_core.errors import UserError
from rpt_core.words import counted, listed
from rpt_web import access
from rpt_web.pages.addresses import number_asked
from rpt_web.pages.posting import posted_from
from rpt_web.pages.rights import current_team
from rpt_web.pages.teams.forms import InvitationForm, RoleForm, TeamNameForm, TransferForm
from rpt_web.runs import ownership, usage
from rpt_web.teams import membership
from rpt_web.teams.models import Invitation, LoginLink, Membership, Role, Team, User

PER_PAGE = 100


@require_safe
def my_team(request: HttpRequest) -> HttpResponse:
    """To the page of the current team, or to the list where there is none."""
    team = current_team(request)
    return redirect("teams:team_list") if team is None else redirect("teams:team", team.pk)


@require_safe
def team_list(request: HttpRequest) -> HttpResponse:
    """The teams that somebody is in; a server administrator makes new ones here."""
    return _list(request, TeamNameForm())


@posted_from("teams:team_list")
def team_new(request: HttpRequest) -> HttpResponse:
    """Make a team."""
    access.require_server_administrator(request.user)
    form = TeamNameForm(request.POST)
    if form.is_valid():
        try:
            return redirect("teams:team", membership.found(form.cleaned_data["name"]).pk)
        except UserError as error:
            form.add_error("name", str(error))
    return _list(request, form)


def _list(request: HttpRequest, form: TeamNameForm) -> HttpResponse:
    teams = list(access.roles_of(request.user).items())
    used = usage.of_teams([team for team, _ in teams])
    context = {
        "nav": "team",
        "teams": [(team, role, used[team.pk]) for team, role in teams],
        "form": form,
        "may_found": access.is_server_administrator(request.user),
    }
    return render(request, "teams/team_list.html", context, status=422 if form.errors else 200)


@require_safe
def team(request: HttpRequest, team_id: int) -> HttpResponse:
    """Who is in a team, with which role; an administrator invites here."""
    return _team(request, access.get_team_or_404(request.user, team_id))


@posted_from("teams:team")
def team_rename(request: HttpRequest, team_id: int) -> HttpResponse:
    """Give a team another name."""
    found = access.get_team_or_404(request.user, team_id, to_administer=True)
    form = TeamNameForm(request.POST)
    if form.is_valid():
        try:
            membership.rename(found, form.cleaned_data["name"])
            return redirect("teams:team", found.pk)
        except UserError as error:
            form.add_error("name", str(error))
    return _team(request, found, name_form=form)


@posted_from("teams:team")
def invite(request: HttpRequest, team_id: int) -> HttpResponse:
    """Make a link for somebody. The answer shows it, and nothing else ever does."""
    found = access.get_team_or_404(request.user, team_id, to_administer=True)
    form = InvitationForm(request.POST)
    if not form.is_valid():
        return _team(request, found, form=form)
    role, lifetime = Role(form.cleaned_data["role"]), timedelta(days=form.cleaned_data["days"])
    by = cast(User, request.user)
    secret = Invitation.issue(found, role, by, note=form.cleaned_data["note"], lifetime=lifetime)
    link = request.build_absolute_uri(reverse("teams:join", args=[secret]))
    words = f"Give it to one person, who becomes {_with_article(role)}. It works once and is not shown again."
    return _team(request, found, link=link, link_words=words)


@require_POST
def withdraw(request: HttpRequest, team_id: int, invitation_id: int) -> HttpResponse:
    """Make an invitation worth nothing."""
    found = access.get_team_or_404(request.user, team_id, to_administer=True)
    invitation = access.get_invitation_or_404(found, invitation_id)
    invitation.delete()
    messages.success(request, "The invitation was withdrawn; its link no longer works.")
    return redirect("teams:team", found.pk)


def _team(
    request: HttpRequest,
    found: Team,
    *,
    form: InvitationForm | None = None,
    name_form: TeamNameForm | None = None,
    **more: Any,
) -> HttpResponse:
    is_wrong = bool((form and form.errors) or (name_form and name_form.errors))
    may_administer = access.can_administer(request.user, found.pk)
    people, invitations = _people(request, found), _open_invitations(request, found) if may_administer else []
    context = {
        "nav": "team",
        "team": found,
        "people": people[:PER_PAGE],
        "more_people": people[PER_PAGE - 1].user_id if people[PER_PAGE:] else None,
        "server_administrators": User.objects.filter(is_superuser=True, is_active=True).order_by("username"),
        "may_administer": may_administer,
        "invitations": invitations[:PER_PAGE],
        "more_invitations": invitations[PER_PAGE - 1].pk if invitations[PER_PAGE:] else None,
        "usage": usage.of_team(found),
        "is_part": {"after", "before"} & {*request.GET},
        "form": form or InvitationForm(),
        "name_form": name_form or TeamNameForm(initial={"name": found.name}),
    }
    return render(request, "teams/team.html", context | more, status=422 if is_wrong else 200)


def _people(request: HttpRequest, found: Team) -> list[Membership]:
    """Those of the team by name, after the one that the address names; one more than fits."""
    people = found.memberships.select_related("user").order_by("user__username")
    if (after := number_asked(request, "after")) is not None:
        people = people.filter(user__username__gt=User.objects.filter(pk=after).values("username"))
    return list(people[: PER_PAGE + 1])


def _open_invitations(request: HttpRequest, found: Team) -> list[Invitation]:
    """Open invitations, newest first, older than the one that the address names; one more than fits."""
    invitations = Invitation.open_ones().filter(team=found).select_related("invited_by").order_by("-id")
    if (before := number_asked(request, "before")) is not None:
        invitations = invitations.filter(pk__lt=before)
    return list(invitations[: PER_PAGE + 1])


@require_safe
def person(request: HttpRequest, team_id: int, user_id: int) -> HttpResponse:
    """What an administrator decides about somebody of the team."""
    found = access.get_team_or_404(request.user, team_id, to_administer=True)
    return _person(request, found, access.get_person_or_404(request.user, found, user_id))


@posted_from("teams:person")
def person_role(request: HttpRequest, team_id: int, user_id: int) -> HttpResponse:
    """Give somebody another role in the team."""
    found, place = _place(request, team_id, user_id)
    form = RoleForm(request.POST)
    if not form.is_valid():
        return _person(request, found, place, form=form)
    role = Role(form.cleaned_data["role"])
    return _done(
        request,
        lambda: membership.change_role(found, place.user, role),
        f"{place.user} is now {_with_article(role)} of {found}.",
        reverse("teams:person", args=[found.pk, place.user_id]),
    )


@require_POST
def person_remove(request: HttpRequest, team_id: int, user_id: int) -> HttpResponse:
    """Take somebody out of the team; their account stays."""
    found, place = _place(request, team_id, user_id)
    team_page = reverse("teams:team", args=[found.pk])
    return _done(
        request,
        lambda: membership.leave(found, place.user),
        f"{place.user} is no longer in {found}.",
        team_page,
        otherwise=reverse("teams:person", args=[found.pk, place.user_id]),
    )


@posted_from("teams:person")
def person_transfer(request: HttpRequest, team_id: int, user_id: int) -> HttpResponse:
    """Give what somebody owns in the team to somebody else."""
    found, place = _place(request, team_id, user_id)
    form = TransferForm(found, place.user, request.POST)
    if not form.is_valid():
        return _person(request, found, place, transfer=form)
    taker = form.cleaned_data["to"]
    number = ownership.transfer(found, place.user, taker)
    messages.success(request, f"{taker} now owns {counted(number, 'thing')} of {place.user}.")
    return redirect("teams:person", found.pk, place.user_id)


@require_POST
def person_activate(request: HttpRequest, team_id: int, user_id: int) -> HttpResponse:
    """Switch somebody's account off, or on again."""
    found, place = _place(request, team_id, user_id, to_manage=True)
    is_active = request.POST.get("active") == "yes"
    return _done(
        request,
        lambda: membership.set_active(place.user, is_active),
        f"{place.user} can log in again." if is_active else f"{place.user} can no longer log in, nor call the API.",
        reverse("teams:person", args=[found.pk, place.user_id]),
    )


@posted_from("teams:person")
def person_link(request: HttpRequest, team_id: int, user_id: int) -> HttpResponse:
    """A link that logs somebody in once, who then sets a new password. The answer shows it, and nothing else does."""
    found, place = _place(request, team_id, user_id, to_manage=True)
    secret = LoginLink.issue(place.user)
    link = request.build_absolute_uri(reverse("teams:login_link", args=[secret]))
    words = "Give it to them and nobody else: it logs in once, within 7 days, and is not shown again."
    return _person(request, found, place, link=link, link_words=words)


@require_POST
def person_factor(request: HttpRequest, team_id: int, user_id: int) -> HttpResponse:
    """Remove the second factor of somebody who has lost it."""
    found, place = _place(request, team_id, user_id, to_manage=True)
    Authenticator.objects.filter(user=place.user).delete()
    messages.success(request, f"{place.user} now logs in with the password alone.")
    return redirect("teams:person", found.pk, place.user_id)


def _place(request: HttpRequest, team_id: int, user_id: int, *, to_manage: bool = False) -> tuple[Team, Membership]:
    found = access.get_team_or_404(request.user, team_id, to_administer=True)
    return found, access.get_person_or_404(request.user, found, user_id, to_manage=to_manage)


def _person(
    request: HttpRequest,
    found: Team,
    place: Membership,
    *,
    form: RoleForm | None = None,
    transfer: TransferForm | None = None,
    **more: Any,
) -> HttpResponse:
    owned = ownership.count(found, place.user)
    context = {
        "nav": "team",
        "team": found,
        "place": place,
        "may_manage": access.can_manage(request.user, place.user),
        "has_factor": Authenticator.objects.filter(user=place.user).exists(),
        "owned": listed(f"{number:,} {name}" for name, number in owned.items()) if owned else "",
        "form": form or RoleForm(initial={"role": place.role}),
        "transfer": transfer or TransferForm(found, place.user),
    }
    is_wrong = bool((form and form.errors) or (transfer and transfer.errors))
    return render(request, "teams/person.html", context | more, status=422 if is_wrong else 200)


def _done(
    request: HttpRequest, act: Callable[[], None], words: str, where: str, *, otherwise: str = ""
) -> HttpResponse:
    """Do it and say so, or say why not."""
    try:
        act()
    except UserError as error:
        messages.error(request, str(error))
        return redirect(otherwise or where)
    messages.success(request, words)
    return redirect(where)


def _with_article(role: Role) -> str:
    return f"{'an' if role == Role.ADMINISTRATOR else 'a'} {role.value}"
