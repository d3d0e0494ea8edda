"""Whether a run may continue from a checkpoint: the config and the contents that made it are compared with today's.

In: a stage's config, a checkpoint's metadata. Out: what differs, by the names of fields, or a UserError that lists it.
Paths count by what lies there, so that a folder may move; a large file counts by its size, beginning and end. Numbers
of the resumed run are those of an unbroken one only when nothing differs. What may always differ is in FREE: when
training ends (not before what is done, though), what is written how often, how the same numbers are computed (device,
backend, rows at once). Both engines compare so. Loads without torch.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from rpt_core.errors import UserError, reading
from rpt_core.files import read_json
from rpt_core.models.folder import CONFIG
from rpt_core.run.context import StageContext
from rpt_core.run.folder import METADATA, RunDir

FREE = (
    "steps",
    "budget",
    "checkpoint_every_steps",
    "keep_checkpoints",
    "log_every_steps",
    "skip_not_finite_steps",
    "trackers",
    "evaluate_at_steps",
    "test_every_epochs",
    "rollout_backend",
    "vllm",
    "verl",
    "model.device",
    "grpo.batch_rows",
    "sampling.record_tokens",
    "test_sampling.record_tokens",
    "batch_tokens",
)
"""Fields, and all below them, that may differ."""
PATHS = (
    "model.path",
    "positions",
    "evaluation.positions",
    "corpus.paths",
    "replay.paths",
    "traces.path",
    "traces.positions",
    "questions.paths",
    "prompt.template",
    "template",
)
"""Fields that count by what lies there."""
TOKENIZER = "tokenizer"
WHOLE_BYTES = 2**26
"""A larger file counts by its size and by this much of its beginning and of its end, together."""
_MODEL_FILES = (CONFIG, "*.safetensors")


def made_by(config: Any) -> dict[str, Any]:
    """What makes a checkpoint, as plain JSON values: the config, and a hash of what each of its paths holds."""
    fields = dict(_flat(config.model_dump(mode="json")))
    contents = {name: _contents(name, fields[name]) for name in PATHS if fields.get(name)}
    if fields.get("model.path"):
        contents[TOKENIZER] = _digest(fields["model.path"], ("tokenizer.json", "tokenizer.model"))
    return {"config": config.model_dump(mode="json"), "contents": {k: v for k, v in contents.items() if v}}


def differences(before: Mapping[str, Any], now: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, str]:
    """{field: how it differs} of two results of `made_by`. defaults: values of fields that an older version lacked."""
    old, new, known = (dict(_flat(config)) for config in (before["config"], now["config"], defaults))
    found = {}
    for name in sorted({*old, *new}):
        was, is_ = old.get(name, known.get(name)), new.get(name, known.get(name))
        if was != is_ and not _is_below(name, FREE) and not (name in PATHS and _have_both(name, before, now)):
            found[name] = f"was {was!r}, is {is_!r}"
    for name in sorted(before["contents"].keys() & now["contents"].keys()):
        if before["contents"][name] != now["contents"][name]:
            found[name] = f"what it holds has changed ({new.get(name, 'of the model')!r})"
    return found


def refuse_changes(found: Mapping[str, str], allowed: Collection[str], checkpoint: Path) -> list[str]:
    """Raise UserError that lists what differs and is not allowed; returns what is, in words.

    allowed: names of fields, their last parts, or what they are below.
    """
    refused = {name: how for name, how in found.items() if not any(_names(word, name) for word in allowed)}
    if refused:
        listed = "".join(f"\n- `{name}` {how}" for name, how in refused.items())
        options = " ".join(f"--allow-changed {name}" for name in refused)
        raise UserError(
            f"{checkpoint} was not made with this config, so the run does not continue:{listed}\nRestore the "
            f"config, start a new run in another folder, or continue anyway with {options}."
        )
    return [f"`{name}` {how}" for name, how in found.items()]


def refuse_unknown(allowed: Collection[str], config: Any, run: RunDir) -> None:
    """Raise UserError for words of `--allow-changed` that name nothing which is compared.

    Fields of the newest checkpoint's config count, too: an older version may have had others.
    """
    known = {TOKENIZER, *_field_names(type(config)), *_names_in(run.newest_checkpoint())}
    for word in allowed:
        if any(_names(word, name) for name in known):
            continue
        near = sorted(
            name for name in known if word in _last(name).split("_") or get_close_matches(word, [_last(name)])
        )
        near = [*get_close_matches(word, known, 1), *near]
        raise UserError(
            f"There is no field {word!r} whose change could be allowed."
            + (f" Did you mean {' or '.join(list(dict.fromkeys(near))[:3])}?" if near else "")
            + " Name a field as the config has it (optimiser.learning_rate), by its last part (learning_rate), or by "
            f"what it is below (optimiser). Stage {config.stage} has: {', '.join(type(config).model_fields)}."
        )


def refuse_earlier_end(
    path: Path, metadata: Mapping[str, Any], config: Any, limits: Mapping[str, float | None]
) -> None:
    """Raise UserError when the config now ends training before what a checkpoint has done.

    limits: of `step`, `flops` and `tokens`. The last step may go beyond its own budget of compute or tokens.
    """
    before, now = metadata.get("made_by", {}).get("config", {}), config.model_dump(mode="json")
    is_same = "made_by" not in metadata or before.get("budget") == now.get("budget")
    for name, limit in limits.items():
        done = metadata.get(name, 0)
        if limit is None or done <= limit or (is_same and name != "step"):
            continue
        field = "steps" if "steps" in now else next(f"budget.{key}" for key, value in now["budget"].items() if value)
        raise UserError(
            f"{path} has done {_amount(name, done)}, but `{field}` ends training earlier, at "
            f"{_amount(name, limit)}. What is done cannot be undone: raise `{field}`, or start a new run in another "
            "folder."
        )


def compare(
    context: StageContext, config: Any, path: Path, metadata: Mapping[str, Any], now: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """What was allowed to change until now, at which step; told in the log where it is new.

    now: `made_by` of the config. Raises UserError when the checkpoint was made by another one, and that is not allowed.
    """
    changes = list(metadata.get("changed", []))
    if "made_by" not in metadata:
        message = f"{path} does not say which config made it, so it was not compared with this one."
        context.tell_at_start("info", message)
        return changes
    found = differences(metadata["made_by"], now, defaults_of(config))
    if words := refuse_changes(found, context.allow_changed, path):
        message = f"The run continues from {path} with a changed config: {'; '.join(words)}."
        context.tell_at_start("warning", message)
        changes.append({"step": metadata["step"], "fields": found})
    return changes


def defaults_of(config: Any) -> dict[str, Any]:
    """Values of the fields that have one, which configs of older versions did not know."""
    fields = {name: field.get_default(call_default_factory=True) for name, field in type(config).model_fields.items()}
    dumped = {
        name: value.model_dump(mode="json") if hasattr(value, "model_dump") else value for name, value in fields.items()
    }
    return {name: value for name, value in dumped.items() if value is not PydanticUndefined}


def _have_both(name: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    return name in before["contents"] and name in now["contents"]


def _names(word: str, name: str) -> bool:
    return name == word or name.endswith(f".{word}") or name.startswith(f"{word}.")


def _amount(name: str, number: float) -> str:
    return f"step {number:,}" if name == "step" else f"{number:,} tokens" if name == "tokens" else f"{number:.4g} FLOPs"


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _field_names(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Dotted names of all fields of a config, those of parts that may be absent included."""
    for name, field in model.model_fields.items():
        yield f"{prefix}{name}"
        for part in _models_in(field.annotation):
            yield from _field_names(part, f"{prefix}{name}.")


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)


