"""A form for a planned run, its fields generated from the stage's pydantic model, and one for a whole suite.

In: a planned run of a preset and what the user typed. Out: the planned run with the typed values. References to other
runs (`@NAME/WHAT`) are values like any other. Only the name is checked here, and that YAML is YAML: pydantic does the
rest, and `add_problems` puts its messages on the fields they belong to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

from django import forms
from pydantic import TypeAdapter, ValidationError

from rpt_core.config import STAGES
from rpt_core.config.messages import each_message
from rpt_core.plans.preset import PlannedRun, Preset, Seed
from rpt_core.words import counted
from rpt_web.pages.configure.choice import is_reference
from rpt_web.pages.configure.fields import Widget, as_text, default_words, differ, field, leaves, typed_value
from rpt_web.pages.configure.findings_form import FindingsForm, refusals_of_form
from rpt_web.pages.configure.offered import OfferedWidget, Shelf, chosen_value
from rpt_web.pages.configure.sections import GROUP_WORDS, SECTIONS, Section
from rpt_web.runs import checks
from rpt_web.runs.planning import Refusals
from rpt_web.runs.queries import flatten
from rpt_web.text import titled

REFERENCES = Section("Starts from", "`@RUN/WHAT` stands for what another run of the experiment has made.", ())
VAGUE = ("path", "source", "paths", "kind", "from_step", "dtype", "device")
"""Last parts of names that say too little by themselves."""
LONGEST_NAME = 200
"""Characters of an experiment's name."""
MANY_RUNS = 100
"""More runs than this are submitted only when that is confirmed."""
_SEEDS = TypeAdapter(list[Seed])


