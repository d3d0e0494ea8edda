"""Accepting an invitation: somebody with an account joins by a button, somebody else makes an account first.

An account has a password, or belongs to an identity at the OpenID Connect provider that somebody has just come from.

Opening the page does not use the link up, so programs that fetch links for a preview do no harm.
"""

from __future__ import annotations

from typing import cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from rpt_web.pages.rights import CHOSEN
from rpt_web.pages.teams.entering import enter
from rpt_web.pages.teams.forms import JoinForm, NewUserForm
from rpt_web.pages.teams.identities import WAITING, waiting_identity
from rpt_web.teams import membership
from rpt_web.teams.audit import name_user
from rpt_web.teams.models import Identity, Invitation, Membership, User

USED = "This invitation has just been used. Ask for another one."
FASTER = "This user name, or who you are at the provider, has just got an account. Choose another name, or log in."


@login_not_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def join(request: HttpRequest, secret: str) -> HttpResponse:
    """GET shows whom the link lets in where; POST uses it up."""
    invitation = Invitation.of(secret)
    if invitation is None:
        return render(request, "teams/join.html", {"invitation": None}, status=410)
    if request.user.is_authenticated:
        return _by_account(request, secret, invitation)
    identity = waiting_identity(request, secret)
    form = _form(request, identity)
    if form.is_valid() and (place := _new_account(form, secret, identity)) is not None:
        request.session.pop(WAITING, None)
        return _welcome(request, place, is_new=True)
    context = {"invitation": invitation, "form": form, "secret": secret}
    context |= {"provider": settings.RPT_OIDC, "identity": identity}
    return render(request, "teams/join.html", context, status=422 if form.errors else 200)


def _by_account(request: HttpRequest, secret: str, invitation: Invitation) -> HttpResponse:
    user = cast(User, request.user)
    if request.method == "POST" and (place := membership.accept(secret, user)) is not None:
        return _welcome(request, place, is_new=False)
    return render(request, "teams/join.html", {"invitation": invitation, "form": None})


def _form(request: HttpRequest, identity: Identity | None) -> NewUserForm:
    """Who comes from the provider needs no password, and finds filled in what they are called there."""
    if identity is None:
        return JoinForm(User(), request.POST or None)
    known = {"username": identity.extra_data.get("preferred_username"), "email": identity.extra_data.get("email")}
    return NewUserForm(request.POST or None, initial=known)


def _new_account(form: NewUserForm, secret: str, identity: Identity | None) -> Membership | None:
    """The place of the new user; None, and no user, when somebody was faster with the invitation or the name."""
    name_user(User(username=form.cleaned_data["username"]))
    try:
        with transaction.atomic():
            place = membership.accept(secret, _new_user(form, identity))
            if place is None:
                transaction.set_rollback(True)
    except IntegrityError:
        place = None
    if place is None:
        form.add_error(None, USED if Invitation.of(secret) is None else FASTER)
    return place


def _new_user(form: NewUserForm, identity: Identity | None) -> User:
    """Raises IntegrityError when the name, or the identity, has an account since the form was looked at."""
    values = form.cleaned_data
    password = None if identity else values["new_password"]
    user = User.objects.create_user(values["username"], values["email"] or None, password)
    if identity is not None:
        identity.user = user
        identity.save()
    return user


def _welcome(request: HttpRequest, place: Membership, *, is_new: bool) -> HttpResponse:
    where = reverse("teams:team", args=[place.team_id])
    response = enter(request, place.user, "invitation", where) if is_new else redirect(where)
    request.session[CHOSEN] = place.team_id
    messages.success(request, f"You are now in the team {place.team}, as {place.get_role_display().lower()}.")
    return response
