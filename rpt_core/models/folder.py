"""A model's folder before anything in it is loaded: its config, its files of weights, and what stands against it.

In: the folder of a model in the Hugging Face layout, or its name on a hub. Out: its config as transformers reads it,
the names and shapes of its tensors, from their files' headers. Whatever is damaged, missing, quantised, pickled or in
need of code of its own is a UserError that names the file. No weight is read, and no code that comes with a model is
run.
Loads without torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from safetensors import safe_open

from rpt_core.errors import UserError, reading, said
from rpt_core.files import read_json
from rpt_core.text.files import stands_for_data

CONFIG, GENERATION_CONFIG = "config.json", "generation_config.json"
WEIGHTS, INDEX, ADAPTER = "model.safetensors", "model.safetensors.index.json", "adapter_config.json"
COPY = "Copy the model again."
_QUANTISED = ("quantization_config", "compression_config", "quantization")
"""Keys of a config by which quantised models are known: those of transformers, of older compressed-tensors, of MLX."""
_QUANTISED_FILES = ("quantize_config.json", "quant_config.json", "hf_quant_config.json")
"""Files beside the config that say the same: of older GPTQ and AWQ, and of ModelOpt."""
_NARROW = ("I8", "U8", "I4", "U4", "I32", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F4")
"""Formats, as safetensors calls them, that only quantised weights have."""
_PLAIN_DTYPES = ("float64", "double", "float32", "float", "float16", "half", "bfloat16")
_NARROW_DTYPES = ("float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu")
DTYPES = frozenset((*_PLAIN_DTYPES, *_NARROW_DTYPES, "float4_e2m1fn_x2"))
"""Names of torch's floating-point dtypes. With torch installed, transformers looks up a config's dtype among them."""
_NO_LANGUAGE_MODEL = ("Classification", "Reward", "QuestionAnswering", "MultipleChoice")
"""Parts of the names of architectures that have another head than a language model's."""


def model_folder(path: str) -> Path:
    """The model's folder: a local one, or its copy in the hub's cache (fetched when the hub can be reached).

    Of a model on a hub, only the small files are sure to be there.
    """
    folder = Path(path)
    if (folder / CONFIG).is_file():
        return folder
    if folder.is_dir() or folder.is_absolute() or path.startswith("."):
        merge = " It holds an adapter alone: merge it into its base model and save that." if is_adapter(folder) else ""
        raise UserError(f"{path} holds no config.json. Name the folder of a checkpoint, or a model on a hub.{merge}")
    found = _on_hub(path)
    if isinstance(found, str):
        raise UserError(f"The model {path!r} is not a folder here, and {found}")
    return found


@cache
def _on_hub(name: str) -> Path | str:
    """A model's folder in the hub's cache, or why it is not to be had; each name is asked for once in a process."""
    from huggingface_hub import errors, snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=[CONFIG, GENERATION_CONFIG, "tokenizer*", "*.index.json"]))
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled, ConnectionError):
        return (
            "the hub cannot be reached from this machine. Download the model where there is a network and name its "
            "folder, or correct the name."
        )
    except errors.GatedRepoError:
        return "its owner on the hub gives it only to those who have accepted the terms. Log in there, or download it."
    except errors.RepositoryNotFoundError:
        return "the hub has no model of that name that may be seen without a login. Correct the name."
    except Exception as error:  # the hub's errors share no base class
        return f"the hub does not give it: {said(error)}. Correct the name, or download the model first."


def read_config(path: str) -> Any:
    """The model's config, as transformers reads it, of a causal language model that can be loaded.

    Raises UserError that names the file for one that is damaged, quantised, of another kind of model, or of a kind
    that this version of transformers does not know.
    """
    folder = model_folder(path)
    file = folder / CONFIG
    values = read_json(file)
    refuse_unusable(folder, values)
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    _refuse_unknown_kind(file, values)
    _refuse_unknown_dtype(file, values)
    with reading(file, COPY):
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    if config.model_type not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        raise UserError(
            f"{file} is that of a {config.model_type!r}, which is not a causal language model. Use a model such as "
            "Qwen2, Qwen3, Llama or Mistral."
        )
    return config


def refuse_unusable(folder: Path, values: Mapping[str, Any]) -> None:
    """Raise UserError for what a config.json alone, or a file beside it, rules out."""
    file = folder / CONFIG
    if (how := _quantisation(folder, values)) is not None:
        raise UserError(
            f"The model in {folder} is quantised ({how}), which is not supported. Use the unquantised model that it "
            "was made from."
        )
    if is_adapter(folder):
        raise UserError(
            f"{folder} holds an adapter ({ADAPTER}), whose weights are not those of a whole model. Merge it into its "
            "base model, and save that."
        )
    names = values.get("architectures")
    for name in names if isinstance(names, list) else ():
        if isinstance(name, str) and any(part in name for part in _NO_LANGUAGE_MODEL):
            raise UserError(
                f"{file} says {name}: a model with another head than a language model's. Use a causal language model."
            )


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds an adapter, which some versions of transformers would put another base model under."""
    return (folder / ADAPTER).is_file()


def has_weights(folder: Path) -> bool:
    """Whether there are files of weights to look at; a model on a hub may have only its small files here."""
    return (folder / WEIGHTS).is_file() or any(folder.glob("model-*.safetensors"))


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files with the model's weights, as transformers chooses them.

    Raises UserError when there are none, or when the index names files that are not there.
    """
    index = folder / INDEX
    if (folder / WEIGHTS).is_file():
        if index.is_file() and WEIGHTS not in _weight_map(index).values():
            raise UserError(
                f"{folder} holds the weights twice: in {WEIGHTS}, and in the files that {INDEX} names. Engines differ "
                "in which they read. Remove the one that you do not want, with its index."
            )
        return [folder / WEIGHTS]
    if not index.is_file():
        raise UserError(_without_weights(folder))
    files = sorted(set(_weight_map(index).values()))
    if missing := [name for name in files if Path(name).name != name or not (folder / name).is_file()]:
        raise UserError(f"{index} names {_some(missing)}, which {folder} does not hold. {COPY}")
    return [folder / name for name in files]