class PlannedRunForm(FindingsForm):
    """Name, title, and every setting of the run's stage."""

    run_name = forms.CharField(
        label="Name of the run",
        help_text="Short and unique within the experiment.",
        widget=forms.TextInput(attrs={"class": "form-control", "autocomplete": "off"}),
    )
    run_title = forms.CharField(
        label="Title",
        required=False,
        help_text="What is different about it, for the people who read the list.",
        widget=forms.TextInput(attrs={"class": "form-control", "autocomplete": "off"}),
    )

    def __init__(
        self,
        planned: PlannedRun,
        name: str,
        data: Mapping[str, Any] | None = None,
        *,
        seed: int = 0,
        shelf: Shelf | None = None,
        may_raise: bool = False,
        begin: Mapping[str, str] | None = None,
    ) -> None:
        """begin: values other than the plan's that it begins with, by dotted name."""
        super().__init__(data, initial={"run_name": name, "run_title": planned.title}, may_raise=may_raise)
        begin = begin or {}
        self.plan = planned
        self.unread: set[str] = set()
        values = planned.rehearse(seed).model_dump(mode="json")
        asked = dict(flatten(planned.config))
        self.leaves = {leaf.name: leaf for leaf in leaves(STAGES[planned.stage], values)}
        self.references = [name for name in self.leaves if is_reference(asked.get(name))]
        for leaf in self.leaves.values():
            value = asked[leaf.name] if leaf.name in self.references else _at(values, leaf.name)
            chosen = chosen_value(data, leaf.name) if data else begin.get(leaf.name)
            made = self.fields[leaf.name] = field(leaf, value, self._label(leaf.name), shelf, chosen or "")
            made.help_text = f"{made.help_text} {default_words(leaf, planned.stage)}".strip()
        self.suggest(begin)

    def suggest(self, values: Mapping[str, str]) -> None:
        """Begin with other values than the plan's, by dotted name; names of no field are left alone."""
        self.initial.update({name: values[name] for name in self.leaves if name in values})

    def shown_values(self) -> list[Any]:
        """The values of all settings as they stand in the form."""
        return [self[name].value() for name in self.leaves]

    def differences(self) -> list[tuple[forms.BoundField, str, str]]:
        """The fields whose values are not the plan's: each with the plan's value and its own, as text."""
        found = (
            (self[name], leaf, self.fields[name].initial, self[name].value()) for name, leaf in self.leaves.items()
        )
        return [
            (bound, self._shown(leaf.name, before), self._shown(leaf.name, now))
            for bound, leaf, before, now in found
            if differ(leaf, before, now)
        ]

    def _shown(self, name: str, value: Any) -> str:
        """A value in a sentence: by its name where the field offers it."""
        widget = self.fields[name].widget
        text = as_text(value)
        return widget.known.get(text, text) if isinstance(widget, OfferedWidget) else text

    def clean_run_name(self) -> str:
        """The name, if it can be one."""
        with refusals_of_form():
            return checks.checked_run_name(self.cleaned_data["run_name"])

    def clean_run_title(self) -> str:
        """The title, if it can be one."""
        with refusals_of_form():
            return checks.checked_title(self.cleaned_data["run_title"])

    def planned(self) -> PlannedRun:
        """The plan with what was typed, wrong things too, so that they are refused together with all others."""
        self.unread = set(self.errors)
        config: dict[str, Any] = deepcopy(self.plan.config)
        for leaf in self.leaves.values():
            if leaf.widget is not Widget.PART:
                _set(config, leaf.name, typed_value(leaf, self._typed(leaf.name)))
        for leaf in self.leaves.values():
            if leaf.widget is Widget.PART and not self._typed(leaf.name):
                _set(config, leaf.name, None)
        name, title = self._typed("run_name"), self._typed("run_title")
        return self.plan.model_copy(update={"name": name, "title": title, "config": config})

    def add_problems(self, error: ValidationError) -> None:
        """Put pydantic's messages on the fields they belong to."""
        for name, words in each_message(error):
            self.add_problem(name, words)

    def add_problem(self, name: str, words: str, runs: Sequence[str] = ()) -> None:
        """Put a message on the field that a dotted name belongs to, naming the part of the field that is meant.

        A field that the form itself could not read keeps the form's message alone.
        """
        place = self._field_of(name)
        if self.is_unread(name):
            return
        rest = name.removeprefix(place or "").strip(".")
        self.add_error(place, f"{titled(_place_within(rest))}: {words}" if rest else words)

    def add_refusals(self, refusals: Refusals) -> list[tuple[str, str]]:
        """Put what is wrong with references on the fields that hold them; returns (field, words) of each."""
        told = [(name, refusals[found]) for name in self.leaves for found in self._references_in(name) & set(refusals)]
        for name, words in told:
            self.add_error(name, words)
        return told

    def misfits(self) -> list[tuple[str, str]]:
        """Each field whose choice does not fit what else was chosen, with why."""
        widgets = {name: field.widget for name, field in self.fields.items() if isinstance(field.widget, OfferedWidget)}
        found = ((name, widget.misfit(str(self[name].value() or ""))) for name, widget in widgets.items())
        return [(name, words) for name, words in found if words]

    def is_unread(self, name: str) -> bool:
        """Whether a dotted name belongs to a field that the form itself has refused."""
        return self._field_of(name) in self.unread

    def place_of(self, name: str) -> str:
        """The id of the element that a dotted name is typed into; nothing where there is none."""
        place = self._field_of(name)
        return self[place].id_for_label if place else ""

    def sections(self) -> Iterator[tuple[Section, list[forms.BoundField]]]:
        """The main settings, section by section."""
        for section in (REFERENCES, *SECTIONS[self.plan.stage]):
            names = self.references if section is REFERENCES else self._names(section)
            if names:
                yield section, [self[name] for name in names]

    def other_groups(self) -> list[tuple[Section, list[forms.BoundField]]]:
        """All other settings, by the part of the config that they belong to."""
        main = {*self.references, *(name for section in SECTIONS[self.plan.stage] for name in self._names(section))}
        groups: dict[str, list[forms.BoundField]] = {}
        for name in self.leaves:
            if name not in main:
                part = name.partition(".")[0] if "." in name or self._is_part(name) else ""
                groups.setdefault(part, []).append(self[name])
        titles = {part: titled(part) or "General" for part in groups}
        return [(Section(titles[part], GROUP_WORDS.get(part, ""), ()), fields) for part, fields in groups.items()]

    def other_errors(self) -> bool:
        """Whether a field among the other settings is wrong, so that they must be shown."""
        return any(found.errors for _, fields in self.other_groups() for found in fields)

    def _typed(self, name: str) -> Any:
        return self.cleaned_data.get(name, self[name].data)

    def _references_in(self, name: str) -> set[tuple[str, str]]:
        alone = self.plan.model_copy(update={"config": {name: typed_value(self.leaves[name], self._typed(name))}})
        return set(alone.references())

    def _names(self, section: Section) -> list[str]:
        """The fields of a section that this form has, less those that refer to other runs."""
        return [
            name
            for wanted in section.names
            for name in self.leaves
            if (name == wanted or (wanted.endswith(".") and name.startswith(wanted))) and name not in self.references
        ]

    def _label(self, name: str) -> str:
        """The last part of the name, and the others before it where that says too little."""
        *parents, last = name.split(".")
        same = sum(other.rpartition(".")[2] == last for other in self.leaves)
        is_clear = same == 1 and last not in VAGUE and name not in self.references
        return titled(last if is_clear or not parents else f"{', '.join(parents)}: {last}")

    def _is_part(self, name: str) -> bool:
        return self.leaves[name].widget is Widget.PART

    def _field_of(self, name: str) -> str | None:
        """The form's field for a message's name; an item of a list belongs to the list."""
        while name and name not in self.fields:
            name = name.rpartition(".")[0]
        return name or None


