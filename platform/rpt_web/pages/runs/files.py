"""The tab of a run's files: its checkpoints with what can be done with each, and what else lies in its folder.

In: a run whose folder the web server shares. Out: the tab; a checkpoint as an archive; a checkpoint is deleted. What
lies in the folder was written by its stage: links are counted, and never followed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.text import slugify
from django.views.decorators.http import require_GET, require_http_methods, require_safe

from rpt_core.config import STAGES
from rpt_core.errors import UserError
from rpt_core.plans.preset import load_preset, preset_names
from rpt_core.run.folder import RunDir, older_log
from rpt_web import access
from rpt_web.pages.addresses import number_asked
from rpt_web.pages.models.download import sent
from rpt_web.pages.runs.frame import Part, render_tab
from rpt_web.runs import checkpoints
from rpt_web.runs.models import Checkpoint, Run
from rpt_web.teams.models import User

CHECKPOINTS_PER_PAGE, MOST_ENTRIES, LIKES_OFFERED = 20, 20_000, 40
EVALUATE, USUAL_PRESET = "evaluate", "tiny"


@dataclass(frozen=True)
class Entry:
    """Something in a run's folder."""

    name: str
    words: str
    files: int
    bytes: int
    is_folder: bool


@require_safe
def run_files(request: HttpRequest, run_id: int) -> HttpResponse:
    """The tab."""
    run = access.get_run_or_404(request.user, run_id)
    parts: dict[str, Part] = {"records": ("runs/_checkpoints.html", _checkpoints)}
    return render_tab(request, run, "files", "runs/run_files.html", parts, more=lambda: _contents(run))


@require_GET
def checkpoint_files(request: HttpRequest, run_id: int, step: int) -> StreamingHttpResponse:
    """A checkpoint's model as a tar archive. Raises Http404 where its files are gone."""
    run = access.get_run_or_404(request.user, run_id)
    found = _checkpoint_or_404(run, step)
    return sent(run.directory / found.path, slugify(f"{run.name}-step-{step}") or f"run-{run.pk}-step-{step}")


@require_safe
def checkpoint_start(request: HttpRequest, run_id: int, step: int) -> HttpResponse:
    """To the form for a new run, with the settings that were chosen and a checkpoint as its model."""
    run = access.get_run_or_404(request.user, run_id)
    found = _checkpoint_or_404(run, step)
    asked = request.GET.get("like", "")
    likes = [query for query, _ in _likes(run)]
    path = urlencode({"model.path": str(run.directory / found.path)})
    return redirect(f"{reverse('configure:run_new')}?{asked if asked in likes else likes[0]}&{path}")


@require_http_methods(["GET", "HEAD", "POST"])
def checkpoint_delete(request: HttpRequest, run_id: int, step: int) -> HttpResponse:
    """What hangs on a checkpoint; posted, it is deleted."""
    run = access.get_run_or_404(request.user, run_id, to_change=True)
    found = _checkpoint_or_404(run, step)
    error = ""
    if request.method == "POST":
        try:
            checkpoints.delete(run, step, cast(User, request.user))
            messages.success(request, f"The checkpoint of step {step:,} is deleted. A worker frees the disk.")
            return redirect("runs:run_files", run.pk)
        except UserError as refused:
            error = str(refused)
    hanging = checkpoints.hanging_on(found)
    context = {
        "nav": "runs",
        "run": run,
        "checkpoint": found,
        "hanging": hanging,
        "starters": access.runs_for(request.user).filter(pk__in=hanging.starters).order_by("id"),
        "refusal": error or checkpoints.why_not(run),
    }
    return render(request, "runs/checkpoint_delete.html", context, status=422 if error else 200)


def _checkpoint_or_404(run: Run, step: int) -> Checkpoint:
    found = run.checkpoints.filter(step=step).first()
    if found is None:
        raise Http404("The run has no checkpoint of this step.")
    return found


