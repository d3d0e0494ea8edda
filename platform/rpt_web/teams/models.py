"""Who: users, teams and their members, API tokens and one-time login links."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from functools import cached_property

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils import timezone

LINK_LIFETIME = timedelta(days=7)


def digest(secret: str) -> str:
    """What is stored of a token or link: it cannot be turned back. The secrets are random, so no salt is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()


class Role(models.TextChoices):
    """What somebody may do in a team."""

    VIEWER = "viewer", "Viewer"
    MEMBER = "member", "Member"
    ADMINISTRATOR = "administrator", "Administrator"


CHANGING = (Role.MEMBER, Role.ADMINISTRATOR)
"""Who submits, and cancels and retries: a member what is theirs, an administrator all of the team."""


class Team(models.Model):
    """People who work together. Experiments belong to a team."""

    name = models.CharField(max_length=100, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class User(AbstractUser):
    """Somebody with an account. A superuser is a server administrator, and an administrator of every team."""

    @cached_property
    def roles(self) -> dict[Team, Role]:
        """The teams by name, each with the role in it (1 query, once for each request)."""
        if self.is_superuser:
            return dict.fromkeys(Team.objects.order_by("name"), Role.ADMINISTRATOR)
        found = self.memberships.select_related("team").order_by("team__name")
        return {membership.team: Role(membership.role) for membership in found}

    def role_in(self, team_id: int) -> Role | None:
        """The role in a team; None for a team that the user is not in."""
        return next((role for team, role in self.roles.items() if team.pk == team_id), None)


class Membership(models.Model):
    """That somebody is in a team, and what they may do there."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=20, choices=Role.choices, default=Role.MEMBER)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["user", "team"], name="membership_once_per_team")]

    def __str__(self) -> str:
        return f"{self.user_id} {self.role} of {self.team_id}"


class ApiToken(models.Model):
    """A secret for `Authorization: Bearer`; only its digest is stored, and it is shown once."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=100)
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.user}: {self.name}"

    @classmethod
    def issue(cls, user: User, name: str, lifetime: timedelta) -> str:
        """Make a token and return its secret, which cannot be read again."""
        secret = f"rpt_{secrets.token_urlsafe(32)}"
        cls.objects.create(user=user, name=name, digest=digest(secret), expires_at=timezone.now() + lifetime)
        return secret


class LoginAttempt(models.Model):
    """A try to log in with a password, see `teams.throttle`; kept for a quarter of an hour."""

    account = models.CharField(max_length=64)
    """Digest of the name that was typed."""
    address = models.CharField(max_length=64)
    at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["account", "at"], name="login_attempt_account"),
            models.Index(fields=["address", "at"], name="login_attempt_address"),
        ]

    def __str__(self) -> str:
        return f"{self.address} {self.at}"


class LoginLink(models.Model):
    """A link that logs one user in, once."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="login_links")
    digest = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"login link of {self.user}"

    @classmethod
    def issue(cls, user: User, lifetime: timedelta = LINK_LIFETIME) -> str:
        """Make a link and return its secret."""
        secret = secrets.token_urlsafe(32)
        cls.objects.create(user=user, digest=digest(secret), expires_at=timezone.now() + lifetime)
        return secret

    @classmethod
    def redeem(cls, secret: str) -> User | None:
        """The user of an unused, unexpired link, which is used up by this; None otherwise."""
        now = timezone.now()
        fresh = cls.objects.filter(digest=digest(secret), used_at=None, expires_at__gt=now)
        if not fresh.update(used_at=now):  # one conditional UPDATE: two clicks cannot both win
            return None
        return cls.objects.select_related("user").get(digest=digest(secret)).user
