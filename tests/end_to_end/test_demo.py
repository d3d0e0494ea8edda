"""`manage.py demo`, for real, with the smoke preset: every stage by service, queue and worker; table, report and pages.

The RPT run is killed on its way. Its 15 stages find torch loaded; those of `test_first_day.py` load it themselves.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.contrib.auth import get_user_model
from django.db import connection

from rpt_core.plans.preset import load_preset
from rpt_core.plans.report import report as report_of_the_shell
from rpt_core.run.folder import RunDir
from rpt_core.run.products import product
from rpt_core.run.rollout_files import read_rollouts, read_rollouts_at
from rpt_web.results.models import Evaluation
from rpt_web.runs.models import Experiment
from rpt_web.supervisor.embedded import DATABASE, EmbeddedPostgres
from rpt_web.traces.models import Rollout
from tests import warm_python
from tests.databases import give_database

pytestmark = pytest.mark.slow
ROOT = django_settings.ROOT
PATIENCE_SECONDS = 900
READS_TERMINALS = sys.platform == "linux"
ACCURACIES = {
    "standard",
    "reasoning_before",
    "reasoning_after",
    "standard_after",
    "reasoning_before_greedy",
    "reasoning_after_greedy",
}
COUNT = """
import json
from rpt_web.runs.models import Experiment, Run
runs = [[run.experiment_id, run.name, run.status] for run in Run.objects.order_by("id")]
print("ANSWER", json.dumps({"experiments": Experiment.objects.count(), "runs": runs}))
"""


def command_line(data_dir, *words):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return [sys.executable, "manage.py", "demo", "--data-dir", str(data_dir), "--port", str(port), *words]


def environment(**more):
    removed = ("DATABASE_URL", "REDIS_URL", "RPT_DATA_DIR", "DJANGO_SETTINGS_MODULE")
    kept = {name: value for name, value in os.environ.items() if name not in removed}
    return kept | {"OMP_NUM_THREADS": "1"} | more


def run_demo(data_dir, *words, **more):
    return subprocess.run(
        command_line(data_dir, *words),
        cwd=ROOT,
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )


@pytest.fixture(scope="module")
def data_dir():
    folder = Path(tempfile.mkdtemp(prefix="rpt-demo-"))
    give_database(folder)  # tests of `up` begin without one
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def number_of(name):
    """Of a run: the first in a new database have the first numbers."""
    return [planned.name for planned in load_preset("smoke").runs].index(name) + 1


def kill_once_it_has_a_checkpoint(run):
    """kill -9 the stage as soon as its first checkpoint is complete."""
    while not run.checkpoint_steps():
        time.sleep(0.02)
    os.kill(int(run.pid.read_text()), signal.SIGKILL)


@pytest.fixture(scope="module")
def demo(data_dir):
    """One finished demo, with its report; the first attempt of its RPT run is killed."""
    rpt = RunDir(data_dir / "runs" / str(number_of("rpt")))
    threading.Thread(target=kill_once_it_has_a_checkpoint, args=(rpt,), daemon=True).start()
    words = ("--preset", "smoke", "--seed", "3", "--no-serve", "--report", str(data_dir / "report.json"))
    with warm_python.started() as python:
        done = run_demo(data_dir, *words, RPT_STAGE_COMMAND=f"{python} -m rpt_core")
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def report(demo, data_dir):
    return json.loads((data_dir / "report.json").read_text())


def test_the_report_has_every_accuracy_with_its_interval_and_n(report):
    assert set(report["accuracy"]) == ACCURACIES
    assert set(report["baselines"]) == {"ntp", "sft", "expert_responses", "expert_flops"}
    spent = report["flops"]
    assert spent["rpt"] <= min(spent[name] for name in ("more-ntp", "more-sft", "expert-flops"))
    assert spent["expert-responses"] > 0
    rows = list(report["accuracy"].values()) + [row for rows in report["baselines"].values() for row in rows.values()]
    assert len(rows) == 6 + 4 * 3
    for row in rows:
        assert set(row) == {"easy", "medium", "hard"}
        for cell in row.values():
            assert set(cell) - {"no_box"} == {"value", "low", "high", "n"}  # an argmax has no box to lose
            assert 0 <= cell["low"] <= cell["value"] <= cell["high"] <= 1
            assert cell["n"] > 0
    counts = {tuple(cell["n"] for cell in row.values()) for row in rows}
    assert len(counts) == 1, "every row is about the same positions"


def test_the_report_has_seed_probes_scaling_and_seconds(report):
    assert report["seed"] == 3
    assert set(report["probes"]) == {"step", "copy"}
    assert all(0 <= value <= 1 for value in report["probes"].values())
    assert list(report["seconds"]) == [planned.name for planned in load_preset("smoke").runs]
    assert all(value > 0 for value in report["seconds"].values())
    assert max(report["seconds"].values()) < report["total_seconds"] <= sum(report["seconds"].values()) + 60
    assert set(report["scaling"]) == {"easy", "medium", "hard"}
    assert {"A", "alpha", "p_star", "r2"} <= set(report["scaling"]["hard"])
    assert report["machine"]["cores"] >= 1
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", report["date"])
    assert report["versions"]["torch"].startswith("2.")


def test_the_terminal_shows_progress_and_the_same_numbers_as_the_report(demo, report):
    for number, planned in enumerate(load_preset("smoke").runs, start=1):
        assert f"] {planned.name}: succeeded after " in demo.stdout
        assert f"[{number}/14] {planned.name}" in demo.stdout
    cell = report["accuracy"]["reasoning_after"]["hard"]
    interval = f"[{100 * cell['low']:.1f}, {100 * cell['high']:.1f}]"
    line = next(line for line in demo.stdout.splitlines() if line.startswith("reasoning after RPT  "))
    assert line.endswith(f"{100 * cell['value']:.1f} {interval} n={cell['n']}")
    assert demo.stderr == ""


@pytest.fixture(scope="module")
def played(demo, data_dir, tmp_path_factory):
    """The demo's runs by their names, as the shell keeps them."""
    folder = tmp_path_factory.mktemp("played")
    for planned in load_preset("smoke").runs:
        (folder / planned.name).symlink_to(data_dir / "runs" / str(number_of(planned.name)))
    return folder


