"""Which positions were evaluated: rows of `EvaluatedSet`, from events, and for older runs from outcomes on disk.

In: a run with evaluations. Out: the hash of its positions with each evaluation, and a row for the team that says what
the hash stands for. What cannot be found stays empty, which pages call unknown positions.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from django.conf import settings

from rpt_core.evaluation.position_identity import SetIdentity, stored_identity
from rpt_core.run.folder import METADATA, RunDir
from rpt_web.corpora.models import RunCorpus
from rpt_web.results.models import EvaluatedSet, Evaluation
from rpt_web.runs import parents
from rpt_web.runs.models import Run
from rpt_web.text import clean_text


def note(run: Run, found: SetIdentity, above_nats: Mapping[str, float]) -> None:
    """A run has evaluated these positions."""
    held_out = run.config.get("evaluation") or {}
    corpora = RunCorpus.objects.filter(run__in=parents.runs_named(held_out)).order_by("name")
    known = {
        "positions": found.positions,
        "documents": found.documents,
        "above_nats": dict(above_nats),
        "corpora": list(corpora.values_list("name", flat=True).distinct()),
        "name": clean_text(held_out.get("position_set") or "")[:200],
    }
    EvaluatedSet.objects.get_or_create(team_id=run.experiment.team_id, hash=found.hash, defaults=known)


def thresholds(results: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> dict[str, float]:
    """Each difficulty's threshold, by the cells of an evaluation; without those that it does not say."""
    cells = [pair for by_difficulty in results.values() for pair in by_difficulty.items()]
    return {name: cell["above_nats"] for name, cell in cells if cell.get("above_nats") is not None}


def fill_in(runs: Sequence[Run]) -> None:
    """The positions and the tokenizer of evaluations that do not say them, as far as files still do."""
    by_id = {run.pk: run for run in runs}
    silent: dict[tuple[int, int], dict[str, float]] = defaultdict(dict)
    for row in Evaluation.objects.filter(run__in=runs, position_set="", n__gt=0):
        known = silent[row.run_id, row.step]
        if row.above_nats is not None:
            known[row.difficulty] = row.above_nats
    for (run_id, step), above_nats in silent.items():
        _fill(by_id[run_id], step, above_nats)


def _fill(run: Run, step: int, above_nats: Mapping[str, float]) -> None:
    found = stored_identity(RunDir(run.directory).evaluation(step), above_nats)
    if found is None:
        return
    note(run, found, above_nats)
    run.evaluations.filter(step=step, position_set="").update(position_set=found.hash)
    if tokenizer := _tokenizer(run):
        run.evaluations.filter(step=step, tokenizer="").update(tokenizer=tokenizer)


def _tokenizer(run: Run) -> str:
    """Of the policy that a run starts from, which no training changes; "" where its checkpoint does not say."""
    path = Path((run.config.get("model") or {}).get("path") or "")
    try:
        return str(json.loads((settings.ROOT / path / METADATA).read_text()).get("tokenizer_hash", ""))
    except (OSError, ValueError, AttributeError):  # of a hub, gone, or none of ours
        return ""
