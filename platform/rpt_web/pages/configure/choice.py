"""What a form can start: a run of a preset, and the places where everything that it needs has been made.

A place is an experiment, or within an experiment that plays a suite with several seeds the copy of one seed, whose
runs have names that begin with `s0-`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Q, QuerySet
from pydantic import ValidationError

from rpt_core.config.messages import each_message
from rpt_core.plans.preset import PlannedRun, Preset, load_preset, missing, preset_names
from rpt_core.run.copies import copy_prefix
from rpt_web.runs.models import UNFINISHED, Experiment, Run, Status
from rpt_web.runs.same_names import marks

PLACES_OFFERED = 200
FAVOURITE = "rpt"
"""The stage that is offered when the address asks for none."""


@dataclass(frozen=True)
class Place:
    """Where a run can start."""

    experiment: Experiment
    prefix: str = ""
    """`s0-` for the copy of seed 0."""

    @property
    def key(self) -> str:
        """How the address names it."""
        return f"{self.experiment.pk}:{self.prefix}" if self.prefix else str(self.experiment.pk)

    @property
    def seed(self) -> int:
        """The seed of the copy, or of the experiment."""
        return int(self.prefix[1:-1]) if self.prefix else self.experiment.seed

    def plan(self, planned: PlannedRun) -> PlannedRun:
        """The planned run with the names and the seed of this place."""
        return planned.renamed(self.prefix).model_copy(update={"seed": self.seed}) if self.prefix else planned


@dataclass(frozen=True)
class Lack:
    """A run that is needed and has not succeeded."""

    planned_name: str
    name: str
    """The same with the place's prefix."""
    run: Run | None
    """None when there is no run of that name."""

    @property
    def may_come(self) -> bool:
        """Whether it may still succeed by itself."""
        return self.run is not None and self.run.status in UNFINISHED

    @property
    def blockers(self) -> list[str]:
        """Names of the runs that ended badly and so block it (1 query)."""
        return self.run.blocked_by() if self.run is not None else []


@dataclass(frozen=True)
class Unready:
    """A place where a run cannot start yet, and why."""

    place: Place
    lacks: Sequence[Lack]


@dataclass(frozen=True)
class ListedPlace:
    """A line of the list of places."""

    key: str
    words: str
    is_chosen: bool


@dataclass(frozen=True)
class Choice:
    """What can be chosen, and what is. Without a preset or a ready place the rest is None."""

    presets: Sequence[Preset]
    preset: Preset | None
    planned: PlannedRun | None
    ready: Sequence[Place]
    unready: Sequence[Unready]
    chosen: Place | Unready | None
    missed: Sequence[str] = ()
    """What the address asks for that there is not, in sentences: something near stands in its place."""
    asked: str = ""
    """How the address names the place."""
    needs: Sequence[str] = ()
    """Names of the runs that must have succeeded."""

    @property
    def place(self) -> Place | None:
        """The chosen place, if it is ready."""
        return self.chosen if isinstance(self.chosen, Place) else None

    @property
    def obstacle(self) -> Unready | None:
        """The chosen place, if it is not."""
        return self.chosen if isinstance(self.chosen, Unready) else None

    @property
    def is_elsewhere(self) -> bool:
        """Whether the chosen place is another one than the address names."""
        return bool(self.asked) and self.place is not None and self.place.key != self.asked

    @property
    def listed(self) -> list[ListedPlace]:
        """All places, those that are ready first; experiments of one name with their numbers."""
        extra = [self.obstacle] if self.obstacle and self.obstacle not in self.unready else []
        unready = [found.place for found in [*self.unready, *extra]]
        every = [*self.ready, *unready]
        numbers = marks({place.experiment.pk: place.experiment.name for place in every})
        chosen = self.place or (self.obstacle.place if self.obstacle else None)
        return [
            ListedPlace(
                place.key,
                f"{place.experiment.name}{numbers[place.experiment.pk]} (seed {place.seed})"
                + (", not ready" if place in unready else ""),
                place == chosen,
            )
            for place in every
        ]

    def reasons(self, values: Iterable[object]) -> list[str]:
        """Why the preset cannot run on this machine; of its files only those that the run's values name count."""
        return missing(self.preset, " ".join(map(str, values))) if self.preset else []


def as_it_is(planned: PlannedRun) -> PlannedRun:
    """The planned run."""
    return planned


def choose(
    visible: QuerySet[Experiment],
    preset_name: str,
    run_name: str,
    place_key: str,
    *,
    to_be_made: Callable[[PlannedRun], PlannedRun] = as_it_is,
) -> Choice:
    """The choice by what the address asks for, with the nearest fitting one for what it leaves open.

    to_be_made: the planned run less what it need not have from other runs.
    """
    presets = [load_preset(name) for name in preset_names()]
    asked_id, prefix = _parsed(place_key)
    asked = visible.filter(pk=asked_id).first() if asked_id is not None else None
    wanted = preset_name or (asked.preset if asked else "") or "tiny"
    preset = next((found for found in presets if found.name == wanted), presets[0] if presets else None)
    planned = _run_of(preset, run_name) if preset else None
    start = to_be_made(planned) if planned else None
    ready, unready = places(visible, start) if start else ([], [])
    if asked is not None and start is not None and not any(asked == place.experiment for place in ready):
        own, others = places(visible.filter(pk=asked.pk), start)  # it may be older than those that are offered
        ready, unready = own + ready, [found for found in others if found not in unready] + unready
    chosen = _nearest(ready, unready, Place(asked, prefix) if asked else None, start)
    missed = list(_missed(preset, planned, preset_name, run_name, place_key, asked, chosen))
    needs = sorted(start.needs()) if start else []
    return Choice(presets, preset, planned, ready, unready, chosen, missed, place_key, needs)


