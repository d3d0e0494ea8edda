"""GPUs of the nodes: which are free, which run has which. Rows of `GpuLease`, written in the transaction of a claim.

A lease counts while the attempt that has it runs. Whatever ends the attempt, the worker or the reaper, frees its GPUs;
the next claim on that machine removes the rows. A node that has not reported its GPUs leases none, and takes every run.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from django.db.models import F, QuerySet

from rpt_web.runs.models import GpuLease, Node, Run, Status


def host_of(node_name: str) -> str:
    """The machine of a node: two environments of a machine are two nodes with the same GPUs."""
    return node_name.partition(" (")[0]


def indices(node: Node | None) -> list[int] | None:
    """The GPUs that a node has reported; None when it has reported none, or nothing."""
    found = None if node is None or not node.gpus else [gpu["index"] for gpu in node.gpus]
    return sorted(found) if found else None


def live() -> QuerySet[GpuLease]:
    """The leases that count now."""
    return GpuLease.objects.filter(run__status=Status.RUNNING, attempt=F("run__attempt"))


def free_on(node: Node | None) -> list[int] | None:
    """The free GPUs of a node, lowest first; None for a node that has none to lease. Rows that count no more go."""
    there = indices(node)
    if node is None or there is None:
        return None
    of_host = GpuLease.objects.filter(host=host_of(node.name))
    of_host.exclude(pk__in=live().values("pk")).delete()
    taken = set(of_host.values_list("gpu", flat=True))
    return [gpu for gpu in there if gpu not in taken]


def lease(node_name: str, run: Run, gpus: Collection[int]) -> None:
    """Give a run that was just claimed these GPUs."""
    host = host_of(node_name)
    GpuLease.objects.bulk_create([GpuLease(host=host, gpu=gpu, run=run, attempt=run.attempt) for gpu in gpus])


def leased_by(runs: Sequence[Run]) -> dict[int, list[int]]:
    """Each running run -> the GPUs that it has (1 query)."""
    found: dict[int, list[int]] = {}
    for run, gpu in live().filter(run__in=runs).order_by("gpu").values_list("run", "gpu"):
        found.setdefault(run, []).append(gpu)
    return found
