"""Several values for some settings of a form: the runs that they make, each named by what differs.

In: lines such as `learning_rate: 1e-6, 3e-6`, whether all combinations are meant or the first with the first, and the
form that the other settings stand in. Out: variants, or a UserError that names the line. `seed` makes copies of the
others, as the seeds of a suite do, so that results are shown as means over seeds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import product
from typing import Any

import yaml

from rpt_core.errors import UserError
from rpt_core.plans.preset import PlannedRun
from rpt_core.run.copies import copy_prefix
from rpt_core.typed_yaml import read_typed
from rpt_core.words import counted
from rpt_web.pages.configure.fields import as_text
from rpt_web.pages.configure.forms import PlannedRunForm, with_values

MOST_RUNS = 64
LONGEST_NAME, LONGEST_TEXT = 80, 5000
GRID, LIST = "grid", "list"
SEED = "seed"
Line = tuple[str, list[Any]]
"""A setting and its values."""


@dataclass(frozen=True)
class Variant:
    """One run of a sweep."""

    planned: PlannedRun
    changes: Mapping[str, Any]
    is_first_seed: bool
    """Whether no other run differs from it only by an earlier seed."""


def variants(form: PlannedRunForm, text: str, way: str) -> list[Variant]:
    """The runs that the lines make of the form's settings. Raises UserError for lines that cannot be meant."""
    lines = _lines(form, text)
    seeds: list[int | None] = [int(value) for name, values in lines if name == SEED for value in _whole(values)] or [
        None
    ]
    swept = [(name, values) for name, values in lines if name != SEED]
    count = len(seeds) * _count(swept, way)
    if count > MOST_RUNS:
        raise UserError(
            f"This makes {counted(count, 'run')}, and a sweep has at most {MOST_RUNS}. Give fewer values, or make two "
            "sweeps."
        )
    base, found, taken = form.planned(), list[Variant](), set[str]()
    for number, values in enumerate(_combined(swept, way), start=1):
        changes = dict(zip([name for name, _ in swept], values, strict=True))
        plain = _free(_named(changes, base.name), number, taken)
        for place, seed in enumerate(seeds):
            all_changes = changes if seed is None else changes | {SEED: seed}
            name = plain if seed is None else copy_prefix(seed) + plain
            planned = with_values(base, all_changes).model_copy(update={"name": name, "title": titled(all_changes)})
            found.append(Variant(planned, all_changes, place == 0))
    return found


def titled(changes: Mapping[str, Any]) -> str:
    """What differs, in words for the title of a run."""
    return ", ".join(f"{name.rpartition('.')[2]} {as_text(value)}" for name, value in changes.items())[:200]


def _lines(form: PlannedRunForm, text: str) -> list[Line]:
    if len(text) > LONGEST_TEXT:
        raise UserError(f"Give at most {LONGEST_TEXT:,} characters.")
    lines = [_line(form, line.strip()) for line in text.splitlines() if line.strip()]
    names = [name for name, _ in lines]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UserError(f"`{twice}` has two lines. Put all of its values into one.")
    if not lines:
        raise UserError("Name at least one setting with several values, such as `learning_rate: 1e-6, 3e-6`.")
    return lines


def _line(form: PlannedRunForm, line: str) -> Line:
    asked, colon, values = line.partition(":")
    if not colon:
        raise UserError(
            f"“{line[:60]}” has no colon. Write a setting, a colon, and its values with commas between them."
        )
    name = _setting(form, asked.strip())
    try:
        found = read_typed(f"[{values}]")
    except (yaml.YAMLError, RecursionError):
        raise UserError(f"`{name}`: its values cannot be read. Put commas between them, and texts in quotes.") from None
    if not found or any(isinstance(value, dict) for value in found):
        raise UserError(f"`{name}` needs at least one value after the colon, and commas between several.")
    if any(found.count(value) > 1 for value in found):
        raise UserError(f"`{name}` has a value twice. Runs that are alike teach nothing: for seeds, add `seed: 0, 1`.")
    return name, found


def _setting(form: PlannedRunForm, asked: str) -> str:
    """The dotted name of a setting by that name, its last part, or the label of its field."""
    if asked in form.leaves:
        return asked
    short = asked.lower().replace(" ", "_")
    found = [name for name in form.leaves if name.rpartition(".")[2].lower() == short]
    found = found or [name for name in form.leaves if str(form.fields[name].label).lower() == asked.lower()]
    if len(found) == 1:
        return found[0]
    if found:
        raise UserError(
            f"“{asked[:60]}” may mean {', '.join(f'`{name}`' for name in found)}. Write the one that you mean."
        )
    near = get_close_matches(short, [name.rpartition(".")[2] for name in form.leaves], 3, 0.5)
    hint = f" Did you mean {' or '.join(f'`{name}`' for name in near)}?" if near else " The fields have their names."
    raise UserError(f"This stage has no setting “{asked[:60]}”.{hint}")


def _whole(values: Sequence[Any]) -> Sequence[Any]:
    if not all(type(value) is int and -(2**31) <= value < 2**31 for value in values):
        raise UserError("`seed`: give whole numbers within 32 bits, separated by commas.")
    return values


def _count(swept: Sequence[Line], way: str) -> int:
    counts = [len(values) for _, values in swept]
    if way == LIST:
        if len(set(counts)) > 1:
            told = ", ".join(f"`{name}` {len(values)}" for name, values in swept)
            raise UserError(f"For a list, every setting needs equally many values: {told}. Or take all combinations.")
        return counts[0] if counts else 1
    total = 1
    for count in counts:
        total *= count
    return total


def _combined(swept: Sequence[Line], way: str) -> Iterator[tuple[Any, ...]]:
    columns = [values for _, values in swept]
    if way == LIST:
        return zip(*columns, strict=True) if columns else iter([()])
    return product(*columns)


def _named(changes: Mapping[str, Any], base: str) -> str:
    """`learning_rate-1e-6-group_size-4`; the run's own name where only seeds differ."""
    parts = [f"{name.rpartition('.')[2]}-{_slug(value)}" for name, value in changes.items()]
    return "-".join(parts) or _slug(base)


def _slug(value: Any) -> str:
    text = as_text(value) if value not in (0, 0.0) or isinstance(value, bool) else "0"
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", text).strip("-")[:40] or "none"


def _free(name: str, number: int, taken: set[str]) -> str:
    """The name, or a number where it is too long or another run has it."""
    if len(name) > LONGEST_NAME or name in taken:
        name = f"variant-{number:02}"
    taken.add(name)
    return name
