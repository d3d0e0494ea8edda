"""Texts: what Postgres can store of them, and the names of fields as people write them.

Models write NUL bytes and half characters; neither fits into text or jsonb.
"""

from __future__ import annotations

import re
from typing import Any

UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
REPLACEMENT = "\ufffd"
SPELLINGS = {
    word.lower(): word
    for word in ("EMA", "FLOPs", "GPU", "GPUs", "GRPO", "KL", "NTP", "RLVR", "RPT", "SFT", "verl", "vLLM")
}
"""Words of the field that keep their spelling wherever they stand."""
_TERMINAL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]P^_X][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])")
"""Sequences that a terminal carries out: colours and moves, strings such as a window's title, single commands."""
_WORD = re.compile("[A-Za-z]+")


def on_a_terminal(text: str) -> str:
    """The text as a terminal would have left it: without colours, titles and links, each line as last written over."""
    lines = _TERMINAL.sub("", text).split("\n")
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines)


def clean_text(text: str) -> str:
    """The text with each NUL and lone surrogate shown as the replacement character."""
    return UNSTORABLE.sub(REPLACEMENT, text)


def clean_json(value: Any) -> Any:
    """JSON data with all its texts, names of fields included, cleaned."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict):
        return {clean_text(str(key)): clean_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean_json(item) for item in value]
    return value


def spaced(name: str) -> str:
    """A field's name as words: gpus_per_node -> GPUs per node."""
    return _WORD.sub(lambda word: SPELLINGS.get(word[0].lower(), word[0]), name.replace("_", " "))


def titled(name: str) -> str:
    """The same with a capital in front, unless the first word keeps its spelling: vllm -> vLLM."""
    text = spaced(name)
    first = _WORD.match(text)
    return text if first and first[0] in SPELLINGS.values() else text[:1].upper() + text[1:]
