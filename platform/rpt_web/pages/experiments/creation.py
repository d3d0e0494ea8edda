"""A new, empty experiment: a name for runs that will belong together. The form of its first run comes next."""

from __future__ import annotations

from typing import cast
from urllib.parse import urlencode

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from rpt_core.errors import UserError
from rpt_web.pages.once import made_once
from rpt_web.pages.rights import team_to_change
from rpt_web.runs import services
from rpt_web.teams.models import User

CARRIED = ("preset", "run", "corpus")
"""What was already chosen for the first run."""
CONTROL = {"class": "form-control", "autocomplete": "off"}


class ExperimentForm(forms.Form):
    """What an experiment is called and about."""

    name = forms.CharField(label="Name", max_length=200, widget=forms.TextInput(attrs=CONTROL))
    description = forms.CharField(
        label="Description",
        required=False,
        help_text="The question that its runs answer.",
        widget=forms.Textarea(attrs={"class": "form-control", "rows": 3}),
    )


@require_http_methods(["GET", "HEAD", "POST"])
@made_once
def experiment_new(request: HttpRequest) -> HttpResponse:
    """GET shows the form; POST makes the experiment and leads to its first run."""
    team = team_to_change(request)
    form = ExperimentForm(request.POST or None)
    if form.is_valid():
        values, user = form.cleaned_data, cast(User, request.user)
        try:
            made = services.create_experiment(values["name"], user, team=team, description=values["description"])
            carried = {name: request.GET[name] for name in CARRIED if name in request.GET}
            return redirect(f"{reverse('configure:run_new')}?{urlencode({**carried, 'experiment': made.pk})}")
        except UserError as error:
            form.add_error(None, str(error))
    context = {"nav": "experiments", "form": form, "team": team}
    return render(request, "experiments/experiment_new.html", context, status=422 if form.errors else 200)
