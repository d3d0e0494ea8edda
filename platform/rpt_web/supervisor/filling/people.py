"""Who is on a filled platform: people of its team, invitations, and what they and workers did, as the trail has it.

In: keys, amounts, filled experiments and runs. Out: objects that are not stored yet. Nobody of them can log in: they
have no password, and no mail reaches them. By their addresses `remove` knows them, and what they have made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.hashers import make_password
from django.db.models import Model, QuerySet

from rpt_web.notices.models import Notice, NoticeKind
from rpt_web.runs.models import Experiment, Run, Status
from rpt_web.teams import trail
from rpt_web.teams.models import Invitation, Membership, Role, Team, User, digest

DOMAIN = "filled.invalid"
"""Of their mail addresses; the domain .invalid never exists."""
ADMINISTRATORS = 5
"""So many administer the team, at most; of the others every fourth is a viewer."""
UNREAD = 200
"""Notices of somebody who has been away."""
ATTEMPTS = 3
"""Changes of a run's status in the trail: each attempt makes two."""


def filled_people() -> QuerySet[User]:
    """Those that `fill` has made."""
    return User.objects.filter(email__endswith=f"@{DOMAIN}")


def people_needed(runs: int) -> int:
    """So many people work on that many runs."""
    return 2 + runs // 5


def people_of(keys: Sequence[int], now: datetime) -> Iterator[User]:
    """The people, each with a name of their own."""
    nobody = make_password(None)
    for number, pk in enumerate(keys):
        joined, seen = now - timedelta(days=365 - number % 300), now - timedelta(hours=number)
        name = f"filled-{pk}"
        yield User(pk=pk, username=name, email=f"{name}@{DOMAIN}", password=nobody, date_joined=joined, last_login=seen)


def memberships_of(people: Sequence[User], team: Team) -> Iterator[Membership]:
    """That they are in the team."""
    for number, person in enumerate(people):
        role = Role.ADMINISTRATOR if number < ADMINISTRATORS else Role.MEMBER if number % 4 else Role.VIEWER
        yield Membership(user=person, team=team, role=role, created_at=person.date_joined)


def invitations_of(people: Sequence[User], team: Team, now: datetime) -> Iterator[Invitation]:
    """One that each person came by, and one that nobody has used yet."""
    for person in people:
        by, known = people[0], {"team": team, "role": Role.MEMBER, "note": f"A colleague of {person.username}"}
        then = person.date_joined
        used = {"created_at": then, "expires_at": then + timedelta(days=7), "used_at": then, "used_by": person}
        yield Invitation(**known, invited_by=by, digest=digest(f"used {person.pk}"), **used)
        unused = {"created_at": now, "expires_at": now + timedelta(days=7)}
        yield Invitation(**known, invited_by=by, digest=digest(f"open {person.pk} {then}"), **unused)


def renames_of(experiments: Sequence[Experiment], people: Sequence[User]) -> Iterator[Model]:
    """For the trail: each experiment was given another name, and its name back."""
    table = trail.kinds()["experiment"]
    for number, experiment in enumerate(experiments):
        context = _person(people[number % len(people)])
        for name in (f"{experiment.name}, draft", experiment.name):
            yield _change(table, experiment, experiment.created_at, context, name=name)


def run_changes_of(runs: Iterable[Run]) -> Iterator[Model]:
    """For the trail: workers took runs, handed them back and ended them."""
    table = trail.kinds()["run"]
    for run in runs:
        if run.started_at is None:
            continue
        for attempt in range(1, ATTEMPTS + 1):
            ended = run.status if attempt == ATTEMPTS else Status.QUEUED
            for status in (Status.RUNNING, ended):
                yield _change(table, run, run.started_at, {"program": "worker"}, status=status)


def notices_of(person: User, runs: Sequence[Run]) -> Iterator[Notice]:
    """The inbox of somebody to whom all runs belong: the newest of it is not read."""
    ran = [(run, run.started_at) for run in runs if run.started_at is not None]
    for number, (run, at) in enumerate(ran):
        kind = NoticeKind.SUCCEEDED if run.status == Status.SUCCEEDED else NoticeKind.FAILED
        read_at = at if number < len(ran) - UNREAD else None
        text = f"“{run.name}” has ended."
        yield Notice(user=person, kind=kind, text=text, run=run, made_at=at, read_at=read_at)


def _person(person: User) -> dict[str, Any]:
    return {"user": person.pk, "name": person.username}


def _change(table: type[Any], thing: Model, at: datetime, context: dict[str, Any], **values: Any) -> Model:
    kept = [found.attname for found in table._meta.fields if not found.name.startswith("pgh_")]
    row = {name: getattr(thing, name) for name in kept} | values
    found: Model = table(pgh_created_at=at, pgh_label="update", pgh_obj_id=thing.pk, pgh_context=context, **row)
    return found