def _names_in(checkpoint: Path | None) -> list[str]:
    """Names of the fields that made a checkpoint; none where it does not say, or cannot be read."""
    if checkpoint is None:
        return []
    with contextlib.suppress(UserError):
        return [name for name, _ in _flat(read_json(checkpoint / METADATA).get("made_by", {}).get("config", {}))]
    return []


def _is_below(name: str, prefixes: Collection[str]) -> bool:
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted name, value) of each field."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        elif value is not None:
            yield f"{prefix}{name}", value


def _contents(name: str, value: Any) -> str | None:
    paths = value if isinstance(value, list | tuple) else [value]
    digests = [_digest(path, _MODEL_FILES if name == "model.path" else ("**/*",)) for path in paths]
    return None if None in digests else "".join(str(digest) for digest in digests)[:4000]


def _digest(path: str, patterns: tuple[str, ...]) -> str | None:
    """A hash of a file, or of a folder's files by their names; None where there is nothing to read."""
    root = Path(path)
    if not root.exists():
        return None
    files = [root] if root.is_file() else sorted({file for p in patterns for file in root.glob(p) if file.is_file()})
    digest = hashlib.blake2b(digest_size=16)
    for file in files:
        digest.update(b"" if file == root else file.relative_to(root).as_posix().encode())
        with reading(file, "Copy it again."):
            _add(digest, file)
    return digest.hexdigest() if files else None


def _add(digest: Any, file: Path) -> None:
    size = file.stat().st_size
    digest.update(str(size).encode())
    with file.open("rb") as opened:
        if size <= WHOLE_BYTES:
            digest.update(opened.read())
            return
        digest.update(opened.read(WHOLE_BYTES // 2))
        opened.seek(size - WHOLE_BYTES // 2)
        digest.update(opened.read())
