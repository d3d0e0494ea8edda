"""Who: users, API tokens and one-time login links."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils import timezone

LINK_LIFETIME = timedelta(days=7)


def digest(secret: str) -> str:
    """What is stored of a token or link: it cannot be turned back. The secrets are random, so no salt is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()


class Role(models.TextChoices):
    """What a member may do."""

    MEMBER = "member", "Member"
    VIEWER = "viewer", "Viewer"


class User(AbstractUser):
    """A member of the team. Viewers see everything and change nothing."""

    role = models.CharField(max_length=10, choices=Role.choices, default=Role.MEMBER)


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
