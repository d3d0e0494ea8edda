"""A model's tokenizer from its files, and what they say of the two ends of a text.

In: a model's folder, or its name on a hub. Out: the tokenizer, exactly as its tokenizer.json says; ids that end a
response. Whatever is wrong with the files is told as a UserError that names the file.

The begin token: `add_bos_token` of tokenizer_config.json decides where it stands there. DeepSeek's models have it
beside a post-processor that adds nothing, R1-Distill-Qwen among them, the paper's own proxy: transformers 4 obeyed it,
transformers 5 does not read it beside a tokenizer.json. The answer is put into the post-processor, so that a checkpoint
saved from here keeps it in its tokenizer.json.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import processors
from transformers import PreTrainedTokenizerFast

from rpt_core.errors import UserError, reading
from rpt_core.files import read_json
from rpt_core.text.vocabulary import Tokenizer, backend_of

TOKENIZER, SETTINGS, GENERATION = "tokenizer.json", "tokenizer_config.json", "generation_config.json"
COPY = "Copy the model again."
_JSON_FILES = (TOKENIZER, SETTINGS, "special_tokens_map.json", "added_tokens.json")
_TEMPLATES = ("chat_template.jinja", "additional_chat_templates/*.jinja")


def load_tokenizer(path: str | Path) -> Tokenizer:
    """The tokenizer of a model folder or hub name, exactly as its tokenizer.json says.

    AutoTokenizer would choose a class by the model's type, and the classes of transformers 5 put their own
    normaliser and word splitting in place of the file's: another tokenizer for a model trained here, and wrong ids
    for published ones (R1-Distill, OLMo 2). Raises UserError that names the file when there is none, or a damaged one.
    """
    tokenizer: Tokenizer
    try:
        with reading(f"The tokenizer of {path}", f"A model needs its {TOKENIZER}. {COPY}"):
            tokenizer = PreTrainedTokenizerFast.from_pretrained(path, trust_remote_code=False)
    except UserError:
        _refuse_damaged(Path(path))
        raise
    _obey(tokenizer, _settings(str(path)).get("add_bos_token"))
    return tokenizer


def ids_before_text(backend: Any) -> list[int]:
    """What a Rust tokenizer puts before a text."""
    ids, plain = (backend.encode("a", add_special_tokens=flag).ids for flag in (True, False))
    ends = (start for start in range(len(ids)) if ids[start : start + len(plain)] == plain)
    return list(ids[: next(ends, 0)])


def end_token_ids(generation: Any, tokenizer: Tokenizer) -> list[int]:
    """Ids that end a response: those of a generation config (None for a model without one) and the tokenizer's."""
    configured = None if generation is None else generation.eos_token_id
    ids = configured if isinstance(configured, list) else [configured]
    return sorted({i for i in [*ids, tokenizer.eos_token_id] if i is not None})


def refuse_without_end(ids: Sequence[int], model: str) -> None:
    """Raise UserError when nothing ends a response: each would be cut by the limit, and wrong for that alone."""
    if not ids:
        raise UserError(
            f"The model {model!r} has no end token, so no response could end. Name one: `eos_token` in "
            "tokenizer_config.json, or `eos_token_id` in generation_config.json."
        )


def load_end_token_ids(model: str, tokenizer: Tokenizer) -> list[int]:
    """The same for a model's folder, or its name on a hub. Raises UserError for a damaged generation_config.json."""
    from transformers import GenerationConfig

    found = _file_of(model, GENERATION)
    if found is None:
        return end_token_ids(None, tokenizer)
    read_json(found)
    with reading(found, COPY):
        generation = GenerationConfig.from_pretrained(found.parent)
    return end_token_ids(generation, tokenizer)


def _settings(path: str) -> dict[str, Any]:
    """What tokenizer_config.json holds; empty without one."""
    file = _file_of(path, SETTINGS)
    return {} if file is None else read_json(file)


def _file_of(model: str, name: str) -> Path | None:
    """A file of a model's folder, or of its copy in the hub's cache; None where the model has none."""
    from transformers.utils.hub import cached_file

    with reading(f"The {name} of {model}", COPY):
        found = cached_file(model, name, _raise_exceptions_for_missing_entries=False)
    return None if found is None else Path(found)


def _obey(tokenizer: Tokenizer, asked: Any) -> None:
    """Put the begin token before texts, or leave it out, as the settings ask; None leaves it to the post-processor."""
    backend, begin = backend_of(tokenizer), tokenizer.bos_token_id
    if begin is None or asked not in (True, False):
        return
    before = ids_before_text(backend)
    if asked and begin not in before:
        name = str(tokenizer.bos_token)
        backend.post_processor = processors.TemplateProcessing(
            single=[name, "$A"], pair=[name, "$A", name, "$B"], special_tokens=[(name, begin)]
        )
    elif not asked and before == [begin]:
        backend.post_processor = processors.TemplateProcessing(single="$A", pair="$A $B", special_tokens=[])


def _refuse_damaged(folder: Path) -> None:
    """Raise UserError that names the file of a folder which cannot be read."""
    for file in map(folder.joinpath, _JSON_FILES):
        if file.is_file():
            read_json(file)
            with reading(file, COPY):  # as transformers does: no UTF-16, no byte order mark
                json.loads(file.read_text(encoding="utf-8"))
    for file in (found for pattern in _TEMPLATES for found in folder.glob(pattern)):
        with reading(file, COPY):
            file.read_text(encoding="utf-8")
    if (folder / TOKENIZER).is_file():
        with reading(folder / TOKENIZER, COPY):
            tokenizers.Tokenizer.from_file(str(folder / TOKENIZER))
