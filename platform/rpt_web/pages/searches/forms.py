"""The form of a search: what is looked for, in which runs, which responses count."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import QuerySet
from django.http import HttpRequest, QueryDict

from rpt_core.errors import UserError
from rpt_core.run.rollout_search import LONGEST, SoughtText
from rpt_web import access
from rpt_web.runs.models import Experiment, Run
from rpt_web.searches.models import SearchMode, SearchPlace
from rpt_web.searches.services import SearchFilters
from rpt_web.traces.group_filters import ALL, GroupFilters
from rpt_web.traces.queries import FINISHES, KIND_LABELS, REASONS, REWARDS

RUNS_OFFERED = 30
EXPERIMENTS_OFFERED = 200
LONGEST_LIST = 4000
"""Characters of the query of a list of traces."""
MANY_STEPS = 10**9
SELECT = {"class": "form-select"}
CONTROL = {"class": "form-control"}


def _all(choices: dict[str, str]) -> list[tuple[str, str]]:
    return [("", "all"), *choices.items()]


def _select(label: str, choices: dict[str, str]) -> forms.ChoiceField:
    widget = forms.Select(attrs=SELECT)
    return forms.ChoiceField(label=label, choices=_all(choices), required=False, widget=widget)


def _step(label: str) -> forms.IntegerField:
    widget = forms.NumberInput(attrs=CONTROL)
    return forms.IntegerField(label=label, required=False, min_value=0, max_value=MANY_STEPS, widget=widget)


class SearchForm(forms.Form):
    """What to look for, and where."""

    text = forms.CharField(
        label="Look for",
        max_length=LONGEST,
        strip=False,
        widget=forms.TextInput(attrs=CONTROL | {"type": "search", "autocomplete": "off", "spellcheck": "false"}),
    )
    mode = forms.ChoiceField(label="As", choices=SearchMode.choices, widget=forms.Select(attrs=SELECT))
    place = forms.ChoiceField(label="In", choices=SearchPlace.choices, widget=forms.Select(attrs=SELECT))
    tell_case = forms.BooleanField(
        label="Tell upper and lower case apart",
        required=False,
        widget=forms.CheckboxInput(attrs={"class": "form-check-input"}),
    )
    kind = _select("Kind", KIND_LABELS)
    first_step = _step("From step")
    last_step = _step("To step")
    reward = _select("Reward", REWARDS)
    reason = _select("Reason", REASONS)
    finish = _select("Ended", FINISHES)
    experiment = forms.ModelChoiceField(
        label="All runs of an experiment",
        queryset=Experiment.objects.none(),
        required=False,
        empty_label="none",
        widget=forms.Select(attrs=SELECT),
        error_messages={"invalid_choice": "There is no such experiment with responses. Choose one of the list."},
    )
    traces = forms.CharField(required=False, max_length=LONGEST_LIST, widget=forms.HiddenInput)
    """The query of a list of traces, in whose groups to search; it stands for the runs."""
    runs = forms.ModelMultipleChoiceField(
        queryset=Run.objects.none(),
        required=False,
        error_messages={"invalid_choice": "There is no run %(value)s with responses that you may see. Leave it out."},
    )

    def __init__(self, request: HttpRequest, data: QueryDict | None = None) -> None:
        asked = request.GET
        initial = {name: asked[name] for name in self.base_fields if name in asked and name != "runs"}
        initial["reward"] = asked.get("reward", "")
        initial |= {"first_step": asked.get("step", ""), "last_step": asked.get("step", "")} if "step" in asked else {}
        super().__init__(data, initial=initial, auto_id="s-%s")
        self.user = request.user
        searchable = access.searchable_runs(request.user)
        _field(self, "runs").queryset = searchable
        _field(self, "experiment").queryset = access.experiments_for(request.user).filter(
            pk__in=searchable.order_by().values("experiment")
        ).order_by("-id")  # fmt: skip
        self.chosen = {int(run) for run in (data or asked).getlist("runs") if run.isdecimal() and len(run) < 19}

    def clean_traces(self) -> str:
        """The query as the list itself writes it."""
        query: str = self.cleaned_data["traces"]
        return (GroupFilters.from_query(QueryDict(query)).query() or ALL) if query else ""

    @property
    def list_asked(self) -> str:
        """The list of traces that the form is for, as it was sent or stands in the address."""
        return str(self["traces"].value() or "")[:LONGEST_LIST]

    def offered_runs(self) -> list[tuple[Run, bool]]:
        """Runs to choose from, the chosen ones first, each with whether it is chosen."""
        runs: QuerySet[Run] = _field(self, "runs").queryset.defer("config", "plan", "log_tail", "result")
        chosen = list(runs.filter(pk__in=self.chosen)) if self.chosen else []
        others = runs.exclude(pk__in=self.chosen)[:RUNS_OFFERED]
        return [(run, True) for run in chosen] + [(run, False) for run in others]

    def clean(self) -> dict[str, Any]:
        """The runs together; what is looked for is checked here, so that the error stands beside it."""
        values: dict[str, Any] = super().clean() or {}
        if "text" in values and "mode" in values and "place" in values:
            try:
                self.wanted().patterns()
            except UserError as error:
                self.add_error("text", str(error))
        return values

    def wanted(self) -> SoughtText:
        """What is looked for."""
        values = self.cleaned_data
        return SoughtText(values["text"], values["mode"], not values["tell_case"], values["place"])

    def filters(self) -> SearchFilters:
        """Which responses count."""
        values = self.cleaned_data
        own = {name: values[name] for name in ("kind", "first_step", "last_step", "reason", "finish", "traces")}
        return SearchFilters(rewarded={"1": True, "0": False}.get(values["reward"]), **own)

    def searched_runs(self) -> list[Run]:
        """The runs that were ticked, and those of the experiment; or those of the list of traces."""
        values = self.cleaned_data
        if values["traces"]:
            return access.runs_to_search(self.user, GroupFilters.from_query(QueryDict(values["traces"])))
        runs = {run.pk: run for run in values["runs"]}
        if values["experiment"] is not None:
            of_it = access.searchable_runs(self.user).filter(experiment=values["experiment"])
            runs |= {run.pk: run for run in of_it}
        return list(runs.values())


def _field(form: forms.Form, name: str) -> Any:
    return form.fields[name]
