"""Queues: which one a run waits in, and which ones workers listen to.

Runs that only a GPU node can do wait in the queue `gpu`, all others in `default`; what people wait for has the queue
`quick`. A run takes its queue when its row is made, so that the pages can say what it waits for and the reaper can
send it there again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.db.models.functions import Now

from rpt_core.machine.requirements import Requirements
from rpt_core.plans.preset import load_preset, preset_names
from rpt_web.jobs.models import QUICK_QUEUE
from rpt_web.runs.models import DEFAULT_QUEUE, GPU_QUEUE, Listener, Run

GPU_SETTINGS = (("engine", "verl"), ("rollout_backend", "vllm"), ("device", "cuda"))
"""What in a config asks for a GPU node: an engine that is installed there only, or the device."""
QUICK_AT_ONCE = 2
"""Jobs that the worker of the quick lane does at a time."""
SILENT_SECONDS = 180
"""A worker that was not heard of for so long is taken for gone; it speaks every minute."""


def queue_for(config: Mapping[str, Any] | Sequence[Any], preset: str = "") -> str:
    """The queue of a run, from its config or plan (or several) and from what the preset of its experiment requires."""
    return GPU_QUEUE if _asks_for_gpu(config) or _preset_needs_gpu(preset) else DEFAULT_QUEUE


def gpus_for(config: Mapping[str, Any]) -> int:
    """How many GPUs of its node a run with this config asks for.

    A device that is chosen by itself, as a new model's is, counts as one GPU, since the run takes one wherever there is
    one. What runs on a Ray cluster asks its node for none.
    """
    verl = config.get("verl") or {}
    if config.get("engine") == "verl":
        on_cluster = bool(verl.get("ray_address")) or verl.get("nodes", 1) > 1
        return 0 if on_cluster or (config.get("model") or {}).get("device") == "cpu" else verl.get("gpus_per_node", 1)
    if config.get("rollout_backend") == "vllm":
        return int((config.get("vllm") or {}).get("tensor_parallel", 1))
    return int(bool(config.get("scratch")) or any(device in ("auto", "cuda") for device in _devices(config)))


def queue_of(run_id: int) -> str:
    """Where a run waits; a run that is gone is found missing by the worker of the default queue (1 query)."""
    return Run.objects.filter(pk=run_id).values_list("queue", flat=True).first() or DEFAULT_QUEUE


def is_heard(queue: str, *, besides: str = "") -> bool:
    """Whether a worker listens to a queue, on any node but one (1 query)."""
    recently = Now() - timedelta(seconds=SILENT_SECONDS)
    return Listener.objects.filter(queue=queue, last_heard__gt=recently).exclude(node__name=besides).exists()


def heard_queues() -> set[str]:
    """All queues that a worker listens to (1 query)."""
    recently = Now() - timedelta(seconds=SILENT_SECONDS)
    return set(Listener.objects.filter(last_heard__gt=recently).values_list("queue", flat=True))


def worker_command(queue: str) -> str:
    """How a person starts a worker for a queue, in the repository, with the environment that a node of it has."""
    celery = f"celery -A rpt_web worker -Q {queue} --loglevel INFO"  # by default it would say nothing of its work
    if queue == QUICK_QUEUE:
        celery += f" --concurrency {QUICK_AT_ONCE}"
    return f"source .venv-gpu/bin/activate && {celery}" if queue == GPU_QUEUE else f".venv/bin/{celery}"


def choose_queues(has_gpu: bool, node: str) -> list[str]:
    """What a worker that was told nothing should listen to: `gpu` too when it has a GPU, or when nobody else does.

    A run that needs a GPU then fails on a machine without one and says why, instead of waiting for ever.
    """
    both = has_gpu or not is_heard(GPU_QUEUE, besides=node)
    return [DEFAULT_QUEUE, GPU_QUEUE] if both else [DEFAULT_QUEUE]


def _asks_for_gpu(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(item in GPU_SETTINGS for item in value.items()) or any(map(_asks_for_gpu, value.values()))
    return isinstance(value, list | tuple) and any(map(_asks_for_gpu, value))


def _devices(value: Any) -> Iterator[str]:
    """All that the config gives for a device, wherever it stands."""
    if isinstance(value, Mapping):
        if isinstance(value.get("device"), str):
            yield value["device"]
        for item in value.values():
            yield from _devices(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _devices(item)


def _preset_needs_gpu(name: str) -> bool:
    if name not in preset_names():
        return False
    return needs_gpu(load_preset(name).requires)


def needs_gpu(requires: Requirements) -> bool:
    """Whether only a GPU node can do what a plan holds."""
    return requires.gpu or requires.gpu_memory_gb is not None or requires.engine is not None