def _missed(
    preset: Preset | None,
    planned: PlannedRun | None,
    preset_name: str,
    run_name: str,
    place_key: str,
    asked: Experiment | None,
    chosen: Place | Unready | None,
) -> Iterator[str]:
    if preset is not None and preset_name and preset.name != preset_name:
        yield f"There is no preset “{preset_name[:80]}”."
    elif planned is not None and run_name and planned.name != run_name:
        yield f"The preset has no run “{run_name[:80]}”."
    place = chosen.place if isinstance(chosen, Unready) else chosen
    if place_key and asked is None:
        yield f"There is no experiment “{place_key[:40]}” among those that you may submit to."
    elif ":" in place_key and place is not None and place.key != place_key:
        yield f"The experiment has no place “{place_key.partition(':')[2][:40]}”."


def like(origin: Run) -> Choice:
    """The settings of a run that has its config, in the experiment of that run: nothing is left to choose."""
    config = {name: value for name, value in origin.config.items() if name != "stage"}
    planned = PlannedRun(name=origin.plain_name, stage=origin.stage, title=origin.title, config=config)
    place = Place(origin.experiment)
    return Choice([], None, planned, [place], [], place)


def unreadable(choice: Choice) -> str:
    """Why this version cannot read the settings that the choice begins with; empty if it can."""
    try:
        if choice.planned is not None:
            choice.planned.rehearse(0)
    except ValidationError as error:
        told = "; ".join(f"`{name}`: {words}" for name, words in each_message(error))
        return f"This version does not accept its settings: {told}"
    return ""


def places(visible: QuerySet[Experiment], planned: PlannedRun) -> tuple[list[Place], list[Unready]]:
    """Places in which every run that the planned one needs has succeeded, and those in which some are there, newest
    first (1 query)."""
    needs = planned.needs()
    if not needs:
        return [Place(experiment) for experiment in visible.order_by("-id")[:PLACES_OFFERED]], []
    may_be = Q(copy_seed=None, name__in=needs)
    for need in needs:
        may_be |= Q(copy_seed__isnull=False, name__endswith=f"-{need}")
    runs = Run.objects.filter(may_be, experiment__in=visible).select_related("experiment")
    there: dict[Place, dict[str, Run]] = defaultdict(dict)
    for run in runs.only("name", "copy_seed", "status", "experiment").order_by("-experiment_id", "name"):
        if run.plain_name in needs:
            prefix = "" if run.copy_seed is None else copy_prefix(run.copy_seed)
            there[Place(run.experiment, prefix)][run.name] = run
    looked = [_look(place, needs, runs) for place, runs in there.items()]
    ready = [place.place for place in looked if not place.lacks]
    return ready[:PLACES_OFFERED], [place for place in looked if place.lacks][:PLACES_OFFERED]


def _look(place: Place, needs: Iterable[str], there: Mapping[str, Run]) -> Unready:
    """What a place lacks, which may be nothing."""
    found = [Lack(need, name := f"{place.prefix}{need}", there.get(name)) for need in sorted(needs)]
    return Unready(place, [lack for lack in found if lack.run is None or lack.run.status != Status.SUCCEEDED])


def _nearest(
    ready: Sequence[Place], unready: Sequence[Unready], asked: Place | None, planned: PlannedRun | None
) -> Place | Unready | None:
    """The place that was asked for, ready or not, or else another one of its experiment; without any, the newest."""
    every: dict[Place, Place | Unready] = {place: place for place in ready} | {found.place: found for found in unready}
    if asked is None:
        return next(iter(every.values()), None)
    here = [found for place, found in every.items() if place.experiment.pk == asked.experiment.pk]
    nearest = every.get(asked) or next(iter(here), None)
    return nearest if nearest or planned is None else _look(asked, planned.needs(), {})


def free_name(experiment: Experiment, name: str) -> str:
    """The name, or the name with the first free number."""
    taken = set(experiment.runs.values_list("name", flat=True))
    number = 2
    free = name
    while free in taken:
        free, number = f"{name}-{number}", number + 1
    return free


def is_reference(value: object) -> bool:
    """Whether a value of a plan stands for something that another run makes."""
    return isinstance(value, str) and value.startswith("@") and "/" in value


def _run_of(preset: Preset, name: str) -> PlannedRun:
    """The run of that name, or else the one that most people want to vary."""
    by_name = {run.name: run for run in preset.runs}
    favourites = [run for run in preset.runs if run.stage == FAVOURITE]
    return by_name.get(name) or (favourites or list(preset.runs))[0]


def _parsed(key: str) -> tuple[int | None, str]:
    """`12:s0-` -> 12, "s0-"."""
    number, _, prefix = key.partition(":")
    return (int(number) if number.isdecimal() and len(number) < 19 else None), prefix
