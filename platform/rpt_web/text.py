"""Text that Postgres can store. Models write NUL bytes and half characters; neither fits into text or jsonb."""

from __future__ import annotations

import re
from typing import Any

UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
REPLACEMENT = "\ufffd"


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
