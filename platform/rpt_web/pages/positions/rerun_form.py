"""The form that runs a position again: with which checkpoint, how often, how warm."""

from __future__ import annotations

from typing import Any

from django import forms

from rpt_core.config.reads import Reads
from rpt_web.corpora.offers import Offer
from rpt_web.pages.configure.offered import OfferedWidget, Shelf
from rpt_web.runs.models import Run
from rpt_web.teams.models import Team
from rpt_web.traces import reruns
from rpt_web.traces.filmstrip import FilmCell
from rpt_web.traces.reruns import RerunWanted

CONTROL = {"class": "form-control", "autocomplete": "off"}
MOST_CHECKPOINTS = 100


class RerunForm(forms.Form):
    """What is not asked here is as the group was asked."""

    model = forms.CharField(label="Checkpoint")
    samples = forms.IntegerField(
        label="Responses",
        min_value=1,
        max_value=reruns.MOST_SAMPLES,
        widget=forms.NumberInput(attrs=CONTROL),
    )
    temperature = forms.FloatField(
        label="Temperature",
        required=False,
        min_value=0,
        help_text="Leave empty for the original temperature.",
        widget=forms.NumberInput(attrs=CONTROL | {"step": "any"}),
    )

    def __init__(self, team: Team, run: Run, group: FilmCell, data: Any = None) -> None:
        usual = reruns.usual_model(run, group.step)
        samples = min(max(group.samples, 4), reruns.MOST_SAMPLES)
        super().__init__(data, initial={"model": usual, "samples": samples})
        chosen = usual if data is None else str(data.get("model", ""))
        own = _own(run)
        known = {offer.value for offer in own}
        listed = Shelf(team).offers("model.path", Reads.MODEL, "" if chosen in known else chosen)
        others = [offer for offer in (listed.offers if listed else []) if offer.value not in known]
        self.fields["model"].widget = OfferedWidget(own + others, usual, False, "Checkpoint")

    def wanted(self) -> RerunWanted:
        """What was chosen, once it is valid."""
        return RerunWanted(**{name: self.cleaned_data[name] for name in ("model", "samples", "temperature")})


def _own(run: Run) -> list[Offer]:
    """What the group's own run has: its checkpoints, the newest first, and what it began with (1 query)."""
    title = f"Of {run.name}"
    rows = run.checkpoints.order_by("-step")[:MOST_CHECKPOINTS]
    found = [Offer(str(run.directory / row.path), f"step {row.step}", title) for row in rows]
    began = (run.config.get("model") or {}).get("path")
    words = "the model that it began with" if found else "its model"
    return [*found, *([Offer(str(began), words, title)] if began else [])]