def test_the_runs_earn_rewards_and_the_baselines_match_them(played):
    rewards, others = [
        [row.reward for path in (played / name / "rollouts").glob("train-*") for row in read_rollouts(path)]
        for name in ("rpt", "expert-responses")
    ]
    assert len(rewards) == len(others) == 6 * 8 * 8
    assert 0 < sum(rewards) < len(rewards)
    spent = {name: float(product(RunDir(played / name), "flops")) for name in ("rpt", "expert-flops")}
    assert spent["rpt"] <= spent["expert-flops"]


def test_the_shell_reports_every_policy_of_these_runs(played):
    told = report_of_the_shell(load_preset("smoke"), played)
    assert "probe_step" in told
    assert "rpt, hard: P(C) =" in told
    for name in ("rpt, step 0", "rpt-eval", "ntp-eval", "sft-eval", "expert-responses-eval", "expert-flops-eval"):
        assert f"\n{name}: standard (argmax)" in told


@pytest.fixture
def kept(demo, data_dir, settings, monkeypatch, django_db_blocker):
    """The demo's own database, for the code and the pages of this process: its experiment."""
    server = EmbeddedPostgres(data_dir)
    server.start()
    settings.RPT_DATA_DIR = data_dir
    for name, value in {"NAME": DATABASE, "HOST": str(server.sockets), "PORT": ""}.items():
        monkeypatch.setitem(connection.settings_dict, name, value)
    with django_db_blocker.unblock():
        connection.close()
        yield Experiment.objects.earliest("id")
        connection.close()
    server.stop()


def test_the_killed_run_has_each_step_once_with_all_of_its_rollouts_and_the_newest_checkpoint(kept):
    run = kept.runs.get(name="rpt")
    rows = run.config["batch_problems"] * run.config["group_size"]
    assert run.attempt == 2
    assert [row.step for row in run.metrics.all()] == [1, 2, 3, 4, 5, 6]
    trained = run.shards.filter(kind="train").order_by("step")
    assert [(shard.step, shard.rows) for shard in trained] == [(step, rows) for step in range(1, 7)]
    for shard in run.shards.all():
        found = Rollout.objects.filter(run_id=run.pk, kind=shard.kind, step=shard.step)
        assert found.count() == shard.rows
        assert found.filter(reward__gt=0).count() == shard.rewarded
    first = Rollout.objects.filter(run_id=run.pk, kind="train").order_by("id")[0]
    (full,) = read_rollouts_at(run.directory / trained[0].path, [first.row])
    assert full.response.startswith(first.preview.rstrip("\ufffd"))
    cells = Evaluation.objects.filter(run=run)
    assert sorted(set(cells.values_list("step", flat=True))) == [0, 1, 2, 3, 4, 6]
    assert set(cells.values_list("mode", flat=True)) == {"standard", "sampled", "greedy"}
    assert run.checkpoints.last().step == 6


