"""What is checked before a run gets its row: names, texts that Postgres cannot store, configs that are still plans."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from rpt_core.config import StageConfig
from rpt_core.config.messages import field_messages
from rpt_core.errors import UserError
from rpt_core.presets import PlannedRun
from rpt_web.text import UNSTORABLE, clean_text


def checked_name(name: str, noun: str, longest: int) -> str:
    """The name without blanks around it. Raises UserError for one that cannot be shown or stored."""
    name = name.strip()
    if not name or len(name) > longest or not name.isprintable():
        shown = clean_text(name)[:200]
        raise UserError(f"{shown!r} cannot be the name of this {noun}. Give 1 to {longest} printable characters.")
    return name


def checked_run_name(name: str) -> str:
    """The same for a run. Plans refer to runs as @NAME/WHAT."""
    name = checked_name(name, "run", 100)
    if "/" in name or name.startswith("@"):
        raise UserError(f"{name!r} cannot be the name of this run. Leave out slashes and a leading @.")
    return name


def name_is_taken(name: str | None) -> str:
    """What to say of a run whose name another one of its experiment has."""
    return f"This experiment already has a run named {name!r}. Choose another name."


def refuse_unstorable(value: Any) -> None:
    """Raises UserError when a text within the value cannot be stored."""
    if isinstance(value, str) and UNSTORABLE.search(value):
        shown = clean_text(value)[:80]
        raise UserError(f"The config holds a text with a NUL or half a character: {shown!r}. Remove it.")
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ():
        refuse_unstorable(item)


def rehearsed(planned: PlannedRun, seed: int) -> StageConfig:
    """The config of a run of a plan as far as it can be known. Raises UserError that names the run and its fields."""
    try:
        return planned.rehearse(seed)
    except ValidationError as error:
        raise UserError(f"The run {planned.name!r} of the plan cannot run. {in_words(error)}") from None


def in_words(error: ValidationError) -> str:
    """All fields of a config that do not fit, in one line."""
    return "; ".join(f"{name}: {words}" if name else words for name, words in field_messages(error).items())
