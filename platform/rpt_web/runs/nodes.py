"""Nodes: what the workers tell of the machines they run on, and what the page of nodes shows of it.

Workers write by `register`; times are the database's. A node that shares no folder with the web
server is told by the mark of its folder: the secret key lies there, and what is derived from it and from the path is
the same only where the folder is, and at the same place, since configs name files by their whole paths.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.http import Http404
from django.utils.crypto import salted_hmac

from rpt_core.errors import UserError
from rpt_core.machine import environments
from rpt_web.runs.models import DataFolder, Listener, Node, Run, Status
from rpt_web.runs.versions import code_version
from rpt_web.teams.models import User
from rpt_web.text import clean_json

FORGET_DAYS = 30
"""A node that was silent for so long is no longer shown."""
Finding = dict[str, str]
"""area, name, level (good, note, problem), words, remedy: one thing that the doctor looked at."""


def own_name() -> str:
    """Host name of this machine, and the environment where it has engines: beside the plain one it is another node."""
    host, environment = socket.gethostname(), environments.with_engines()
    return f"{host} ({environment})" if environment else host


def register(
    name: str,
    queues: Sequence[str],
    findings: Sequence[Finding] | None = None,
    gpus: Sequence[Mapping[str, Any]] | None = None,
) -> None:
    """Say that a worker of this node lives and listens to these queues, what its GPUs do if it knows, and what the
    doctor has found if it has."""
    values: dict[str, Any] = {"version": code_version(), "folder_mark": folder_mark(), "last_seen": Now()}
    if gpus is not None:
        values["gpus"] = clean_json([dict(gpu) for gpu in gpus])
    if findings is not None:
        values |= {"findings": clean_json(list(findings)), "examined_at": Now()}
    with transaction.atomic():
        Node.objects.filter(last_seen__lt=Now() - timedelta(days=FORGET_DAYS)).delete()
        node, _ = Node.objects.update_or_create(name=name, defaults=values)
        rows = [Listener(node=node, queue=queue[:50], last_heard=Now()) for queue in queues]
        Listener.objects.bulk_create(
            rows, update_conflicts=True, unique_fields=["node", "queue"], update_fields=["last_heard"]
        )


def get_or_404(node_id: int) -> Node:
    """A node by its id; who may change it is for the caller to ask. Raises Http404."""
    found = Node.objects.filter(pk=node_id).first()
    if found is None:
        raise Http404("There is no such node: it may have been silent for so long that it was forgotten.")
    return found


def drain(node: Node, user: User) -> None:
    """Let a node take no new runs; what runs there ends as it would. Raises UserError for one that is drained."""
    if not Node.objects.filter(pk=node.pk, drained_at=None).update(drained_at=Now(), drained_by=user):
        raise UserError(f"The node {node.name} is drained already.")


def undrain(node: Node) -> None:
    """Let it take runs again, and wake its workers. Raises UserError for one that is not drained."""
    with transaction.atomic():
        if not Node.objects.filter(pk=node.pk, drained_at__isnull=False).update(drained_at=None, drained_by=None):
            raise UserError(f"The node {node.name} is not drained.")
        Run.objects.filter(status=Status.QUEUED).update(dispatched_at=None)  # the reaper sends all of them now


def is_drained(name: str) -> bool:
    """Whether a node takes no new runs."""
    return Node.objects.filter(name=name, drained_at__isnull=False).exists()


def folder_mark() -> str:
    """The same for all who share the data folder at one path; the secret key cannot be told from it."""
    return salted_hmac("rpt_web.runs.nodes", f"data folder {settings.RPT_DATA_DIR}").hexdigest()


def remember_folder() -> None:
    """Say that this process's data folder is the platform's: called where runs are submitted."""
    DataFolder.objects.update_or_create(pk=1, defaults={"mark": folder_mark()})


def is_of_the_platform() -> bool:
    """Whether this process's data folder is the platform's, as far as that is known."""
    known = DataFolder.objects.values_list("mark", flat=True).filter(pk=1).first()
    return known in (None, folder_mark())
