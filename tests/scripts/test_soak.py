"""The soak can fail: it names what differs from the undisturbed run, and each row that is missing, doubled or other."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from rpt_core.run.folder import RunDir
from rpt_core.run.rollout_files import read_rollouts, write_rollouts
from scripts.soak.faults import AFTERMATH_SECONDS, Outage, full_disk_in_words, lost_folder_in_words
from scripts.soak.sameness import differences, miscounts
from tests import factories

pytestmark = pytest.mark.django_db
NUMBERS = {"standard": {"easy": 0.75, "medium": 0.5, "hard": 0.25}}


@pytest.fixture
def run(db):
    """A recorded run with something of everything that is compared."""
    from rpt_core.config import RptConfig
    from rpt_web.runs import services

    ada = factories.make_user()
    config = RptConfig.model_validate({"model": {"path": "m"}, "positions": "p", "steps": 2})
    run, events = factories.start_run(services.submit(factories.make_experiment(ada), "rpt", config, ada))
    events.emit("started", start_step=0, total_steps=2)
    for step in (1, 2):
        factories.write_shard(run, events, "train", step, factories.hostile_rows(step, 0))
        events.emit("metrics", step=step, values={"loss": 0.5 / step, "seconds": 1.5}, flops=100.0 * step)
    events.emit("checkpoint", step=2, path="checkpoints/step-000002", bytes=12, flops=200.0)
    save_file({"w": np.ones(3)}, RunDir(run.directory).checkpoint(2) / "model.safetensors")
    results = factories.evaluation_results(NUMBERS)
    events.emit("evaluation", step=2, flops=200.0, outcomes="evaluations/step-000002.jsonl", results=results)
    columns = [{"key": "n", "label": "N", "kind": "count"}]
    parts = {"caption": "", "columns": columns, "rows": [{"n": 1}], "chart": None}
    table = RunDir(run.directory).table("counts")
    table.parent.mkdir()
    table.write_text("{}")
    events.emit("table", name="counts", step=2, path="tables/counts.json", title="Counts", **parts)
    events.emit("finished", result={"loss": 0.25})
    return factories.end_run(run, events)


@pytest.fixture
def undisturbed(run, tmp_path):
    """The same run as the shell plays it, in a folder of its own."""
    shutil.copytree(run.directory, tmp_path / "undisturbed")
    return RunDir(tmp_path / "undisturbed")


def found(run, undisturbed):
    return [*differences(run.name, RunDir(run.directory), undisturbed), *miscounts(run)]


def test_nothing_is_said_of_a_run_like_the_undisturbed_one(run, undisturbed):
    assert found(run, undisturbed) == []


def change_event(folder, type_, change):
    lines = [json.loads(line) for line in folder.events.read_text().splitlines()]
    change(next(line for line in lines if line["type"] == type_))
    folder.events.write_text("".join(json.dumps(line) + "\n" for line in lines))


def one_metric(folder):
    change_event(folder, "metrics", lambda event: event["values"].update(loss=0.5 + 1e-16 + 2**-50))


def one_metric_more(folder):
    change_event(folder, "metrics", lambda event: event["values"].update(kl=0.0))


def one_accuracy(folder):
    change_event(folder, "evaluation", lambda event: event["results"]["standard"]["hard"].update(value=0.2501))


def one_weight(folder):
    file = folder.checkpoint(2) / "model.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)


def no_checkpoint(folder):
    shutil.rmtree(folder.checkpoint(2))


def one_response(folder):
    rows = list(read_rollouts(folder.rollout_shard("train", 1)))
    rows[1] = type(rows[1])(**vars(rows[1]) | {"mean_log_prob": -0.5})
    write_rollouts(folder.rollout_shard("train", 1), rows)


def no_shard(folder):
    folder.rollout_shard("train", 2).unlink()


def one_table(folder):
    folder.table("counts").write_text('{"rows": []}')


def one_list_more(folder):
    folder.position_list("never-solved").parent.mkdir()
    folder.position_list("never-solved").write_text("")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (one_metric, "metrics 1"),
        (one_metric_more, "metrics 1"),
        (one_accuracy, "evaluations (2, 'standard', 'hard')"),
        (one_weight, "weights step-000002/model.safetensors"),
        (no_checkpoint, "weights step-000002/model.safetensors"),
        (one_response, "files rollouts/train-000001.parquet"),
        (no_shard, "files rollouts/train-000002.parquet"),
        (one_table, "files tables/counts.json"),
        (one_list_more, "files position_lists/never-solved.jsonl"),
    ],
)
def test_what_differs_from_the_undisturbed_run_is_named(run, undisturbed, change, word):
    change(undisturbed)
    (said,) = found(run, undisturbed)
    assert said.startswith(f"rpt: {word}: ")


def rows_of(name):
    from rpt_web.results.models import Evaluation, ResultTable
    from rpt_web.runs.models import Checkpoint, RunEvent, StepMetrics
    from rpt_web.traces.models import Rollout, RolloutShard

    models = (Evaluation, ResultTable, Checkpoint, RunEvent, StepMetrics, Rollout, RolloutShard)
    return next(model for model in models if model.__name__ == name)._default_manager


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("StepMetrics", "metrics: 2"),
        ("RunEvent", "events: "),
        ("Checkpoint", "checkpoint rows: "),
        ("Evaluation", "evaluations: "),
        ("ResultTable", "table rows: "),
        ("RolloutShard", "shards: "),
        ("Rollout", "the responses of rollouts/train-000002.parquet"),
    ],
)
def test_a_row_that_is_missing_is_named(run, undisturbed, name, word):
    last = rows_of(name).filter(run_id=run.pk).order_by("pk").last()
    rows_of(name).filter(pk=last.pk).delete()
    assert any(said.startswith(f"rpt: {word}") for said in found(run, undisturbed))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("StepMetrics", {"step": 3}),
        ("RunEvent", {"seq": 99}),
        ("Checkpoint", {"step": 1, "path": "checkpoints/step-000001"}),
        ("Evaluation", {"difficulty": "harder"}),
        ("ResultTable", {"name": "other"}),
        ("RolloutShard", {"step": 3, "path": "rollouts/train-000003.parquet"}),
        ("Rollout", {"row": 7, "id": 7}),
    ],
)
def test_a_row_that_is_doubled_is_named(run, undisturbed, name, change):
    row = rows_of(name).filter(run_id=run.pk).order_by("pk").last()
    if name != "Rollout":
        row.pk = None
    for field, value in change.items():
        setattr(row, field, value)
    row.save(force_insert=True)
    assert found(run, undisturbed)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("StepMetrics", {"values": {"loss": 0.25 + 2**-50}}),
        ("Rollout", {"reward": 0.5}),
        ("Rollout", {"document": "another"}),
    ],
)
def test_a_row_with_another_number_is_named(run, undisturbed, name, change):
    last = rows_of(name).filter(run_id=run.pk).order_by("pk").last()
    rows_of(name).filter(pk=last.pk).update(**change)
    assert found(run, undisturbed)


def test_only_an_end_in_an_outage_and_by_it_is_retried():
    data = Path("/tmp/soak.1/data")
    full = "The disk of /tmp/soak.1/data/runs/7 is full. Free some space there, then retry the run."
    lost = "FileNotFoundError: [Errno 2] No such file or directory: '/tmp/soak.1/data/runs/7/events.jsonl'"
    outages = {full: full_disk_in_words(data / "runs"), lost: lost_folder_in_words(data)}
    for words, says in outages.items():
        outage = Outage(100.0, 106.0, says)
        assert outage.explains(103.0, words)
        assert outage.explains(106.0 + AFTERMATH_SECONDS, words)
        assert not outage.explains(99.0, words)
        assert not outage.explains(107.0 + AFTERMATH_SECONDS, words)
        others = [other for other in outages if other != words]
        others += ["The stage was killed by SIGKILL. The machine may have run out of memory.", "disk", "is full"]
        others += ["The disk of /elsewhere/runs/7 is full.", "/elsewhere/model does not exist", "the model m"]
        assert not any(outage.explains(103.0, other) for other in others)
    assert Outage(1.0, 2.0, lost_folder_in_words(data)).explains(1.5, f"{data}/runs/3/positions does not exist.")