def _weight_map(index: Path) -> dict[str, str]:
    """Name of the file of each tensor. Raises UserError for an index that does not say."""
    names = read_json(index).get("weight_map")
    if not isinstance(names, dict) or not names or not all(isinstance(name, str) for name in names.values()):
        raise UserError(f"{index} does not say which file holds which tensor (`weight_map`). {COPY}")
    return names


def tensor_shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """Shape of each tensor in the model's files of weights.

    Raises UserError that names a damaged file, one that stands for the weights, and weights of integers or eight bits,
    which are numbers only together with scales that no plain model has.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for file in weight_files(folder):
        with reading(file, f"It is damaged, or its copy was cut off. {COPY}"):
            with file.open("rb") as opened:
                head = opened.read(64)
            if (other := stands_for_data(head)) is not None:
                raise UserError(f"{file} is {other}")
            with safe_open(file, "numpy") as tensors:
                slices = {name: tensors.get_slice(name) for name in tensors.keys()}  # noqa: SIM118  # it cannot be iterated
        narrow = [n for n, part in slices.items() if n.endswith("weight") and part.get_dtype() in _NARROW]
        if narrow:
            raise UserError(
                f"{file} is quantised: {_some(narrow)} is stored as {slices[narrow[0]].get_dtype()}, which is not "
                "supported. Use the unquantised model that it was made from."
            )
        shapes |= {name: tuple(part.get_shape()) for name, part in slices.items()}
    return shapes


def refuse_damaged_files(folder: Path) -> None:
    """Raise UserError for damaged JSON, missing shards, weights that are cut off, and weights that are only pickled.

    A folder without any weights passes: those of a model on a hub may still have to be fetched.
    """
    for name in (CONFIG, GENERATION_CONFIG):
        if (folder / name).is_file():
            read_json(folder / name)
    if has_weights(folder) or _pickled(folder):
        tensor_shapes(folder)


def _quantisation(folder: Path, values: Mapping[str, Any]) -> str | None:
    """How a model is quantised, in its maker's word; None for one that is not."""
    nested = values.get("text_config")
    for part in (values, nested if isinstance(nested, Mapping) else {}):
        for key in _QUANTISED:
            if (found := part.get(key)) is not None:
                kind = found.get("quant_method") if isinstance(found, Mapping) else None
                return str(kind or f"`{key}` in {CONFIG}")
    return next((name for name in _QUANTISED_FILES if (folder / name).is_file()), None)


def _refuse_unknown_kind(file: Path, values: Mapping[str, Any]) -> None:
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    kind = values.get("model_type")
    if not isinstance(kind, str) or not kind:
        raise UserError(f"{file} does not say what kind of model it is (`model_type`). {COPY}")
    if kind in CONFIG_MAPPING:
        return
    reason = (
        "The model brings code of its own (`auto_map`), and code that comes with a model is never run."
        if "auto_map" in values
        else "It may want a newer version of transformers."
    )
    raise UserError(
        f"{file} names the kind of model {kind!r}, which transformers does not know here. {reason} Use a model such as "
        "Qwen2, Qwen3, Llama or Mistral."
    )


def _refuse_unknown_dtype(file: Path, values: Mapping[str, Any]) -> None:
    for key in ("dtype", "torch_dtype"):
        if isinstance(dtype := values.get(key), str) and dtype not in DTYPES:
            raise UserError(f"{file} says {dtype!r} for '{key}', which is no floating-point format of torch. {COPY}")
    for name, part in values.items():
        if name.endswith("_config") and isinstance(part, Mapping):
            _refuse_unknown_dtype(file, part)


def _without_weights(folder: Path) -> str:
    if pickled := _pickled(folder):
        return (
            f"The weights in {folder} are pickled ({_some(pickled)}), and pickled files are not read, because they can "
            f"run code. Save the model again as safetensors ({WEIGHTS})."
        )
    return f"{folder} holds no weights: neither {WEIGHTS} nor {INDEX}. {COPY}"


def _pickled(folder: Path) -> list[str]:
    """Names of pickled weights; a trainer's own states (`training_args.bin`, `optimizer.pt`) are none."""
    found = [*folder.glob("pytorch_model*.bin"), *folder.glob("model*.bin"), *folder.glob("consolidated*.pt*")]
    return sorted(file.name for file in found)


def _some(names: list[str], most: int = 3) -> str:
    """The first names, and how many more there are."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