def test_the_pages_show_the_demo(kept, client):
    client.force_login(get_user_model().objects.earliest("id"))
    for address in ("/", f"/experiments/{kept.pk}/", f"/experiments/{kept.pk}/results/"):
        assert client.get(address).status_code == 200, address
    assert kept.runs.count() == 14
    for run in kept.runs.all():
        for part in ("", "curves/", "files/", "metrics.json", "rollouts/"):
            assert client.get(f"/runs/{run.pk}/{part}").status_code == 200, (run.name, part)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--preset", "tiny-paper", "--report", "x.json"], "--report holds one seed, and 'tiny-paper' has several"),
        (["--preset", "smoke", "--report", "/no/such/folder/x.json"], "cannot be written"),
        (["--preset", "none"], "There is no preset 'none'"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_starts(tmp_path, words, message):
    done = run_demo(tmp_path, *words)
    assert done.returncode == 1
    assert message in done.stderr
    assert {path.name for path in tmp_path.iterdir()} <= {"servers_at", "secret_key"}, "no server has run"


@pytest.fixture(scope="module")
def interrupted(demo, data_dir):
    """A second demo, interrupted in its first run: what the terminal showed until then, and the exit code."""
    controller, terminal = os.openpty()
    process = subprocess.Popen(
        command_line(data_dir, "--preset", "smoke"), cwd=ROOT, env=environment(), stdout=terminal, stderr=terminal
    )
    os.close(terminal)
    shown = read_until(controller, rb"\r\033\[K\[1/14\] base \(ntp\): step")
    process.send_signal(signal.SIGINT)
    read_until(controller, rb"Stopped\.")
    code = process.wait(PATIENCE_SECONDS)
    os.close(controller)
    return shown, code


@pytest.fixture(scope="module")
def failed(demo, data_dir, request):
    """The demo after these, whose first run fails."""
    if READS_TERMINALS:
        request.getfixturevalue("interrupted")
    stage = "import sys; print('the disk is on fire'); sys.exit(1)"
    return run_demo(data_dir, "--preset", "smoke", "--no-serve", RPT_STAGE_COMMAND=f'{sys.executable} -c "{stage}"')


def test_a_failing_run_ends_a_demo_with_its_error_and_where_to_look(failed, data_dir):
    assert failed.returncode == 1
    assert "The run 'base' (stage ntp) has failed: The stage ended with an error (exit code 1)" in failed.stderr
    assert "the disk is on fire" in failed.stderr
    assert re.search(rf"{data_dir}/runs/\d+ \(stage.log, events.jsonl\)", failed.stderr)


@pytest.mark.skipif(not READS_TERMINALS, reason="reads the output of a terminal")
def test_on_a_terminal_one_line_changes_and_an_interrupt_ends_the_demo(interrupted):
    shown, code = interrupted
    assert re.search(rb"Watch it \(the link logs you in once\): http://127.0.0.1:\d+/login/link/[\w-]{20,}/", shown)
    assert code == 0


@pytest.mark.skipif(not READS_TERMINALS, reason="reads the output of a terminal")
def test_an_interrupted_demo_does_not_hinder_the_next(failed, data_dir):
    assert "Cancelled 14 runs that earlier demos had left unfinished." in failed.stdout
    answer = ask_later(data_dir)
    assert answer["experiments"] == len({experiment for experiment, _, _ in answer["runs"]}) >= 3
    assert [status for _, _, status in answer["runs"][-28:]] == ["cancelled"] * 14 + ["failed"] + ["waiting"] * 13


def read_until(terminal, pattern):
    shown = b""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not re.search(pattern, shown):
        assert time.monotonic() < deadline, shown
        shown += os.read(terminal, 65536)
    return shown


def ask_later(data_dir):
    """What the rows say, read through a database server of our own now that the demo has ended."""
    server = EmbeddedPostgres(data_dir)
    server.start()
    try:
        done = subprocess.run(
            [sys.executable, "manage.py", "shell", "-c", COUNT],
            cwd=ROOT,
            env=environment(RPT_DATA_DIR=str(data_dir)),
            capture_output=True,
            text=True,
        )
    finally:
        server.stop()
    return json.loads(re.search("^ANSWER (.*)$", done.stdout, re.MULTILINE)[1])
