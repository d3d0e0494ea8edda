"""The audit trail's writing: which fields are kept when they change, and who it was.

In: models, decorated with the names of their fields. Out: for each a table of changes, which triggers of Postgres fill,
so that bulk updates and SQL by hand are seen as well. Nothing secret is named here, and nothing that programs write all
the time: heartbeats, steps, events, metrics, rollouts.

Who it was comes with the connection: a request names its user in each statement that changes something, every other
program names itself once for each connection. What has no name was done by hand, in the database.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pghistory
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.http import HttpRequest, HttpResponseBase

from rpt_web.serving.logs import program_name, without_secrets

Kept = TypeVar("Kept", bound=models.Model)
SAFE = ("GET", "HEAD", "OPTIONS")
NOBODY = "somebody not logged in"
PASSWORD = "password"
"""What a change of a password is called; nothing of it is kept but that it was."""
STOOD = "stood"
"""What the migration has noted of rows from before there was a trail: what later changes are compared with."""


def audited(*fields: str, has_password: bool = False) -> Callable[[type[Kept]], type[Kept]]:
    """Keep who makes, changes and removes rows of a model, and what these fields were."""
    trackers: list[pghistory.RowEvent] = [pghistory.InsertEvent(), pghistory.UpdateEvent(), pghistory.DeleteEvent()]
    if has_password:
        changed = pghistory.AnyChange(PASSWORD)
        trackers.append(pghistory.UpdateEvent(label=PASSWORD, condition=changed))

    def decorated(model: type[Kept]) -> type[Kept]:
        name = model.__name__
        index = models.Index(fields=["pgh_created_at"], name=f"{name.lower()}_change_at")
        pghistory.track(
            *trackers,
            fields=list(fields),
            obj_field=pghistory.ObjForeignKey(related_name="changes"),
            context_field=pghistory.ContextJSONField(null=True),
            context_id_field=None,  # type: ignore[arg-type]  # as its documentation has it
            model_name=f"{name}Change",
            meta={"indexes": [index]},
        )(model)
        return model

    return decorated


def named(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    """A middleware after that of the users: what a request changes bears its user's name."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        if request.method in SAFE:
            return get_response(request)
        with pghistory.context(**of_request(request)):
            return get_response(request)

    return answer


def of_request(request: HttpRequest) -> dict[str, Any]:
    """Who asks for what, as the trail keeps it: an address may hold the secret of a link."""
    return {**who(request.user), "address": without_secrets(request.path)}


def who(user: Any) -> dict[str, Any]:
    """A user as the trail keeps them: the name stays when the account goes."""
    if user.is_anonymous:
        return {"program": NOBODY}
    return {"user": user.pk, "name": user.get_username()}


def name_user(user: Any, **more: str) -> None:
    """Within a request whose user is known only now: name them in what follows."""
    pghistory.context(user=user.pk, name=user.get_username(), **more)


def name_program(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """Called by Django for each new connection: what this program changes bears its name, unless a request has one."""
    if connection.vendor != "postgresql" or program_name() == "web":
        return
    with connection.cursor() as cursor:
        metadata = json.dumps({"program": program_words(sys.argv)})
        cursor.execute("SELECT set_config('pghistory.context_metadata', %s, false)", [metadata])


def program_words(arguments: Sequence[str]) -> str:
    """What runs here in words: worker, reaper, or a command as it was typed without its options."""
    program = program_name([*arguments])
    if program != "manage":
        return program
    first, *rest = arguments or [""]
    return " ".join([Path(first).name, *rest[:1]]) if Path(first).name == "manage.py" else Path(first).name
