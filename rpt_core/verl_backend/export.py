"""verl's sharded checkpoints in the Hugging Face layout, as safetensors.

In: `global_step_N` with a file of shards for each process (FSDP2). Out: the run's checkpoint of that step, whole or not
at all, as transformers and vLLM load it. The weights keep float32 unless the config says bfloat16: verl's own merger
writes bfloat16 always, which rounds away what small steps have changed (docs/engines.md has the figures). The files are
read with `weights_only`, so that nothing in them is run.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers.utils import GENERATION_CONFIG_NAME

from rpt_core.errors import NotFiniteError
from rpt_core.models.checkpoints import checkpoint_folder, write_metadata
from rpt_core.models.finite import first_not_finite, gives_finite_output
from rpt_core.models.loading import load_weights
from rpt_core.run.folder import RunDir
from rpt_core.text.tokens import Tokenizer

_SHARD = re.compile(r"model_world_size_(\d+)_rank_(\d+)\.pt")


def export(
    state: Path,
    run: RunDir,
    step: int,
    tokenizer: Tokenizer,
    dtype: torch.dtype,
    metadata: Mapping[str, Any],
    probe: Sequence[int],
) -> Path:
    """Write verl's checkpoint in `state` as the run's checkpoint of a step; returns its folder.

    probe: token ids of a text. What was written is read again before it counts: raises NotFiniteError, and leaves no
    checkpoint, when a weight or the model's output for the probe is not finite.
    """
    with checkpoint_folder(run, step) as folder:
        _write(state, folder, tokenizer, dtype)
        _check(folder, dtype, probe)
        write_metadata(folder, step, metadata)
    return run.checkpoint(step)


def _write(state: Path, folder: Path, tokenizer: Tokenizer, dtype: torch.dtype) -> None:
    """The model of verl's checkpoint, in the Hugging Face layout."""
    from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig

    shape = state / "actor" / "huggingface"
    config = AutoConfig.from_pretrained(shape, trust_remote_code=False)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, trust_remote_code=False)  # type: ignore[no-untyped-call]  # transformers has no type for it
    weights = {name: tensor.to(dtype) for name, tensor in merged_weights(state / "actor").items()}
    model.load_state_dict(weights, assign=True)
    model.tie_weights()
    model.config.dtype = dtype
    if (shape / GENERATION_CONFIG_NAME).is_file():  # config.json has one end token, where a chat model has several
        model.generation_config = GenerationConfig.from_pretrained(shape)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _check(folder: Path, dtype: torch.dtype, probe: Sequence[int]) -> None:
    """Raise NotFiniteError when the model that was written is no good."""
    model = load_weights(str(folder), dtype)
    if (name := first_not_finite(model.named_parameters())) is not None:
        raise NotFiniteError(f"the weight `{name}`", math.nan)
    if not gives_finite_output(model, probe):
        raise NotFiniteError("the model's output", math.nan)


def merged_weights(actor: Path) -> dict[str, Tensor]:
    """The whole weights of a sharded checkpoint, as they were trained (float32)."""
    import torch.distributed.tensor  # which makes its types known to `weights_only`

    shards = [torch.load(path, map_location="cpu", weights_only=True, mmap=True) for path in _shard_files(actor)]
    return {name: _joined([shard[name] for shard in shards]) for name in shards[0]}


def _shard_files(actor: Path) -> list[Path]:
    """Files of the shards in the order of their ranks."""
    found = {int(match[2]): path for path in actor.iterdir() if (match := _SHARD.fullmatch(path.name))}
    sizes = {int(match[1]) for path in found.values() if (match := _SHARD.fullmatch(path.name))}
    if not found or sizes != {len(found)}:
        raise RuntimeError(f"{actor} holds {len(found)} shards of a world of {sorted(sizes)}")
    return [found[rank] for rank in sorted(found)]


def _joined(parts: list[Any]) -> Tensor:
    """One tensor of its parts: joined along the sharded dimension; a tensor that every rank has whole is taken once."""
    from torch.distributed.tensor import DTensor, Shard

    first = parts[0]
    if not isinstance(first, DTensor):
        whole: Tensor = first
        return whole
    [placement] = first.placements
    local = [part._local_tensor for part in parts]
    return torch.cat(local, dim=placement.dim) if isinstance(placement, Shard) else local[0]
