"""Inside verl: the CPU as one of its platforms, for tests on machines without a GPU.

Importing it registers the platform and prepares the process; verl does so in each of its processes when the variables
of `launch.CPU_ENVIRONMENT` are set. Three things beside the platform: verl builds process groups for
"cpu:gloo,<device>:<backend>", which on a CPU names one device twice; it pins memory; and it asks for the version of
`vllm`, which the CPU build has under another name.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed
from verl.plugin.platform import PlatformBase, PlatformRegistry

from rpt_core.inference.vllm_cpu import answer_for_vllm

PRETENDED_MEMORY = (8 << 30, 16 << 30)
"""Free and total bytes, for verl's reports."""


class _CpuDevice(types.ModuleType):
    """torch.cpu with the calls that verl makes to an accelerator."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(torch.cpu, name)


def _nothing(*_: Any, **__: Any) -> None:
    """What an accelerator does and a CPU need not."""


def _cpu_device() -> types.ModuleType:
    device = _CpuDevice("rpt_cpu_device")
    for name in ("set_device", "synchronize", "empty_cache", "ipc_collect", "reset_peak_memory_stats"):
        setattr(device, name, _nothing)
    for name in ("memory_allocated", "memory_reserved", "max_memory_allocated", "max_memory_reserved"):
        setattr(device, name, lambda *_, **__: 0)
    values: dict[str, Any] = {
        "is_available": lambda: True,
        "current_device": lambda: "cpu",
        "device_count": lambda: 1,
        "mem_get_info": lambda *_: PRETENDED_MEMORY,
        "get_device_name": lambda *_: "cpu",
        "get_rng_state": lambda *_: torch.get_rng_state(),
        "set_rng_state": lambda state, *_: torch.set_rng_state(state),
        "manual_seed": torch.manual_seed,
        "manual_seed_all": torch.manual_seed,
        "set_per_process_memory_fraction": _nothing,
    }
    for name, value in values.items():
        setattr(device, name, value)
    return device


_DEVICE = _cpu_device()


@PlatformRegistry.register(platform="cpu")
class CpuPlatform(PlatformBase):  # type: ignore[misc]  # verl has no types
    """One CPU as one device; Ray is told of a logical GPU."""

    device_name = property(lambda self: "cpu")
    vendor_name = property(lambda self: "cpu")
    device_module = property(lambda self: _DEVICE)

    def is_available(self) -> bool:
        return True

    def is_platform_available(self, use_smi_check: bool = False) -> bool:
        return False  # only when VERL_PLATFORM asks for it

    def current_device(self) -> str:
        return "cpu"

    def device_count(self) -> int:
        return 1

    def set_device(self, device_index: int) -> None:
        """There is one."""

    def synchronize(self, device_index: int | None = None) -> None:
        """Nothing runs beside."""

    def manual_seed(self, seed: int) -> None:
        torch.manual_seed(seed)

    def manual_seed_all(self, seed: int) -> None:
        torch.manual_seed(seed)

    def set_allocator_settings(self, settings: str) -> None:
        """There are none."""

    def empty_cache(self) -> None:
        """There is none."""

    def get_device_capability(self, device_index: int = 0) -> tuple[None, None]:
        return None, None

    def communication_backend_name(self) -> str:
        return "gloo"

    def visible_devices_envvar(self) -> str:
        return "CUDA_VISIBLE_DEVICES"

    def ray_resource_name(self) -> str:
        return "GPU"

    def ray_resource_options(self, num_gpus: float) -> dict[str, float]:
        return {"num_gpus": num_gpus}

    def ray_noset_envvars(self) -> list[str]:
        return ["RAY_EXPERIMENTAL_NOSET_CUDA_VISIBLE_DEVICES"]

    def is_ipc_supported(self) -> bool:
        return False

    @contextmanager
    def nvtx_range(self, msg: str) -> Iterator[None]:
        yield

    def profiler_start(self) -> None:
        """There is none."""

    def profiler_stop(self) -> None:
        """There is none."""

    def cudart(self) -> None:
        """There is none."""


def _name_gloo_once() -> None:
    init = torch.distributed.init_process_group

    def init_process_group(backend: str | None = None, *args: Any, **kwargs: Any) -> Any:
        return init("gloo" if backend is not None and "gloo" in backend else backend, *args, **kwargs)

    torch.distributed.init_process_group = init_process_group


def _pin_nothing() -> None:
    """The reference model is kept in pinned memory, which needs a driver."""
    torch.Tensor.pin_memory = lambda self, *_, **__: self  # type: ignore[method-assign]  # that is the point


_name_gloo_once()
_pin_nothing()
answer_for_vllm()
