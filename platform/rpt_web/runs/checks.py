"""What is checked before a run gets its row: names, texts that Postgres cannot store, configs that are still plans."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydantic import BaseModel, ValidationError

from rpt_core.config import StageConfig
from rpt_core.config.messages import field_messages
from rpt_core.errors import UserError
from rpt_core.plans.preset import PlannedRun
from rpt_web.characters import described, has_something_to_see, unfit_for_a_name, unfit_for_a_text
from rpt_web.runs.models import Experiment
from rpt_web.text import UNSTORABLE, clean_text

LONGEST_TITLE, LONGEST_DESCRIPTION = 200, 5000
"""Characters."""
HEADINGS = (
    "BenchmarkConfig.name",
    "ComparisonConfig.name",
    "FrontierConfig.name",
    "ResponsesConfig.model",
    "ScalingConfig.name",
)
"""Fields of configs, `Class.field`, whose texts stand in tables and figures."""


def checked_name(name: str, noun: str, longest: int) -> str:
    """The name without blanks around it. Raises UserError for one that cannot be shown or stored."""
    name = name.strip()
    refused = f"{clean_text(name)[:200]!r} cannot be the name of this {noun}."
    if (character := unfit_for_a_name(name)) is not None:
        raise UserError(f"{refused} It holds {character}. Remove that, and give 1 to {longest} printable characters.")
    if len(name) > longest or not has_something_to_see(name):
        raise UserError(f"{refused} Give 1 to {longest} printable characters.")
    return name


def checked_run_name(name: str) -> str:
    """The same for a run. Plans refer to runs as @NAME/WHAT."""
    name = checked_name(name, "run", 100)
    if "/" in name or name.startswith("@"):
        raise UserError(f"{name!r} cannot be the name of this run. Leave out slashes and a leading @.")
    return name


def checked_title(title: str) -> str:
    """The title of a run, which may be empty, without blanks around it. Raises UserError as `checked_name` does."""
    title = title.strip()
    if (character := unfit_for_a_name(title)) is not None:
        raise UserError(f"{_cut(title)} cannot be a title. It holds {character}. Remove that.")
    if len(title) > LONGEST_TITLE:
        raise UserError(f"{_cut(title)} is too long for a title. Give at most {LONGEST_TITLE} characters.")
    return title


def checked_description(text: str) -> str:
    """A description, which may have several lines. Raises UserError for one that cannot be shown or stored."""
    text = text.replace("\r\n", "\n").strip()
    if (character := unfit_for_a_text(text)) is not None:
        raise UserError(f"The description holds {character}. Remove that; lines may end with a line break.")
    if len(text) > LONGEST_DESCRIPTION:
        words = f"Give at most {LONGEST_DESCRIPTION:,} characters."
        raise UserError(f"The description is too long: it has {len(text):,} characters. {words}")
    return text


def refuse_unfit_headings(config: BaseModel, prefix: str = "") -> None:
    """Raises UserError for a text of the config that stands as a heading in tables, and cannot be shown there."""
    for name, value in config.__dict__.items():
        for index, item in enumerate(value) if isinstance(value, tuple) else [(None, value)]:
            place = f"{prefix}{name}" if index is None else f"{prefix}{name}.{index}"
            if isinstance(item, BaseModel):
                refuse_unfit_headings(item, f"{place}.")
            elif f"{type(config).__name__}.{name}" in HEADINGS and isinstance(item, str):
                with refusals_of_field(place):
                    checked_title(item)


@contextmanager
def refusals_of_field(name: str) -> Iterator[None]:
    """An error raised in the block names the config's field."""
    try:
        yield
    except UserError as error:
        raise UserError(f"`{name}`: {error}") from None


def _cut(text: str) -> str:
    return repr(clean_text(text)[:100])


def refuse_taken_name(experiment: Experiment, name: str) -> None:
    """Raises UserError when a run of the experiment has the name already."""
    if experiment.runs.filter(name=name).exists():
        raise UserError(name_is_taken(name))


def name_is_taken(name: str | None) -> str:
    """What to say of a run whose name another one of its experiment has."""
    return f"This experiment already has a run named {name!r}. Choose another name."


def refuse_closed(experiment: Experiment) -> None:
    """Raises UserError for an experiment that takes no new runs: it is archived, or being deleted (1 query)."""
    now = Experiment.objects.select_related("deletion").filter(pk=experiment.pk).first()
    if now is None or now.is_being_deleted:
        raise UserError(f"The experiment {experiment.name!r} is being deleted. Submit to another one.")
    if now.archived_at is not None:
        raise UserError(f"The experiment {experiment.name!r} is archived. Bring it back first, on its page.")


def refuse_unstorable(value: Any) -> None:
    """Raises UserError when a text within the value cannot be stored."""
    if isinstance(value, str) and UNSTORABLE.search(value):
        shown, character = clean_text(value)[:80], described(UNSTORABLE.findall(value)[0])
        raise UserError(f"The config holds a text with a NUL or half a character: {character} in {shown!r}. Remove it.")
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ():
        refuse_unstorable(item)


def rehearsed(planned: PlannedRun, seed: int) -> StageConfig:
    """The config of a run of a plan as far as it can be known. Raises UserError that names the run and its fields."""
    try:
        return planned.rehearse(seed)
    except ValidationError as error:
        raise UserError(f"The run {planned.name!r} of the plan cannot run. {in_words(error)}") from None


@contextmanager
def refusals_of_run(name: str) -> Iterator[None]:
    """A refusal raised inside the block names the run of the plan."""
    try:
        yield
    except UserError as error:
        raise UserError(f"The run {name!r} of the plan cannot run. {error}") from None


def in_words(error: ValidationError) -> str:
    """All fields of a config that do not fit, in one line."""
    return "; ".join(f"{name}: {words}" if name else words for name, words in field_messages(error).items())