def with_values(planned: PlannedRun, values: Mapping[str, Any]) -> PlannedRun:
    """The planned run with other values of some settings, by dotted name."""
    config = deepcopy(planned.config)
    for name, value in values.items():
        _set(config, name, value)
    return planned.model_copy(update={"config": config})


class SuiteForm(FindingsForm):
    """A new experiment that plays a whole preset."""

    name = forms.CharField(
        label="Name of the experiment",
        max_length=LONGEST_NAME,
        widget=forms.TextInput(attrs={"class": "form-control", "autocomplete": "off"}),
    )
    description = forms.CharField(
        label="Description",
        required=False,
        help_text="What you want to find out.",
        widget=forms.Textarea(attrs={"class": "form-control", "rows": 2}),
    )
    seeds = forms.CharField(
        label="Seeds",
        help_text="Separate several with commas: the plan is then run once with each.",
        widget=forms.TextInput(attrs={"class": "form-control", "autocomplete": "off", "spellcheck": "false"}),
    )
    many = forms.BooleanField(
        label="Submit this many runs",
        required=False,
        widget=forms.CheckboxInput(attrs={"class": "form-check-input"}),
    )
    anyway = forms.BooleanField(
        label="Submit it anyway",
        required=False,
        help_text="The workers run on another machine, which has what is missing here.",
        widget=forms.CheckboxInput(attrs={"class": "form-check-input"}),
    )

    def __init__(
        self, preset: Preset, data: Mapping[str, Any] | None = None, *, seeds: str = "", may_raise: bool = False
    ) -> None:
        seeds = seeds or ", ".join(map(str, preset.seeds or (0,)))
        super().__init__(data, initial={"name": f"{preset.name} suite", "seeds": seeds}, may_raise=may_raise)
        self.runs_per_seed = len(preset.runs)

    def clean_name(self) -> str:
        """The name, if it can be one."""
        with refusals_of_form():
            return checks.checked_name(self.cleaned_data["name"], "experiment", LONGEST_NAME)

    def clean_description(self) -> str:
        """The description, if it can be one."""
        with refusals_of_form():
            return checks.checked_description(self.cleaned_data["description"])

    def clean_seeds(self) -> list[int]:
        """The seeds as numbers."""
        try:
            return _as_seeds(self.cleaned_data["seeds"])
        except ValidationError:
            raise forms.ValidationError("Give whole numbers within 32 bits, separated by commas.") from None

    def clean(self) -> None:
        """Many runs have to be meant."""
        if self.makes_many and not self.cleaned_data.get("many"):
            self.add_error("many", f"This makes {counted(self.run_count, 'run')}. Tick the box, or give fewer seeds.")

    @property
    def seed_count(self) -> int:
        """How many seeds stand in the field; 0 while they cannot be read."""
        try:
            return len(_as_seeds(self["seeds"].value() or ""))
        except ValidationError:
            return 0

    @property
    def run_count(self) -> int:
        """How many runs the seeds in the field make."""
        return self.runs_per_seed * self.seed_count

    @property
    def makes_many(self) -> bool:
        """Whether that has to be confirmed."""
        return self.run_count > MANY_RUNS


def _as_seeds(text: str) -> list[int]:
    return _SEEDS.validate_python([part.strip() for part in text.split(",") if part.strip()])


def _at(values: Any, name: str) -> Any:
    for part in name.split("."):
        values = values.get(part) if isinstance(values, dict) else None
    return values


def _set(config: dict[str, Any], name: str, value: Any) -> None:
    *parents, last = name.split(".")
    for parent in parents:
        if not isinstance(config.get(parent), dict):  # a part that was not there
            config[parent] = {}
        config = config[parent]
    config[last] = value


def _place_within(rest: str) -> str:
    """`0.mode_a` within a list of models -> item 1, mode a."""
    parts = rest.replace("_", " ").split(".")
    return ", ".join(f"item {int(part) + 1}" if part.isdecimal() else part for part in parts)
