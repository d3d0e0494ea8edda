"""What must hold at the end of the soak: results bit for bit those of an undisturbed run, and rows exactly once.

In: folders of runs, rows. Out: sentences, one for each difference; none is what is wanted.
Times and speeds differ between any two runs and are left out: names with `second` in them, and `time`.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from rpt_core.files import PARTIAL_SUFFIX
from rpt_core.run.events import Event, EventType, read_events
from rpt_core.run.folder import RunDir
from rpt_web.results.models import Evaluation, ResultTable
from rpt_web.runs.models import Checkpoint, Run, RunEvent, StepMetrics
from rpt_web.traces.models import Rollout, RolloutShard
from workers.event_rows import NOT_LISTED

OF_A_RESPONSE = ("group", "sample", "document", "position", "reward", "reason")
"""What the row of a response must have as its shard has it."""


def kept(run: RunDir) -> list[Event]:
    """The events that count: those of steps after a checkpoint that a later attempt began at are void."""
    found: list[Event] = []
    for event in read_events(run.events):
        if event.type == EventType.STARTED:
            start = event.data["start_step"]
            found = [other for other in found if other.data.get("step", 0) <= start]
        found.append(event)
    return found


def differences(name: str, ours: RunDir, theirs: RunDir) -> Iterator[str]:
    """How a run's results differ from those of the undisturbed one of that name."""
    for what in (_metrics, _evaluations, _weights, _files):
        a, b = what(ours), what(theirs)
        for key in sorted(a.keys() | b.keys(), key=str):
            if a.get(key) != b.get(key):
                yield f"{name}: {what.__name__[1:]} {key}: {_short(a.get(key))} and undisturbed {_short(b.get(key))}"


def miscounts(run: Run) -> Iterator[str]:
    """Rows of a run that are missing, too many or others than its folder says."""
    folder = RunDir(run.directory)
    everything, events = list(read_events(folder.events)), kept(folder)
    listed = Counter(event.seq for event in everything if event.type not in NOT_LISTED)
    yield from _compare(run, "events", listed, Counter(RunEvent.objects.filter(run=run).values_list("seq", flat=True)))
    metrics = Counter(dict.fromkeys(_metrics(folder), 1))
    found = StepMetrics.objects.filter(run=run)
    yield from _compare(run, "metrics", metrics, Counter(found.values_list("step", flat=True)))
    for row in found:
        if timeless(row.values) != _metrics(folder).get(row.step):
            yield f"{run.name}: metrics of step {row.step} are {row.values}"
    cells = Counter(dict.fromkeys(_evaluations(folder), 1))
    rows = Evaluation.objects.filter(run=run).values_list("step", "mode", "difficulty")
    yield from _compare(run, "evaluations", cells, Counter(rows))
    for model, type_ in ((Checkpoint, EventType.CHECKPOINT), (ResultTable, EventType.TABLE)):
        steps = Counter(
            {
                (e.data["step"], e.data["path"] if model is Checkpoint else e.data["name"])
                for e in events
                if e.type == type_
            }
        )
        names = "path" if model is Checkpoint else "name"
        rows = model._default_manager.filter(run=run).values_list("step", names)
        yield from _compare(run, f"{type_} rows", steps, Counter(rows))
    yield from _rollout_miscounts(run, folder, events)


def _rollout_miscounts(run: Run, folder: RunDir, events: list[Event]) -> Iterator[str]:
    shards = {e.data["shard"]: (e.data["kind"], e.data["step"]) for e in events if e.type == EventType.ROLLOUTS}
    rows = Counter(RolloutShard.objects.filter(run=run).values_list("path", flat=True))
    yield from _compare(run, "shards", Counter(shards.keys()), rows)
    total = 0
    for name, (kind, step) in shards.items():
        table = pq.read_table(folder.path / name, columns=[*OF_A_RESPONSE])
        wanted = [(row, *found.values()) for row, found in enumerate(table.to_pylist())]
        found = Rollout.objects.filter(run_id=run.pk, kind=kind, step=step).order_by("row")
        total += len(wanted)
        if list(found.values_list("row", *OF_A_RESPONSE)) != wanted:
            yield f"{run.name}: the responses of {name} are {found.count()} rows for {len(wanted)}, or others"
    stored = Rollout.objects.filter(run_id=run.pk).count()
    if stored != total:
        yield f"{run.name}: {stored} responses are stored, its shards have {total}"


def _compare(run: Run, what: str, wanted: Counter[Any], found: Counter[Any]) -> Iterator[str]:
    for key in sorted((wanted - found) | (found - wanted), key=str):
        yield f"{run.name}: {what}: {key} is there {found[key]} times, and should be {wanted[key]} times"


def timeless(values: dict[str, Any]) -> dict[str, Any]:
    """Numbers without times and speeds."""
    return {name: value for name, value in values.items() if "second" not in name and value is not None}


def _metrics(run: RunDir) -> dict[Any, Any]:
    found: dict[Any, dict[str, Any]] = {}
    for event in kept(run):
        if event.type == EventType.METRICS:
            found.setdefault(event.data["step"], {}).update(timeless(event.data["values"]))
    return dict(found)


def _evaluations(run: RunDir) -> dict[Any, Any]:
    return {
        (event.data["step"], mode, difficulty): (cell["n"], cell["value"], cell["low"], cell["high"])
        for event in kept(run)
        if event.type == EventType.EVALUATION
        for mode, cells in event.data["results"].items()
        for difficulty, cell in cells.items()
        if cell["n"]
    }


def _weights(run: RunDir) -> dict[Any, Any]:
    newest = run.newest_checkpoint()
    files = sorted(newest.glob("*.safetensors")) if newest else []
    return {f"{file.parent.name}/{file.name}": _digest(file) for file in files}


def _files(run: RunDir) -> dict[Any, Any]:
    """Tables of numbers as they read, whatever the writer's version wrote around them; other files by their bytes."""
    found = {}
    for folder in (run.evaluations, run.rollouts, run.positions, run.position_lists, run.tables):
        for file in sorted(folder.rglob("*")):
            if file.is_file() and file.suffix != PARTIAL_SUFFIX:  # a kill may leave half a file under such a name
                is_table = file.suffix == ".parquet"
                content = pq.read_table(file).to_pylist() if is_table else file.read_bytes()
                found[str(file.relative_to(run.path))] = hashlib.sha256(repr(content).encode()).hexdigest()
    return found


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _short(value: Any) -> str:
    return str(value)[:200]
