"""Checkpoints: a folder in the Hugging Face layout, with the optimiser's state and metadata beside the weights.

    step-000100/  config.json, model.safetensors, tokenizer.json, ...   loads with transformers as it is
                  training/optimiser.safetensors, optimiser.json        the optimiser's tensors and numbers
                  training/NAME.safetensors                             tensors that a stage keeps, such as an average
                  metadata.json                                         step, flops, stage, seed, tokenizer_hash, state

A checkpoint is there whole or not at all: it is written beside its place, forced to disk, and renamed. Nothing is
pickled. In: a model, its tokenizer, an optimiser. Out: the same, and the training compute that a checkpoint stands for.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from rpt_core.config import ModelConfig, ScratchConfig
from rpt_core.errors import NotFiniteError, UserError, reading
from rpt_core.files import PARTIAL_SUFFIX, force_to_disk, read_json
from rpt_core.models.finite import first_not_finite
from rpt_core.models.loading import load_weights, refuse_unknown_tokens
from rpt_core.run.folder import METADATA, RunDir
from rpt_core.text.tokens import Tokenizer, load_tokenizer

SMALL_MODEL_PARAMETERS = 2_000_000
"""A smaller model runs on one CPU thread."""
_TRAINING = "training"
"""A folder of its own: vLLM takes every safetensors file beside the weights for weights."""
_TENSORS, _NUMBERS = f"{_TRAINING}/optimiser.safetensors", f"{_TRAINING}/optimiser.json"


def load_model(config: ModelConfig) -> tuple[Any, Tokenizer]:
    """The model, in evaluation mode on its device, and its tokenizer.

    Raises UserError when either cannot be read, when the weights are not all those of the files, or when the tokenizer
    is another model's.
    """
    _without_bars()
    device = choose_device(config.device)
    tokenizer = load_tokenizer(config.path)
    model = load_weights(config.path, getattr(torch, config.dtype))
    refuse_unknown_tokens(config.path, tokenizer, model.get_input_embeddings().weight.shape[0])
    return _settled(model, device), tokenizer


def new_model(scratch: ScratchConfig, tokenizer: Tokenizer, seed: int) -> Any:
    """A randomly initialised model in float32 for a tokenizer; the seed alone decides its weights."""
    from transformers import AutoModelForCausalLM, LlamaConfig, Qwen2Config

    kind = {"qwen2": Qwen2Config, "llama": LlamaConfig}[scratch.architecture]
    config = kind(
        vocab_size=len(tokenizer),
        hidden_size=scratch.hidden_size,
        intermediate_size=scratch.intermediate_size,
        num_hidden_layers=scratch.layers,
        num_attention_heads=scratch.heads,
        num_key_value_heads=scratch.heads,
        max_position_embeddings=scratch.max_positions,
        rope_parameters={"rope_type": "default", "rope_theta": scratch.rope_theta},
        initializer_range=scratch.initializer_range,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]  # transformers has no type for it
    return _settled(model, choose_device("auto"))


def save_checkpoint(
    run: RunDir,
    step: int,
    model: Any,
    tokenizer: Tokenizer,
    optimiser: torch.optim.Optimizer,
    metadata: dict[str, Any],
    kept: Mapping[str, Mapping[str, Tensor]] | None = None,
) -> Path:
    """Write the checkpoint of a step, whole or not at all, and return its folder.

    kept: further tensors, by the name of their file and their own. Raises NotFiniteError, and writes nothing, when a
    weight, the optimiser's state or a further tensor is not finite.
    """
    check_finite(model, optimiser, kept or {})
    with checkpoint_folder(run, step) as folder:
        (folder / _TRAINING).mkdir()
        _without_bars()
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        _save_optimiser(folder, model, optimiser)
        for name, tensors in (kept or {}).items():
            _save_tensors(folder / _TRAINING / f"{name}.safetensors", tensors)
        write_metadata(folder, step, metadata)
    return run.checkpoint(step)


def check_finite(model: Any, optimiser: torch.optim.Optimizer, kept: Mapping[str, Mapping[str, Tensor]]) -> None:
    """Raise NotFiniteError that names the first tensor of a checkpoint whose values are not all finite."""
    tensors = chain(
        ((f"the weight `{name}`", parameter) for name, parameter in model.named_parameters()),
        ((f"the optimiser's `{name}`", tensor) for name, tensor in _optimiser_tensors(model, optimiser).items()),
        ((f"`{key}` of `{name}`", tensor) for name, found in kept.items() for key, tensor in found.items()),
    )
    name = first_not_finite(tensors)
    if name is not None:
        raise NotFiniteError(name, math.nan, f"{name[:1].upper()}{name[1:]} is not finite.")


def _without_bars() -> None:
    """Keep transformers' progress bars out of a run's log."""
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # transformers has no type for it


@contextmanager
def checkpoint_folder(run: RunDir, step: int) -> Iterator[Path]:
    """An empty folder to fill. At the end of the block it is forced to disk and becomes the checkpoint of the step."""
    final = run.checkpoint(step)
    partial = final.with_name(final.name + PARTIAL_SUFFIX)
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        for path in [*partial.rglob("*"), partial]:
            force_to_disk(path)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)  # so that a full disk has room again
        raise
    if final.exists():
        _remove(final)
    partial.rename(final)
    force_to_disk(final.parent)


def write_metadata(folder: Path, step: int, metadata: Mapping[str, Any]) -> None:
    """Write a checkpoint's metadata."""
    (folder / METADATA).write_text(json.dumps({"step": step, **metadata}, indent=2), encoding="utf-8")


