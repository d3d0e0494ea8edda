"""The columns of the table of runs: each has one name, which stands in addresses, saved views and files.

In: a name. Out: a `RunColumn`, or a UserError that says what was wrong, what is allowed, what to do next.

    name, stage, seed, tags, flops, gpu_hours, ...     of the run itself, see PLAIN
    config.budget.steps                                a setting, by its key; nested keys with dots
    metric.reward_mean.last                            a metric: last, best, worst, min, max, or at:40 for a step
    accuracy.hard.greedy                               an accuracy: difficulty and mode, at the newest step
    accuracy.hard.greedy.at:40                         the same at a step
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from rpt_core.errors import UserError
from rpt_core.run.metrics import HIGHER_IS_BETTER, LOWER_IS_BETTER
from rpt_web.results.queries import mode_label
from rpt_web.text import UNSTORABLE

Kind = Literal["text", "integer", "number", "share", "flops", "hours", "bytes", "time", "tags", "state", "setting"]
Family = Literal["run", "config", "metric", "accuracy"]

MOST_COLUMNS = 200
LONGEST_NAME = 300
LATEST_STEP = 2**31 - 1
NUMBERS: Final = ("integer", "number", "share", "flops", "hours", "bytes")
"""Kinds that are compared as numbers and averaged."""
HOWS: Final = ("last", "best", "worst", "min", "max")
"""What a metric came to; beside them `at:STEP`."""
PLAIN: Final[dict[str, tuple[str, Kind]]] = {
    "id": ("Number", "integer"),
    "name": ("Run", "text"),
    "title": ("Title", "text"),
    "experiment": ("Experiment", "text"),
    "team": ("Team", "text"),
    "stage": ("Stage", "text"),
    "status": ("State", "state"),
    "seed": ("Seed", "integer"),
    "tags": ("Tags", "tags"),
    "by": ("By", "text"),
    "created": ("Submitted", "time"),
    "started": ("Started", "time"),
    "finished": ("Ended", "time"),
    "step": ("Step", "integer"),
    "total_steps": ("Steps in all", "integer"),
    "attempts": ("Attempts", "integer"),
    "hours": ("Time", "hours"),
    "gpus": ("GPUs asked for", "integer"),
    "gpu_hours": ("GPU hours", "number"),
    "flops": ("FLOPs", "flops"),
    "disk": ("Disk", "bytes"),
    "code_version": ("Code version", "text"),
    "error": ("Error", "text"),
}
"""Columns of the run itself: name -> (title, kind)."""
DEFAULT: Final = (
    "experiment",
    "stage",
    "status",
    "seed",
    "step",
    "metric.reward_mean.last",
    "accuracy.hard.sampled",
    "accuracy.hard.greedy",
    "flops",
    "gpu_hours",
    "tags",
    "created",
)
"""What is shown beside the run's name when nobody has chosen."""
_AT = re.compile(r"at:(\d{1,10})")
_WORD = re.compile(r"[A-Za-z0-9_@-]{1,40}")
_OPERATORS = re.compile(r"[<>=~!,]")


@dataclass(frozen=True)
class RunColumn:
    """One column. `key`: a setting's path, or a metric's name; `difficulty` and `mode` are an accuracy's."""

    name: str
    family: Family
    title: str
    kind: Kind
    key: str = ""
    how: str = ""
    """Of a metric: last, min, max or at."""
    step: int | None = None
    """At which step; None for what it came to."""
    difficulty: str = ""
    mode: str = ""

    @property
    def path(self) -> list[str]:
        """The keys that lead to a setting."""
        return self.key.split(".")

    @property
    def is_number(self) -> bool:
        """Whether it is averaged over seeds; settings are listed."""
        return self.kind in NUMBERS


def column(name: str) -> RunColumn:
    """The column of a name. Raises UserError."""
    name = name.strip()
    if len(name) > LONGEST_NAME or _OPERATORS.search(name) or UNSTORABLE.search(name):
        raise UserError(f"{name[:80]!r} is no column: a name has no , < > = ~ ! and at most {LONGEST_NAME} characters.")
    if name in PLAIN:
        title, kind = PLAIN[name]
        return RunColumn(name, "run", title, kind)
    family, _, rest = name.partition(".")
    if rest and family in _FAMILIES:
        return _FAMILIES[family](name, rest)
    near = difflib.get_close_matches(name, [*PLAIN, *_FAMILIES], 1)
    meant = f" Did you mean {near[0]!r}?" if near else ""
    raise UserError(
        f"There is no column {name!r}.{meant} There are: {', '.join(PLAIN)}; config.KEY, metric.NAME.last, "
        "accuracy.DIFFICULTY.MODE."
    )


def columns(names: Iterable[str]) -> list[RunColumn]:
    """Columns of names, each once. Raises UserError."""
    found = [column(name) for name in dict.fromkeys(part.strip() for part in names) if name]
    if len(found) > MOST_COLUMNS:
        raise UserError(f"These are {len(found)} columns, and {MOST_COLUMNS} are shown at most. Take some away.")
    return found


def _config(name: str, key: str) -> RunColumn:
    if not all(key.split(".")):
        raise UserError(f"{name!r} is no setting: write its keys with one dot between, such as config.budget.steps.")
    return RunColumn(name, "config", key, "setting", key=key)


def _metric(name: str, rest: str) -> RunColumn:
    metric, _, how = rest.rpartition(".")
    if not metric or not (how in HOWS or _AT.fullmatch(how)):
        raise UserError(
            f"{name!r} does not say which value of the metric: end it with .{', .'.join(HOWS)} or .at:STEP, such as "
            f"metric.{metric or rest}.last."
        )
    if how in HOWS:
        return RunColumn(name, "metric", f"{metric}, {how}", "number", key=metric, how=_end(metric, how))
    return RunColumn(name, "metric", f"{metric}, step {_step(how):,}", "number", key=metric, how="at", step=_step(how))


def _end(metric: str, how: str) -> str:
    """best and worst as min or max. Raises UserError for a metric of which neither end is the better one."""
    if how not in ("best", "worst"):
        return how
    if metric in LOWER_IS_BETTER:
        return "min" if how == "best" else "max"
    if metric in HIGHER_IS_BETTER:
        return "max" if how == "best" else "min"
    raise UserError(f"Neither end of {metric} is better by itself. Ask for metric.{metric}.min or .max.")


def _accuracy(name: str, rest: str) -> RunColumn:
    difficulty, _, more = rest.partition(".")
    mode, _, at = more.partition(".")
    words = _WORD.fullmatch(difficulty) and _WORD.fullmatch(mode)
    if not words or (at and not _AT.fullmatch(at)):
        raise UserError(
            f"{name!r} is no accuracy: write accuracy.DIFFICULTY.MODE, such as accuracy.hard.greedy, and .at:40 behind "
            "it for that of a step."
        )
    step = _step(at) if at else None
    title = f"{difficulty}, {mode_label(mode)}" + (f", step {step:,}" if step is not None else "")
    return RunColumn(name, "accuracy", title, "share", difficulty=difficulty, mode=mode, step=step)


def _step(text: str) -> int:
    step = int(text.removeprefix("at:"))
    if step > LATEST_STEP:
        raise UserError(f"There is no step {step:,}. Give one below {LATEST_STEP:,}.")
    return step


_FAMILIES = {"config": _config, "metric": _metric, "accuracy": _accuracy}


def names_of(found: Sequence[RunColumn]) -> str:
    """The columns' names as an address has them."""
    return ",".join(one.name for one in found)
