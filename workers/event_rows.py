"""Events -> rows. Called by the recorder, in its transaction.

Every write replaces the row of the same key (run and step, kind, cell or sequence number). A STARTED event first
deletes what earlier attempts had recorded beyond the checkpoint it continues from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.db.models import Model

from rpt_core.evaluation.position_identity import SetIdentity
from rpt_core.run.events import Event, EventType
from rpt_core.run.folder import RunDir
from rpt_web.compare.models import EngineConfig
from rpt_web.corpora.models import RunCorpus, ScoredSplit
from rpt_web.results.models import Evaluation, ResultTable
from rpt_web.runs import summaries
from rpt_web.runs.models import Checkpoint, MetricSummary, Run, RunEvent, StepMetrics
from rpt_web.text import clean_json, clean_text
from rpt_web.traces.models import RolloutShard
from workers import group_rows, intervals, position_sets, rollout_rows
from workers.stage_process import warn

NOT_LISTED = (EventType.METRICS, EventType.PROGRESS, EventType.ROLLOUTS)
"""Events with rows of their own only; the others are also listed as they are."""
TABLE_PARTS = ("caption", "columns", "rows", "chart")
"""What a result table's row keeps of its event; the list of events leaves it out."""
KEPT_ELSEWHERE = {
    EventType.TABLE: TABLE_PARTS,
    EventType.POSITIONS: ("summary",),
    EventType.ENGINE_CONFIG: ("values",),
}
"""What the list of events leaves out of an event, since a row of its own keeps it."""


def write(run: Run, events: Sequence[Event]) -> dict[str, Any]:
    """Write the rows of some events in their order; returns what changes in the run's own row."""
    changes: dict[str, Any] = {}
    for part in _parts(events):
        if part[0].type == EventType.STARTED:
            delete_beyond(run, part[0].data["start_step"])
        for type_, writer in _WRITERS.items():
            if chosen := [event for event in part if event.type == type_]:
                writer(run, chosen)
        _write_listed(run, [event for event in part if event.type not in NOT_LISTED])
        for event in part:
            changes |= _changes(event)
    return changes


def delete_beyond(run: Run, step: int) -> None:
    """Delete the rows of all steps after one."""
    if run.evaluations.filter(step__gt=step).exists():
        intervals.note_results(run)
    for model in (StepMetrics, Checkpoint, Evaluation, ResultTable, RolloutShard):
        model._default_manager.filter(run=run, step__gt=step).delete()
    summaries.forget_beyond(run.pk, step)
    rollout_rows.delete_beyond(run.pk, step)


def delete_all(run: Run) -> None:
    """Delete all that was recorded of a run."""
    intervals.note_results(run)
    rows = (RunEvent, StepMetrics, MetricSummary, Checkpoint, Evaluation, ResultTable, RolloutShard)
    for model in (*rows, RunCorpus, ScoredSplit, EngineConfig):
        model._default_manager.filter(run=run).delete()
    rollout_rows.delete_beyond(run.pk, -1)


def _parts(events: Sequence[Event]) -> Iterable[Sequence[Event]]:
    starts = [index for index, event in enumerate(events) if event.type == EventType.STARTED and index]
    for start, end in zip([0, *starts], [*starts, len(events)], strict=True):
        yield events[start:end]


def _write_metrics(run: Run, events: Sequence[Event]) -> None:
    steps = {event.data["step"] for event in events}
    rows = {row.step: row for row in StepMetrics.objects.filter(run=run, step__in=steps)}
    before = {step: row.values for step, row in rows.items()}
    for event in events:  # several lines of one step are parts of one row
        row = rows.setdefault(event.data["step"], StepMetrics(run=run, step=event.data["step"], values={}))
        row.attempt, row.time = event.attempt, _time(event)
        row.values = row.values | clean_json(event.data["values"])
        row.flops = event.data.get("flops", row.flops)
    _upsert(StepMetrics, rows.values(), "step")
    summaries.write(run.pk, rows.values(), before)


def _write_rollouts(run: Run, events: Sequence[Event]) -> None:
    rows = {}
    above_nats = group_rows.thresholds(run.config)
    for event in events:
        step, kind, name = event.data["step"], event.data["kind"], event.data["shard"]
        shard = rollout_rows.Shard(
            run.pk, run.experiment_id, event.attempt, step, kind, run.directory / name, above_nats
        )
        try:
            with transaction.atomic():
                counts = rollout_rows.replace_rows(shard)
        except rollout_rows.UnreadableShard as error:
            warn(RunDir(run.directory), f"{name} cannot be read ({error}), so its responses are not recorded.")
            continue
        rows[step, kind] = RolloutShard(
            run=run, attempt=event.attempt, step=step, kind=kind, path=name, rows=counts.rows, rewarded=counts.rewarded
        )
    _upsert(RolloutShard, rows.values(), "kind", "step")


def _write_checkpoints(run: Run, events: Sequence[Event]) -> None:
    rows = {
        event.data["step"]: Checkpoint(
            run=run,
            attempt=event.attempt,
            step=event.data["step"],
            path=event.data["path"],
            bytes=event.data["bytes"],
            flops=event.data.get("flops"),
            created_at=_time(event),
        )
        for event in events
    }
    _upsert(Checkpoint, rows.values(), "step")


