"""Who: users, teams and their members, API tokens and one-time login links."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from datetime import timedelta
from functools import cached_property

from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils import timezone

from rpt_web.prepared import Given, Prepared
from rpt_web.teams.audit import audited

LINK_LIFETIME = timedelta(days=7)


def digest(secret: str) -> str:
    """What is stored of a token or link: it cannot be turned back. The secrets are random, so no salt is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()


class Role(models.TextChoices):
    """What somebody may do in a team."""

    VIEWER = "viewer", "Viewer"
    MEMBER = "member", "Member"
    ADMINISTRATOR = "administrator", "Administrator"


def lower_of(one: Role, other: Role) -> Role:
    """The one that allows less."""
    return min(one, other, key=list(Role).index)


CHANGING = (Role.MEMBER, Role.ADMINISTRATOR)
"""Who submits, and cancels and retries: a member what is theirs, an administrator all of the team."""


@audited("name", "quota_bytes", "keep_checkpoints_days")
class Team(models.Model):
    """People who work together. Experiments belong to a team."""

    name = models.CharField(max_length=100, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    quota_bytes = models.BigIntegerField("quota in bytes", null=True, blank=True)
    """What its runs and corpora may take on the disk; None for no limit."""
    keep_checkpoints_days = models.PositiveIntegerField("days that old checkpoints are kept", null=True, blank=True)
    """Its rule, see `runs.retention`; None for none."""
    is_shown: bool
    """Whether other teams share something with it; known of the teams of `User.own_roles`."""

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Scope(models.TextChoices):
    """What a token of the API may do of what its user may."""

    READ = "read", "Read"
    WRITE = "write", "Read and write"
    ADMIN = "admin", "Everything you can do"

    @property
    def most(self) -> Role:
        """The highest role that a token of this scope gives in a team."""
        return {Scope.READ: Role.VIEWER, Scope.WRITE: Role.MEMBER}.get(self, Role.ADMINISTRATOR)


@audited("username", "email", "is_active", "is_superuser", has_password=True)
class User(AbstractUser):
    """Somebody with an account. A superuser is a server administrator, and an administrator of every team."""

    scope: Scope = Scope.ADMIN
    """Of the token that this request came with; a browser has all."""

    @cached_property
    def own_roles(self) -> dict[Team, Role]:
        """The teams by name, each with the role in it (1 query, once for each request)."""
        rows = ALL_TEAMS.rows() if self.is_superuser else OWN_TEAMS.rows(user=self.pk)
        return {_seen_team(is_shown, values): Role(role) for role, is_shown, *values in rows}

    @property
    def roles(self) -> dict[Team, Role]:
        """The same, as far as the scope of the request's token goes."""
        most = self.scope.most
        if most == Role.ADMINISTRATOR:  # as in a browser: pages ask dozens of times
            return self.own_roles
        return {team: lower_of(role, most) for team, role in self.own_roles.items()}

    def role_in(self, team_id: int) -> Role | None:
        """The role in a team; None for a team that the user is not in."""
        return next((role for team, role in self.roles.items() if team.pk == team_id), None)


@audited("user", "team", "role")
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


@audited("user", "name", "scope", "expires_at")
class ApiToken(models.Model):
    """A secret for `Authorization: Bearer`; only its digest is stored, and it is shown once."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=100)
    digest = models.CharField(max_length=64, unique=True)
    scope = models.CharField(max_length=10, choices=Scope.choices, default=Scope.WRITE)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "API token"

    def __str__(self) -> str:
        return f"{self.user}: {self.name}"

    @classmethod
    def issue(cls, user: User, name: str, lifetime: timedelta, scope: Scope = Scope.WRITE) -> str:
        """Make a token and return its secret, which cannot be read again."""
        secret = f"rpt_{secrets.token_urlsafe(32)}"
        expires_at = timezone.now() + lifetime
        cls.objects.create(user=user, name=name, scope=scope, digest=digest(secret), expires_at=expires_at)
        return secret

    @property
    def is_expired(self) -> bool:
        """Whether it is worth nothing any more."""
        return self.expires_at <= timezone.now()


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


@audited("user", "expires_at", "used_at")
class LoginLink(models.Model):
    """A link that logs one user in, once."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="login_links")
    digest = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "login link"

    def __str__(self) -> str:
        return f"login link of {self.user}"

    @classmethod
    def issue(cls, user: User, lifetime: timedelta = LINK_LIFETIME) -> str:
        """Make a link and return its secret."""
        secret = secrets.token_urlsafe(32)
        cls.objects.create(user=user, digest=digest(secret), expires_at=timezone.now() + lifetime)
        return secret

    @classmethod
    def withdraw(cls, user: User) -> None:
        """What was made before is worth nothing any more: whoever has it was to be let into less, or by another way."""
        cls.objects.filter(user=user, used_at=None).delete()

    @classmethod
    def redeem(cls, secret: str) -> User | None:
        """The user of an unused, unexpired link, which is used up by this; None otherwise."""
        now = timezone.now()
        fresh = cls.objects.filter(digest=digest(secret), used_at=None, expires_at__gt=now)
        if not fresh.update(used_at=now):  # one conditional UPDATE: two clicks cannot both win
            return None
        return cls.objects.select_related("user").get(digest=digest(secret)).user


@audited("team", "role", "note", "expires_at", "used_by")
class Invitation(models.Model):
    """A link that lets one person into a team, once; who has no account makes one by it."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="invitations")
    role = models.CharField(max_length=20, choices=Role.choices, default=Role.MEMBER)
    note = models.CharField(max_length=100, blank=True)
    """Whom it is for, in the words of whoever made it."""
    digest = models.CharField(max_length=64, unique=True)
    invited_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)
    used_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"invitation of a {self.role} to {self.team_id}"

    @classmethod
    def issue(cls, team: Team, role: Role, by: User, *, note: str = "", lifetime: timedelta = LINK_LIFETIME) -> str:
        """Make one and return its secret, which cannot be read again."""
        secret = secrets.token_urlsafe(32)
        expires_at = timezone.now() + lifetime
        cls.objects.create(team=team, role=role, note=note, digest=digest(secret), invited_by=by, expires_at=expires_at)
        return secret

    @classmethod
    def open_ones(cls) -> models.QuerySet[Invitation]:
        """Those that nobody has used yet and that have not expired."""
        return cls.objects.filter(used_at=None, expires_at__gt=timezone.now())

    @classmethod
    def of(cls, secret: str) -> Invitation | None:
        """The open invitation with this secret."""
        return cls.open_ones().select_related("team").filter(digest=digest(secret)).first()


class Browser(models.Model):
    """A browser in which somebody has logged in; its session may have ended since."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="browsers")
    session_key = models.CharField(max_length=40, unique=True)
    address = models.CharField(max_length=64, blank=True)
    agent = models.CharField(max_length=200, blank=True)
    """What the browser calls itself."""
    since = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"browser of {self.user_id} since {self.since}"


@audited("user", "provider", "uid")
class Identity(SocialAccount):  # type: ignore[misc]  # allauth has no types
    """Who somebody is at an OpenID Connect provider; django-allauth's own rows, with a trail.

    Its provider is the issuer's address, so another provider, where somebody else may have the same number, lets nobody
    in by it.
    """

    class Meta:
        proxy = True

    def __str__(self) -> str:
        return self.shown_name

    @property
    def shown_name(self) -> str:
        """What the provider calls them, else their number there."""
        named = (str(self.extra_data.get(claim) or "") for claim in ("preferred_username", "email", "name"))
        return next(filter(None, named), self.uid)


@audited("user", "type")
class Factor(Authenticator):  # type: ignore[misc]  # allauth has no types
    """An authenticator app, recovery codes or a passkey of somebody; django-allauth's own rows, with a trail."""

    class Meta:
        proxy = True
        verbose_name = "second factor"

    @classmethod
    def of(cls, user: User) -> dict[str, list[Factor]]:
        """Somebody's, by type, oldest first (1 query)."""
        found: dict[str, list[Factor]] = {}
        for factor in cls.objects.filter(user=user).order_by("pk"):
            found.setdefault(factor.type, []).append(factor)
        return found


@audited("team", "shared_with", "name", "experiment", "corpus", "model", "wording", "plan", "created_by")
class Share(models.Model):
    """That a team lets another one see something of its own, and no more than see it."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="shares")
    shared_with = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="received")
    name = models.CharField(max_length=200)
    """What it was called when it was shared."""
    experiment = models.ForeignKey("runs.Experiment", null=True, on_delete=models.CASCADE, related_name="shares")
    corpus = models.ForeignKey("corpora.Corpus", null=True, on_delete=models.CASCADE, related_name="shares")
    model = models.ForeignKey("corpora.RegisteredModel", null=True, on_delete=models.CASCADE, related_name="shares")
    wording = models.ForeignKey("corpora.Wording", null=True, on_delete=models.CASCADE, related_name="shares")
    plan = models.ForeignKey("runs.OwnPlan", null=True, on_delete=models.CASCADE, related_name="shares")
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["shared_with", kind], name=f"share_once_{kind}")
            for kind in ("experiment", "corpus", "model", "wording", "plan")
        ]

    def __str__(self) -> str:
        return f"{self.name} for {self.shared_with_id}"


TEAM_FIELDS = tuple(field.attname for field in Team._meta.concrete_fields)


def _teams() -> models.QuerySet[Team]:
    shares = Share.objects.filter(shared_with=models.OuterRef("pk"))
    return Team.objects.annotate(is_shown=models.Exists(shares)).order_by("name")  # type: ignore[no-redef]  # in Team


ALL_TEAMS = Prepared(lambda: _teams().values_list(models.Value(Role.ADMINISTRATOR.value), "is_shown", *TEAM_FIELDS))
OWN_TEAMS = Prepared(
    lambda: _teams().filter(memberships__user=Given("user")).values_list("memberships__role", "is_shown", *TEAM_FIELDS)
)
"""What `User.own_roles` asks; every page does."""


def _seen_team(is_shown: bool, values: Sequence[object]) -> Team:
    team = Team.from_db("default", TEAM_FIELDS, values)
    team.is_shown = is_shown
    return team


class RepeatableCall(models.Model):
    """A call of the API that named a key, with what was answered: sent again, it gets that and does nothing."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=200)
    request_hash = models.CharField(max_length=64)
    """Of method, address and body."""
    status = models.PositiveSmallIntegerField(default=0)
    content_type = models.CharField(max_length=100, default="")
    body = models.BinaryField(default=b"")
    """Sealed, for it may hold a secret."""
    made_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="repeatable_call_once")]

    def __str__(self) -> str:
        return f"{self.key} of {self.user_id}"
