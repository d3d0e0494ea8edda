"""What an experiment is about and what it has shown: name, question, tags, state, findings."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from rpt_core.errors import UserError
from rpt_web import access
from rpt_web.pages.experiments.creation import CONTROL, ExperimentForm
from rpt_web.runs import conclusions
from rpt_web.runs.models import Experiment, Outlook


class DescriptionForm(ExperimentForm):
    """All that people write of an experiment."""

    outlook = forms.ChoiceField(
        label="State", choices=Outlook.choices, widget=forms.Select(attrs={"class": "form-select"})
    )
    tags = forms.CharField(
        label="Tags", required=False, help_text="Between commas.", widget=forms.TextInput(attrs=CONTROL)
    )
    findings = forms.CharField(
        label="Findings",
        required=False,
        strip=False,
        help_text="What it has shown, as Markdown: headings, lists, tables, links.",
        widget=forms.Textarea(attrs={"class": "form-control", "rows": 16}),
    )
    seen = forms.CharField(required=False, strip=False, widget=forms.HiddenInput)

    def clean_tags(self) -> list[str]:
        """The tags one by one."""
        try:
            return conclusions.tags_in(self.cleaned_data["tags"])
        except UserError as error:
            raise forms.ValidationError(str(error)) from None


@require_http_methods(["GET", "HEAD", "POST"])
def experiment_edit(request: HttpRequest, experiment_id: int) -> HttpResponse:
    """GET shows the form; POST stores it, unless somebody else has written findings meanwhile."""
    experiment = access.get_experiment_or_404(request.user, experiment_id, to_change=True)
    form = DescriptionForm(request.POST or None, initial=_values(experiment))
    meanwhile = ""
    if form.is_valid():
        values = {**form.cleaned_data, "seen": form.cleaned_data["seen"].replace("\r\n", "\n")}
        try:
            conclusions.describe(experiment, **values)
            messages.success(request, "Saved.")
            return redirect("experiments:experiment_detail", experiment.pk)
        except conclusions.DescribedMeanwhile as error:
            form.add_error(None, str(error))
            meanwhile = error.stored.findings
            form.data = {**request.POST.dict(), "seen": meanwhile}
        except UserError as error:
            form.add_error("findings", str(error))
    context = {"nav": "experiments", "experiment": experiment, "form": form, "meanwhile": meanwhile}
    return render(request, "experiments/experiment_edit.html", context, status=422 if form.errors else 200)


def _values(experiment: Experiment) -> dict[str, Any]:
    values = {name: getattr(experiment, name) for name in ("name", "description", "outlook", "findings")}
    return values | {"tags": ", ".join(experiment.tags), "seen": experiment.findings}