def _write_evaluations(run: Run, events: Sequence[Event]) -> None:
    rows = {
        (event.data["step"], mode, difficulty): Evaluation(
            run=run,
            attempt=event.attempt,
            step=event.data["step"],
            flops=event.data.get("flops"),
            mode=mode,
            difficulty=difficulty,
            **{name: cell[name] for name in ("correct", "n", "value", "low", "high")},
            no_box=cell.get("no_box"),
            above_nats=cell.get("above_nats"),
            position_set=(event.data.get("position_set") or {}).get("hash", ""),
            tokenizer=event.data.get("tokenizer", "")[:64],
        )
        for event in events
        for mode, cells in event.data["results"].items()
        for difficulty, cell in cells.items()
        if cell["n"]  # no positions: no accuracy, which is not an accuracy of zero
    }
    intervals.note_results(run)
    _upsert(Evaluation, rows.values(), "step", "mode", "difficulty")
    for event in events:
        if found := event.data.get("position_set"):
            position_sets.note(run, SetIdentity(**found), position_sets.thresholds(event.data["results"]))


def _write_tables(run: Run, events: Sequence[Event]) -> None:
    rows = {}
    for event in events:
        step, name = event.data["step"], clean_text(event.data["name"])[:200]
        rows[step, name] = ResultTable(
            run=run,
            attempt=event.attempt,
            step=step,
            name=name,
            title=clean_text(event.data["title"])[:300],
            data=clean_json({part: event.data[part] for part in TABLE_PARTS}),
        )
    _upsert(ResultTable, rows.values(), "step", "name")


def _write_corpora(run: Run, events: Sequence[Event]) -> None:
    rows = {}
    for event in events:
        name = clean_text(event.data["name"])[:300]
        rows[name] = RunCorpus(
            run=run,
            name=name,
            train_documents=event.data["documents"]["train"],
            validation_documents=event.data["documents"]["validation"],
            bad_count=event.data["bad"],
            bad_records=clean_json(event.data["bad_records"]),
        )
    _upsert(RunCorpus, rows.values(), "name")


def _write_splits(run: Run, events: Sequence[Event]) -> None:
    rows = {
        event.data["split"]: ScoredSplit(
            run=run,
            split=clean_text(event.data["split"])[:20],
            **{name: event.data[name] for name in ("documents", "positions", "kept")},
            by_difficulty=event.data.get("by_difficulty") or {},
            above_nats=event.data.get("above_nats") or {},
            summary=clean_json(event.data.get("summary") or {}),
        )
        for event in events
    }
    _upsert(ScoredSplit, rows.values(), "split")


def _write_engine_config(run: Run, events: Sequence[Event]) -> None:
    newest = events[-1]
    values, engine = clean_json(newest.data["values"]), clean_text(newest.data["engine"])[:20]
    _upsert(EngineConfig, [EngineConfig(run=run, attempt=newest.attempt, engine=engine, values=values)])


def _write_listed(run: Run, events: Sequence[Event]) -> None:
    rows = [
        RunEvent(
            run=run,
            attempt=event.attempt,
            seq=event.seq,
            time=_time(event),
            type=event.type.value,
            data=clean_json({name: value for name, value in event.data.items() if not _is_elsewhere(event, name)}),
        )
        for event in events
    ]
    _upsert(RunEvent, rows, "seq")


def _is_elsewhere(event: Event, name: str) -> bool:
    return name in KEPT_ELSEWHERE.get(event.type, ())


_WRITERS = {
    EventType.METRICS: _write_metrics,
    EventType.ROLLOUTS: _write_rollouts,
    EventType.CHECKPOINT: _write_checkpoints,
    EventType.EVALUATION: _write_evaluations,
    EventType.TABLE: _write_tables,
    EventType.CORPUS: _write_corpora,
    EventType.POSITIONS: _write_splits,
    EventType.ENGINE_CONFIG: _write_engine_config,
}


def _upsert(model: type[Model], rows: Iterable[Model], *key: str) -> None:
    """One INSERT that replaces the rows of the same run and key."""
    unique = ["run", *key]
    other = [field.name for field in model._meta.local_fields if field.name not in unique and not field.primary_key]
    made = list(rows)
    for row in made:
        row.pk = None
    model._default_manager.bulk_create(made, update_conflicts=True, unique_fields=unique, update_fields=other)


def _changes(event: Event) -> dict[str, Any]:
    """What an event changes in the run's own row."""
    data = event.data
    if event.type == EventType.STARTED:
        return {"step": data["start_step"], "total_steps": data.get("total_steps"), "progress": "", "result": {}}
    if event.type == EventType.PROGRESS:
        total = {} if data.get("total_steps") is None else {"total_steps": data["total_steps"]}  # null: not known here
        return {"step": data["step"], "progress": clean_text(data["what"])[:200], **total}
    if event.type in (EventType.METRICS, EventType.CHECKPOINT):
        flops = {} if data.get("flops") is None else {"flops": data["flops"]}
        return {"step": data["step"], **flops}
    if event.type == EventType.FINISHED:
        return {"result": clean_json(data["result"]), "progress": ""}
    return {}


def _time(event: Event) -> datetime:
    return datetime.fromtimestamp(event.time, UTC)