def _checkpoints(request: HttpRequest, run: Run) -> dict[str, Any]:
    before = number_asked(request, "before")
    rows = run.checkpoints.order_by("-step")
    found = list((rows if before is None else rows.filter(step__lt=before))[: CHECKPOINTS_PER_PAGE + 1])
    may_change = access.can_change(request.user, run.experiment.team_id)
    return {
        "checkpoints": found[:CHECKPOINTS_PER_PAGE],
        "older_checkpoints": found[CHECKPOINTS_PER_PAGE - 1].step if len(found) > CHECKPOINTS_PER_PAGE else None,
        "before": before,
        "may_register": may_change,
        "may_delete": access.can_steer(request.user, run),
        "likes": _likes(run) if may_change and found else [],
    }


def _likes(run: Run) -> list[tuple[str, str]]:
    """(address without the model, label) of the forms that a run from a checkpoint may begin with: those of the runs
    of the experiment that start from a model, this run's own first, an evaluation next."""
    stages = [stage for stage, config in STAGES.items() if "model" in config.model_fields]
    rows = run.experiment.runs.filter(stage__in=stages).exclude(config={}).only("name", "stage").order_by("id")
    found = sorted(rows, key=lambda row: (row.pk != run.pk, row.stage != EVALUATE, row.pk))[:LIKES_OFFERED]
    likes = [(f"like={row.pk}", f"as {row.name} ({row.stage})") for row in found]
    return likes if any(row.stage == EVALUATE for row in found) else [*likes, *_evaluation_of_preset(run)]


def _evaluation_of_preset(run: Run) -> list[tuple[str, str]]:
    preset = load_preset(run.experiment.preset if run.experiment.preset in preset_names() else USUAL_PRESET)
    name = next((planned.name for planned in preset.runs if planned.stage == EVALUATE), "")
    query = urlencode({"preset": preset.name, "run": name, "experiment": run.experiment_id})
    return [(query, f"as {name} of the preset {preset.name} ({EVALUATE})")] if name else []


def _contents(run: Run) -> dict[str, Any]:
    """What lies in the folder, by name; a very full folder is not counted to its end."""
    if not run.directory.is_dir():
        return {"entries": [], "is_cut": False}
    words = _words(RunDir(run.directory))
    left, entries = MOST_ENTRIES, []
    with os.scandir(run.directory) as found:
        for entry in sorted(found, key=lambda entry: entry.name):
            sizes = list(islice(_sizes(entry), left))
            left -= len(sizes)
            is_folder = entry.is_dir(follow_symlinks=False)
            entries.append(Entry(entry.name, words.get(Path(entry.path), ""), len(sizes), sum(sizes), is_folder))
    return {"entries": entries, "is_cut": left <= 0}


def _sizes(entry: os.DirEntry[str]) -> Iterator[int]:
    """Of every file in it."""
    try:
        if not entry.is_dir(follow_symlinks=False):
            yield entry.stat(follow_symlinks=False).st_size
            return
        with os.scandir(entry.path) as inside:
            for found in inside:
                yield from _sizes(found)
    except FileNotFoundError:  # it goes while somebody looks
        return


def _words(folder: RunDir) -> dict[Path, str]:
    return {
        folder.config: "the config, frozen",
        folder.events: "what the stage has reported",
        folder.log: "what the stage wrote to its terminal",
        older_log(folder.log): "the beginning of a long log",
        folder.checkpoints: "weights and what is needed to continue",
        folder.rollouts: "the responses, one file for each step and kind",
        folder.evaluations: "outcomes at each position",
        folder.tensorboard: "metrics for TensorBoard",
        folder.wandb: "metrics for Weights & Biases",
        folder.positions: "chosen positions",
        folder.tables: "result tables",
        folder.ledger: "what became of each position's groups",
        folder.position_lists: "positions never, sometimes and always solved",
        folder.traces: "traces that a model wrote",
        folder.not_finite: "batches whose numbers were not finite",
        folder.verl: "what verl reads and writes",
    }
