"""The machines that pre-flight knows, from hardware.yaml. Loads without torch and numpy."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Annotated, Literal

import yaml
from pydantic import Field

from rpt_core.config import Config, Share
from rpt_core.errors import UserError


class Hardware(Config):
    """One machine. Rates are those of one device."""

    name: str
    """That of processors begins with `cpu`."""
    title: str
    memory_gb: Annotated[float, Field(gt=0)]
    """Memory of one device, in GB (1e9 bytes)."""
    devices: Annotated[int, Field(gt=0)]
    measured: bool = False
    """The shares below were measured with this platform, not assumed."""
    peak_tflops: dict[Literal["float32", "bfloat16"], float]
    memory_gb_per_second: float
    training_share: Share = 0.35
    """Share of the peak that forward and backward passes reach."""
    reading_share: Share = 0.5
    """Share of the peak that forward passes over whole texts reach."""
    decoding_share: Share = 0.3
    """Share of the peak that decoding many rows at once reaches."""
    bandwidth_share: Share = 0.6
    """Share of the memory's bandwidth that decoding reaches."""
    seconds_per_decode_step: float = 0.02
    """Least time of one token for all rows of a batch: launching kernels, Python."""
    start_seconds: float = 30
    """Start of the process and loading of the model."""

    @property
    def is_gpu(self) -> bool:
        """Whether its devices are GPUs."""
        return not self.name.startswith("cpu")

    def flops_per_second(self, dtype: Literal["float32", "bfloat16"], share: float) -> float:
        """Operations a second of all devices together at a share of the peak."""
        return self.peak_tflops[dtype] * 1e12 * share * self.devices


@cache
def all_hardware() -> dict[str, Hardware]:
    """The known machines by name."""
    text = resources.files(__package__).joinpath("hardware.yaml").read_text(encoding="utf-8")
    return {name: Hardware.model_validate({"name": name, **entry}) for name, entry in yaml.safe_load(text).items()}


def hardware(name: str) -> Hardware:
    """A known machine. Raises UserError naming those there are."""
    if name not in all_hardware():
        raise UserError(f"There is no hardware {name!r} in the list. Known: {', '.join(all_hardware())}.")
    return all_hardware()[name]
