"""Nodes as their page shows them: what each does now, what it can run with, and what does not fit this server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import BooleanField, ExpressionWrapper, Prefetch, Q
from django.db.models.functions import Now

from rpt_web import access
from rpt_web.jobs.models import QUICK_QUEUE
from rpt_web.runs import gpus
from rpt_web.runs.models import Listener, Node, Run, Status
from rpt_web.runs.nodes import Finding, folder_mark
from rpt_web.runs.queues import SILENT_SECONDS
from rpt_web.runs.versions import code_version


@dataclass(frozen=True)
class GpuLine:
    """A GPU of a node; a figure that was not reported is None."""

    index: int
    name: str
    total: float | None
    used: float | None
    load: float | None
    """From 0 to 1."""
    run: Run | None
    """The run that has it, if the user may see that."""
    is_taken: bool


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
    gpu_lines: list[GpuLine]
    """Its GPUs, as its worker has reported them."""

    @property
    def takes_runs(self) -> bool:
        """Whether it listens to more than the quick lane; only then it is examined."""
        return self.queues != [QUICK_QUEUE]

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


def node_lines(user: access.Actor) -> list[NodeLine]:
    """All nodes with what they do now (4 queries)."""
    recently = Now() - timedelta(seconds=SILENT_SECONDS)
    heard = Prefetch("listeners", queryset=Listener.objects.filter(last_heard__gt=recently), to_attr="heard")
    silent = ExpressionWrapper(Q(last_seen__lte=recently), output_field=BooleanField())
    running = list(access.runs_for(user).filter(status=Status.RUNNING).order_by("started_at"))
    leased = {(lease.host, lease.gpu): lease.run_id for lease in gpus.live()}
    rows = Node.objects.annotate(is_silent=silent).select_related("drained_by").prefetch_related(heard)
    return [_line(node, running, leased) for node in rows]


def _line(node: Any, running: Sequence[Run], leased: Mapping[tuple[str, int], int]) -> NodeLine:
    runs = [run for run in running if run.worker.rpartition(":")[0] == node.name]
    queues = [listener.queue for listener in node.heard]
    return NodeLine(node, queues, runs, node.is_silent, list(_warnings(node)), list(_gpus(node, running, leased)))


def _gpus(node: Node, running: Sequence[Run], leased: Mapping[tuple[str, int], int]) -> Iterator[GpuLine]:
    seen = {run.pk: run for run in running}
    for gpu in node.gpus or ():
        key = leased.get((gpus.host_of(node.name), gpu["index"]))
        yield GpuLine(
            index=gpu["index"],
            name=str(gpu.get("name", "")),
            total=gpu.get("memory_bytes"),
            used=gpu.get("used_bytes"),
            load=gpu.get("load"),
            run=seen.get(key or 0),
            is_taken=key is not None,
        )


def _warnings(node: Node) -> Iterator[str]:
    if node.folder_mark != folder_mark():
        yield (
            "It does not share this server's data folder, or has it at another path: its runs cannot find the "
            "checkpoints of other nodes, and no page can show theirs. Set RPT_DATA_DIR on it to the shared folder "
            "(docs/nodes.md) and start its worker again."
        )
    if node.version != code_version():
        yield f"Its worker runs version {node.version}, this server {code_version()}. Install the same on both."
