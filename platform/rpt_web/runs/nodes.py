"""Nodes: what the workers tell of the machines they run on, and what the page of nodes shows of it.

Workers write by `register`; times are the database's. A node that shares no folder with the web
server is told by the mark of its folder: the secret key lies there, and what is derived from it and from the path is
the same only where the folder is, and at the same place, since configs name files by their whole paths.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import BooleanField, ExpressionWrapper, Prefetch, Q
from django.db.models.functions import Now
from django.utils.crypto import salted_hmac

from rpt_core import environments
from rpt_web.runs.models import Listener, Node, Run, Status
from rpt_web.runs.queues import SILENT_SECONDS
from rpt_web.runs.versions import code_version
from rpt_web.teams import access
from rpt_web.text import clean_json

FORGET_DAYS = 30
"""A node that was silent for so long is no longer shown."""
Finding = dict[str, str]
"""area, name, level (good, note, problem), words, remedy: one thing that the doctor looked at."""


@dataclass(frozen=True)
class NodeLine:
    """A node as the page shows it."""

    node: Node
    queues: list[str]
    """Those that it listens to now."""
    runs: list[Run]
    """Those that it works on, as far as the user may see them."""
    is_silent: bool
    warnings: list[str]
    """What does not fit this web server."""

    @property
    def findings(self) -> list[Finding]:
        """All that the doctor has found."""
        return [{"remedy": "", **found} for found in self.node.findings]

    @property
    def gpus(self) -> list[Finding]:
        """Its GPUs, or the finding that there is none."""
        return [found for found in self.findings if found["area"] == "machine" and found["name"].startswith("GPU")]

    @property
    def processor(self) -> str:
        """Cores and memory."""
        return next((found["words"] for found in self.findings if found["name"] == "processor"), "")

    @property
    def engines(self) -> list[Finding]:
        """What it can run with."""
        return [found for found in self.findings if found["area"] == "engines" and found["level"] == "good"]

    @property
    def problems(self) -> list[Finding]:
        """What is wrong, or absent and needed."""
        return [found for found in self.findings if found["level"] == "problem"]

    @property
    def notes(self) -> list[Finding]:
        """What the doctor remarks without calling it wrong, such as a package that only GPU nodes need."""
        return [found for found in self.findings if found["level"] == "note" and found not in self.gpus]


def own_name() -> str:
    """Host name of this machine, and the environment where it has engines: beside the plain one it is another node."""
    host, environment = socket.gethostname(), environments.with_engines()
    return f"{host} ({environment})" if environment else host


def register(name: str, queues: Sequence[str], findings: Sequence[Finding] | None = None) -> None:
    """Say that a worker of this node lives and listens to these queues, and what the doctor has found if it has."""
    values: dict[str, Any] = {"version": code_version(), "folder_mark": folder_mark(), "last_seen": Now()}
    if findings is not None:
        values |= {"findings": clean_json(list(findings)), "examined_at": Now()}
    with transaction.atomic():
        Node.objects.filter(last_seen__lt=Now() - timedelta(days=FORGET_DAYS)).delete()
        node, _ = Node.objects.update_or_create(name=name, defaults=values)
        rows = [Listener(node=node, queue=queue[:50], last_heard=Now()) for queue in queues]
        Listener.objects.bulk_create(
            rows, update_conflicts=True, unique_fields=["node", "queue"], update_fields=["last_heard"]
        )


def folder_mark() -> str:
    """The same for all who share the data folder at one path; the secret key cannot be told from it."""
    return salted_hmac("rpt_web.runs.nodes", f"data folder {settings.RPT_DATA_DIR}").hexdigest()


def node_lines(user: access.Actor) -> list[NodeLine]:
    """All nodes with what they do now (3 queries)."""
    recently = Now() - timedelta(seconds=SILENT_SECONDS)
    heard = Prefetch("listeners", queryset=Listener.objects.filter(last_heard__gt=recently), to_attr="heard")
    silent = ExpressionWrapper(Q(last_seen__lte=recently), output_field=BooleanField())
    running = list(access.runs_for(user).filter(status=Status.RUNNING).order_by("started_at"))
    return [_line(node, running) for node in Node.objects.annotate(is_silent=silent).prefetch_related(heard)]


def _line(node: Any, running: Sequence[Run]) -> NodeLine:
    runs = [run for run in running if run.worker.rpartition(":")[0] == node.name]
    queues = [listener.queue for listener in node.heard]
    return NodeLine(node, queues, runs, node.is_silent, list(_warnings(node)))


def _warnings(node: Node) -> Iterator[str]:
    if node.folder_mark != folder_mark():
        yield (
            "It does not share this server's data folder, or has it at another path: its runs find no checkpoint of "
            "other nodes, and no page finds theirs. Set RPT_DATA_DIR on it to the shared folder (docs/nodes.md) and "
            "start its worker again."
        )
    if node.version != code_version():
        yield f"Its worker runs version {node.version}, this server {code_version()}. Install the same on both."