def restore_optimiser(path: Path, model: Any, optimiser: torch.optim.Optimizer) -> None:
    """Put an optimiser made for the same model into the state that a checkpoint holds."""
    tensors = load_file(path / _TENSORS)
    numbers = read_json(path / _NUMBERS)
    state: dict[int, dict[str, Any]] = {}
    for index, name in enumerate(_trained_names(model)):
        entries = {key: tensors[f"{name}/{key}"] for key in numbers["tensors"].get(name, ())}
        if entries:
            state[index] = entries
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})


def restore_tensors(path: Path, name: str, tensors: Mapping[str, Tensor]) -> None:
    """Write the values that a checkpoint holds under a name into the tensors, in place."""
    file = path / _TRAINING / f"{name}.safetensors"
    if not file.is_file():
        raise UserError(
            f"The checkpoint {path} has no {file.name}, which this run's config needs to continue exactly as before. "
            "Start a new run from this checkpoint instead of resuming."
        )
    saved = load_file(file)
    with torch.no_grad():
        for key, tensor in tensors.items():
            tensor.copy_(saved[key])


def read_metadata(path: Path | str) -> dict[str, Any]:
    """A checkpoint's metadata; empty for a model that is none of ours."""
    file = Path(path) / METADATA
    return read_json(file) if file.is_file() else {}


def check_checkpoint(path: Path) -> None:
    """Raise UserError that names the file of a checkpoint which is missing or damaged, the weights aside."""
    found = read_metadata(path)
    if not (isinstance(found.get("step"), int) and isinstance(found.get("flops"), int | float)):
        raise UserError(f"{path / METADATA} is missing, or does not say step and flops.")
    read_json(path / _NUMBERS)
    for file in {path / _TENSORS, *(path / _TRAINING).glob("*.safetensors")}:
        with reading(file, "It is damaged."), safe_open(file, "pt"):
            pass  # which compares the file's size with its header


def set_aside(path: Path) -> Path:
    """Rename a checkpoint so that it counts no more, and return its new path."""
    aside = path.with_name(path.name + ".damaged")
    shutil.rmtree(aside, ignore_errors=True)
    return path.rename(aside)


def checkpoint_flops(path: Path | str) -> float:
    """Training compute of the run that wrote a checkpoint, up to it; 0 for a model that is none of ours."""
    return float(read_metadata(path).get("flops", 0.0))


def prune_checkpoints(run: RunDir, keep: int, spared: Collection[int] = ()) -> None:
    """Remove all but the newest checkpoints and those of the spared steps."""
    for step in run.checkpoint_steps()[:-keep]:
        if step not in spared:
            _remove(run.checkpoint(step))


def remove_leftovers(run: RunDir) -> None:
    """Remove what a crash left half written or half deleted."""
    for leftover in run.checkpoints.glob(f"*{PARTIAL_SUFFIX}"):
        shutil.rmtree(leftover)


def folder_bytes(path: Path) -> int:
    """Size of a checkpoint."""
    return sum(entry.stat().st_size for entry in path.rglob("*") if entry.is_file())


def choose_device(name: str) -> torch.device:
    """The device of a config's `auto`, `cpu` or `cuda`. Raises UserError when there is no such device here."""
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("`device` is cuda, but PyTorch sees no GPU here. Use auto or cpu, or another machine.")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def _settled(model: Any, device: torch.device) -> Any:
    """The model on its device, ready for use.

    A small model's matrices gain little from threads, and threads that wait for each other make it several times
    slower as soon as anything else runs on the machine. OMP_NUM_THREADS overrules this.
    """
    is_small = sum(parameter.numel() for parameter in model.parameters()) < SMALL_MODEL_PARAMETERS
    if device.type == "cpu" and is_small and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)
    return model.to(device).eval()


def _save_optimiser(folder: Path, model: Any, optimiser: torch.optim.Optimizer) -> None:
    _save_tensors(folder / _TENSORS, _optimiser_tensors(model, optimiser))
    numbers = {"tensors": {name: sorted(values) for name, values in _optimiser_entries(model, optimiser).items()}}
    (folder / _NUMBERS).write_text(json.dumps(numbers, indent=2), encoding="utf-8")


def _optimiser_tensors(model: Any, optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    entries = _optimiser_entries(model, optimiser)
    return {f"{name}/{key}": tensor for name, values in entries.items() for key, tensor in values.items()}


def _optimiser_entries(model: Any, optimiser: torch.optim.Optimizer) -> dict[str, dict[str, Tensor]]:
    names = _trained_names(model)
    return {names[index]: values for index, values in optimiser.state_dict()["state"].items()}


def _save_tensors(file: Path, tensors: Mapping[str, Tensor]) -> None:
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, file)


def _trained_names(model: Any) -> list[str]:
    """Names of the parameters in the order in which the optimiser got them."""
    return [name for name, parameter in model.named_parameters() if parameter.requires_grad]


def _remove(folder: Path) -> None:
    """Delete a checkpoint so that it is never seen half deleted."""
    doomed = folder.with_name(folder.name + ".old" + PARTIAL_SUFFIX)
    shutil.rmtree(doomed, ignore_errors=True)
    folder.rename(doomed)
    shutil.rmtree(doomed)
