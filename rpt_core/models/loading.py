"""The one door through which a stored model comes in: its weights are those of its files, or it does not come in.

In: the folder of a causal language model in the Hugging Face layout, or its name on a hub. Out: the model, as
transformers loads it. transformers gives random values to what a file lacks and goes on without what it cannot place;
here its own report decides, and anything missing, left over or of another shape is a UserError that names it. What a
class of transformers itself lists as replaceable is no fault, and does not reach the report: tied weights that a file
holds once, buffers that older versions stored, and the heads for several tokens ahead that it does not build.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from rpt_core.errors import UserError, reading
from rpt_core.models.folder import (
    CONFIG,
    COPY,
    has_weights,
    model_folder,
    read_config,
    refuse_damaged_files,
    tensor_shapes,
    weight_files,
)
from rpt_core.text.tokens import Tokenizer

_HEADS = ("lm_head.weight", "embed_out.weight")
SHOWN = 3
"""Names of tensors that a message lists; a model has thousands."""


def load_weights(path: str, dtype: torch.dtype | None, device_map: str | None = None) -> Any:
    """The model on the CPU in evaluation mode. dtype: number format; None for that of the files.

    device_map: `meta` for a model without memory, of which only names and shapes are compared (needs accelerate).
    Raises UserError when the weights in the files are not those of the model in the config, or cannot be read.
    """
    from transformers import AutoModelForCausalLM

    config, folder = read_config(path), model_folder(path)
    if folder == Path(path):  # of a model on a hub, weights are fetched only now
        weight_files(folder)
        refuse_damaged_files(folder)
    with _without_table(), reading(f"The model {path!r}", COPY):
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            path,
            config=config,
            dtype=dtype or "auto",
            device_map=device_map,
            use_safetensors=True,
            trust_remote_code=False,
            ignore_mismatched_sizes=True,  # told below, with everything else
            output_loading_info=True,
        )
    model, report = loaded
    refuse_other_weights(path, type(model).__name__, report)
    return model


def checked_shape(path: str) -> Any:
    """The model without memory (on the meta device), for engines that load the folder by themselves.

    Raises UserError for what `load_weights` refuses, and for an output layer that such an engine would leave out. Where
    accelerate is not installed, or two stored tensors must be compared, the files are mapped into memory instead.
    """
    text = read_config(path).get_text_config()
    folder = model_folder(path)
    stored = tensor_shapes(folder) if has_weights(folder) else {}
    is_tied = bool(getattr(text, "tie_word_embeddings", False))
    has_own_head = is_tied and any(name.endswith(_HEADS) for name in stored)
    model = load_weights(path, None, None if has_own_head or find_spec("accelerate") is None else "meta")
    if has_own_head and model.get_input_embeddings().weight is not model.get_output_embeddings().weight:
        raise UserError(
            f"{folder / CONFIG} says that the output layer of {path!r} is the input embedding again "
            "(`tie_word_embeddings`), but its weights hold another output layer. Set `tie_word_embeddings` to false."
        )
    return model


def refuse_other_weights(path: str, name: str, report: Mapping[str, Collection[Any]]) -> None:
    """Raise UserError unless transformers' report of loading is empty. name: the model's class."""
    missing, unexpected = sorted(report["missing_keys"]), sorted(report["unexpected_keys"])
    reshaped = [f"{key} {tuple(found)} instead of {tuple(wanted)}" for key, found, wanted in report["mismatched_keys"]]
    faults = {
        "missing": missing,
        "of another shape": sorted(reshaped),
        "unknown to the model": unexpected,
    }
    told = [f"{len(names)} {fault}: {_some(names)}" for fault, names in faults.items() if names]
    if told:
        raise UserError(
            f"The weights of {path!r} are not those of the {name} that its {CONFIG} describes. {'; '.join(told)}. "
            f"{_advice(missing, unexpected)}"
        )


def refuse_unknown_tokens(path: str, tokenizer: Tokenizer, embeddings: int) -> None:
    """Raise UserError when the tokenizer of a model gives ids that have no embedding.

    Special tokens beyond the embeddings pass when nothing writes them: some published models list those of a larger
    model. A document cannot: it is never read for special tokens.
    """
    if len(tokenizer) <= embeddings:
        return
    beyond = {token: id_ for token, id_ in tokenizer.get_vocab().items() if id_ >= embeddings}
    added = tokenizer.added_tokens_decoder
    template = str(tokenizer.chat_template or "")
    own = {tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id, tokenizer.unk_token_id}
    written = {
        token: id_
        for token, id_ in beyond.items()
        if id_ in own or token in template or id_ not in added or not added[id_].special
    }
    if written:
        names = [f"{token!r} ({id_})" for token, id_ in sorted(written.items(), key=lambda item: item[1])]
        raise UserError(
            f"The tokenizer of {path!r} has ids up to {max(beyond.values())}, but the model has {embeddings} "
            f"embeddings, for ids up to {embeddings - 1}: none for {_some(names)}. Use the model's own tokenizer, or "
            "resize the model's embeddings and train them."
        )


def _advice(missing: list[str], unexpected: list[str]) -> str:
    """What to do, by what may have happened to the names."""
    added = _added_part(missing, unexpected)
    if added is not None:
        return f"The names in the files have {added!r} in them, and the model's do not: rename the tensors."
    if missing and all("lm_head" in name or "embed_out" in name for name in missing):
        return (
            f"If the output layer is the input embedding again, set `tie_word_embeddings` in {CONFIG} to true; if not, "
            "use a model that has one."
        )
    return f"Use the {CONFIG} that belongs to these weights, or the weights that belong to it."


def _added_part(missing: list[str], unexpected: list[str]) -> str | None:
    """What stands in names of the files and not in the model's, as wrappers of a model leave it; None for nothing."""
    wanted = set(missing)
    for name in unexpected:
        parts = name.split(".")
        for start in range(len(parts)):
            for end in range(start + 1, len(parts)):
                if ".".join([*parts[:start], *parts[end:]]) in wanted:
                    return ".".join(parts[start:end]) + "."
    return None


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:SHOWN])
    return shown if len(names) <= SHOWN else f"{shown} and {len(names) - SHOWN} more"


@contextmanager
def _without_table() -> Iterator[None]:
    """Keep transformers' own words on the same faults out of a run's log."""
    logger = logging.getLogger("transformers.modeling_utils")
    logger.addFilter(_is_no_table)
    try:
        yield
    finally:
        logger.removeFilter(_is_no_table)


def _is_no_table(record: logging.LogRecord) -> bool:
    words = record.getMessage()
    return "LOAD REPORT" not in words and "checkpoint seem corrupted" not in words
