"""The form of a new queue."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Any, cast

from django import forms

from rpt_web import access
from rpt_web.review import group_queues, label_sets, queues
from rpt_web.review.models import ItemKind, LabelSetVersion
from rpt_web.teams.models import Team, User

CONTROL = {"class": "form-control", "autocomplete": "off"}
BUILT_IN = "built-in"
USUAL_REVIEWERS = 2
"""Of each item, where the team has so many."""


class QueueForm(forms.Form):
    """How responses are drawn, what is asked, and who is asked."""

    name = forms.CharField(
        label="Name",
        max_length=100,
        help_text="Reviewers read it, so it should give away neither run nor reward.",
        widget=forms.TextInput(attrs=CONTROL),
    )
    label_set = forms.ChoiceField(label="Label set", widget=forms.Select(attrs={"class": "form-select"}))
    sample = forms.IntegerField(
        label="Number of items",
        required=False,
        min_value=1,
        max_value=queues.MOST_ITEMS,
        initial=50,
        help_text=f"Drawn at random. Leave it empty for all, at most {queues.MOST_ITEMS:,}.",
        widget=forms.NumberInput(attrs=CONTROL),
    )
    seed = forms.IntegerField(
        label="Seed",
        min_value=0,
        max_value=2**31 - 1,
        initial=0,
        help_text="The same seed draws the same items.",
        widget=forms.NumberInput(attrs=CONTROL),
    )
    reviewers = forms.MultipleChoiceField(
        label="Assign to",
        required=False,
        help_text="Nobody chosen: every member of the team takes items, and holds one while working on it.",
        widget=forms.CheckboxSelectMultiple(attrs={"class": "form-check-input"}),
    )
    reviewers_per_item = forms.IntegerField(
        label="Reviewers for each item",
        min_value=1,
        max_value=queues.MOST_REVIEWERS,
        widget=forms.NumberInput(attrs=CONTROL),
    )
    overlap_percent = forms.IntegerField(
        label="Overlap, %",
        min_value=0,
        max_value=100,
        initial=100,
        help_text="The share of the items that so many people look at. One person looks at each of the others.",
        widget=forms.NumberInput(attrs=CONTROL),
    )
    due = forms.DateField(
        label="Due", required=False, widget=forms.DateInput(attrs={**CONTROL, "type": "date"}, format="%Y-%m-%d")
    )
    instructions = forms.CharField(
        label="Instructions",
        required=False,
        max_length=queues.LONGEST_INSTRUCTIONS,
        widget=forms.Textarea(attrs={"class": "form-control", "rows": 4}),
    )
    is_blind = forms.BooleanField(
        label="Hide reward and run until an item is submitted",
        required=False,
        initial=True,
        widget=forms.CheckboxInput(attrs={"class": "form-check-input"}),
    )
    hides_truth = forms.BooleanField(
        label="Hide how the text continues, too",
        required=False,
        initial=True,
        help_text="Beside the prediction it tells the reward.",
        widget=forms.CheckboxInput(attrs={"class": "form-check-input"}),
    )

    def __init__(self, user: User, team: Team, data: Any = None) -> None:
        super().__init__(data)
        self._user, self._team = user, team
        self._people = {str(person.pk): person for person in queues.reviewers_of(team)}
        self._sets = {str(found.pk): found for found in access.label_sets_for(user).filter(team=team)}
        own = [(key, found.name) for key, found in self._sets.items() if found.name != label_sets.BUILT_IN]
        offered = [(BUILT_IN, label_sets.BUILT_IN), *own]
        cast(forms.ChoiceField, self.fields["label_set"]).choices = offered
        people = [(key, person.username) for key, person in self._people.items()]
        cast(forms.MultipleChoiceField, self.fields["reviewers"]).choices = people
        self.fields["reviewers_per_item"].initial = max(1, min(USUAL_REVIEWERS, len(people)))

    def clean(self) -> None:
        """Refuse more reviewers for each item than people were chosen, at the field."""
        wanted, chosen = self.cleaned_data.get("reviewers_per_item"), self.cleaned_data.get("reviewers")
        if wanted and (why := queues.too_few_people(wanted, len(chosen or ()))):
            self.add_error("reviewers_per_item", why)

    def plan(self) -> queues.QueuePlan:
        """What was chosen, once it is valid. Raises UserError where it cannot be right."""
        given = self.cleaned_data
        return queues.QueuePlan(
            name=given["name"],
            version=self._version(given["label_set"]),
            sample=given["sample"],
            seed=given["seed"],
            reviewers=[self._people[key] for key in given["reviewers"]],
            reviewers_per_item=given["reviewers_per_item"],
            overlap=given["overlap_percent"] / 100,
            instructions=given["instructions"].strip(),
            is_blind=given["is_blind"],
            hides_truth=given["is_blind"] and given["hides_truth"],
            due_at=datetime.combine(given["due"], time.max, UTC) if given["due"] else None,
        )

    def _version(self, chosen: str) -> LabelSetVersion:
        if chosen == BUILT_IN:
            return label_sets.built_in(self._team, self._user)
        version = self._sets[chosen].versions.first()
        assert version is not None, "a label set has a version from the start"
        return version


class GroupQueueForm(QueueForm):
    """The same for groups of responses."""

    unit = forms.ChoiceField(
        label="An item is",
        choices=list(group_queues.UNITS.items()),
        widget=forms.Select(attrs={"class": "form-select"}),
    )
    field_order = ("name", "label_set", "unit")


class ComparedQueueForm(QueueForm):
    """The same for positions of a comparison; `first` and `second` name its two evaluations."""

    unit = forms.ChoiceField(label="An item is", widget=forms.Select(attrs={"class": "form-select"}))
    field_order = ("name", "label_set", "unit")

    def __init__(self, user: User, team: Team, first: str, second: str, data: Any = None) -> None:
        super().__init__(user, team, data)
        units = [(ItemKind.POSITION.value, "the position, whatever the runs")]
        for unit, words in ((ItemKind.GROUP, "all that {} wrote there"), (ItemKind.RESPONSE, "one response of {}")):
            units += [(f"{unit.value}-{side}", words.format(name)) for side, name in (("a", first), ("b", second))]
        cast(forms.ChoiceField, self.fields["unit"]).choices = units

    def wanted(self) -> tuple[ItemKind, bool]:
        """What an item is, and whether the first evaluation wrote it, once it is valid."""
        unit, _, side = self.cleaned_data["unit"].partition("-")
        return ItemKind(unit), side == "a"
