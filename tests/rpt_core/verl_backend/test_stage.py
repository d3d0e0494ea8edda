"""The stage of the engine verl, with verl played by a short program: what it records, stops, resumes, explains."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from rpt_core.config import STAGES, ModelConfig, PromptConfig
from rpt_core.errors import UserError
from rpt_core.models.checkpoints import load_model, read_metadata
from rpt_core.models.flops import matrix_parameters
from rpt_core.problems.problem import ProblemSet
from rpt_core.run.events import EventType
from rpt_core.run.folder import RunDir
from rpt_core.train.problem_order import ProblemOrder
from rpt_core.verl_backend import launch, process_tree, stage, stall
from rpt_core.verl_backend.folder import VerlFolder
from tests.rpt_core import stages
from tests.rpt_core.verl_backend.played_runs import PLAYED, config, execute, rows

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("played")]


def drawn(ground, count):
    """Documents and positions that the plain loop would draw."""
    _, tokenizer = stages.taught()
    problems = ProblemSet.load(ground / "filter" / "positions", "train", tokenizer, PromptConfig(template="plain"))
    found = [problems.problem(index) for index in ProblemOrder(problems.kept(), 0).draw(0, count)]
    return [(problem.document, problem.position) for problem in found]


def test_a_run_leaves_what_the_plain_loop_leaves(finished):
    folder, result = finished
    assert result["steps"] == 6
    assert [data["step"] for data in stages.events(folder, EventType.METRICS)] == [1, 2, 3, 4, 5, 6]
    assert [data["step"] for data in stages.events(folder, EventType.CHECKPOINT)] == [2, 4, 6]
    assert [(data["step"], data["rows"]) for data in stages.events(folder, EventType.ROLLOUTS)] == [
        (step, 20) for step in range(1, 7)
    ]
    assert {data["name"] for data in stages.events(folder, EventType.TABLE)} == {"ledger", "solved_positions"}
    assert pq.read_table(RunDir(folder).ledger)["groups"].to_pylist().count(0) == 0
    assert sum(pq.read_table(RunDir(folder).ledger)["groups"].to_pylist()) == 30


def test_the_positions_are_drawn_in_the_plain_loops_order(ground, finished):
    folder, _ = finished
    found = [(row.document, row.position) for step in range(1, 7) for row in rows(folder, step) if row.sample == 0]
    assert found == drawn(ground, 30)


def test_rows_have_complete_verdicts_and_verls_advantages(finished):
    folder, _ = finished
    for step in range(1, 7):
        for group in range(5):
            found = [row for row in rows(folder, step) if row.group == group]
            rewards = np.array([row.reward for row in found])
            assert {row.reason for row in found} <= {"match", "mismatch"}
            for row in found:
                assert (row.reward, row.earned) == ((1, 1) if row.reason == "match" else (0, 0))
                assert row.prediction == (row.completion[: row.boundaries[0]] if row.reward else b"?")
                assert row.mean_log_prob == pytest.approx(-0.5)
                expected = (row.reward - rewards.mean()) / (rewards.std(ddof=1) + 1e-6)
                assert row.advantage == pytest.approx(expected, abs=1e-5)


def test_metrics_have_our_names_and_compute_our_formula(finished):
    folder, _ = finished
    parameters = matrix_parameters(stages.taught()[0])
    values = stages.metrics(folder)[1]
    found = rows(folder, 1)
    prompts, responses = (sum(getattr(row, name) for row in found) for name in ("prompt_tokens", "response_tokens"))
    once = sum(row.prompt_tokens for row in found if row.sample == 0)
    assert values["flops"] == parameters * (2 * (once + responses) + (2 + 6) * (prompts + responses))
    assert (values["gradient_norm"], values["loss"], values["seconds"]) == (0.25, 0.125, 4)
    assert values["rollout_probability_gap_mean"] == 1e-6
    assert "entropy_nats" not in values
    assert values["reward_mean"] == pytest.approx(sum(row.reward for row in found) / 20)
    event = stages.events(folder, EventType.METRICS)[0]["values"]
    assert (event["seconds_sampling"], event["seconds_update"]) == (2, 1.5)
    assert event["tokens_per_second"] == pytest.approx((once + 2 * responses + prompts) / 4)


def test_checkpoints_load_with_transformers_and_keep_small_updates(finished):
    folder, _ = finished
    path = RunDir(folder).checkpoint(4)
    model, tokenizer = load_model(ModelConfig(path=str(path), device="cpu"))
    taught, _ = stages.taught()
    changed = [float((tensor - taught.state_dict()[name]).abs().mean()) for name, tensor in model.state_dict().items()]
    assert changed == pytest.approx([4e-6] * len(changed), rel=0.05)
    metadata = read_metadata(path)
    assert (metadata["step"], metadata["engine"], metadata["stage"]) == (4, "verl", "rpt")
    assert metadata["flops"] == stages.events(folder, EventType.METRICS)[3]["flops"]
    assert len(tokenizer) == len(stages.taught()[1])


def test_bfloat16_exports_lose_what_float32_keeps(ground, tmp_path):
    execute(tmp_path, config(ground, verl={"export_dtype": "bfloat16"}))
    tensors = load_file(RunDir(tmp_path).checkpoint(6) / "model.safetensors")
    taught = stages.taught()[0].state_dict()
    assert {str(tensor.dtype) for tensor in tensors.values()} == {"torch.bfloat16"}
    lost = [(tensor == taught[name].bfloat16()).flatten() for name, tensor in tensors.items()]
    assert float(torch.cat(lost).float().mean()) > 0.8


def test_only_the_newest_state_of_verl_is_kept(ground, tmp_path):
    execute(tmp_path, config(ground, keep_checkpoints=1))
    assert [path.name for path in (tmp_path / "verl" / "checkpoints").iterdir()] == ["global_step_6"]
    assert RunDir(tmp_path).checkpoint_steps() == [6]


def test_checkpoints_that_wait_for_their_evaluation_are_spared_until_the_end(ground, tmp_path, monkeypatch):
    evaluation = {"positions": str(ground / "filter" / "positions"), "positions_per_difficulty": 3}
    given = config(ground, keep_checkpoints=1, evaluation=evaluation, evaluate_at_steps=(2, 6))
    steps = []
    monkeypatch.setattr(stage, "run_due", lambda *_: steps.extend(RunDir(tmp_path).checkpoint_steps()))
    execute(tmp_path, given)
    assert steps == [2, 6]
    assert RunDir(tmp_path).checkpoint_steps() == [6]


def raw_files(folder):
    return sorted(
        path.relative_to(folder / "verl").as_posix() for path in (folder / "verl").glob("attempt-*/*/*.jsonl")
    )


def test_what_verl_wrote_of_a_step_goes_when_a_checkpoint_makes_it_useless(ground, tmp_path, played):
    played("bug")
    with pytest.raises(RuntimeError):
        execute(tmp_path, config(ground))
    assert raw_files(tmp_path) == ["attempt-001/dumps/3.jsonl", "attempt-001/traces/3-host-1.jsonl"]
    played("well")
    execute(tmp_path, config(ground), attempt=2)
    assert raw_files(tmp_path) == []


def test_what_verl_wrote_can_be_kept(ground, tmp_path):
    execute(tmp_path, config(ground, verl={"raw_files": "keep"}))
    assert len(raw_files(tmp_path)) == 12


def test_a_model_in_a_folder_of_the_stages_own_is_found_by_verl(ground, tmp_path, monkeypatch):
    monkeypatch.chdir(ground)
    assert execute(tmp_path, config(ground, model={"path": "model", "device": "cpu"}))["steps"] == 6


def test_a_stop_goes_back_to_the_newest_checkpoint_and_a_resume_does_each_step_once(ground, tmp_path, finished, played):
    folders = finished[0], tmp_path / "cut"
    played("slow")
    assert execute(tmp_path / "cut", config(ground), stop_after=3) == 2
    assert process_tree.marked(str((tmp_path / "cut" / "verl").resolve())) == set()
    played("well")
    assert execute(tmp_path / "cut", config(ground), attempt=2)["steps"] == 6
    starts = [data["start_step"] for data in stages.events(tmp_path / "cut", EventType.STARTED)]
    assert starts == [0, 2]
    for name in ("flops", "reward_mean"):
        whole, cut = map(stages.metrics, folders)
        assert {step: values[name] for step, values in cut.items()} == {
            step: values[name] for step, values in whole.items()
        }
    ledgers = [pq.read_table(RunDir(folder).ledger).to_pylist() for folder in folders]
    assert ledgers[0] == ledgers[1]
    metadata = [read_metadata(RunDir(folder).checkpoint(6)) for folder in folders]
    assert metadata[0] == metadata[1]


def test_metrics_of_all_attempts_are_kept_and_what_configuration_verl_had_in_each(ground, tmp_path, played):
    played("slow")
    execute(tmp_path, config(ground), stop_after=2)
    played("well")
    execute(tmp_path, config(ground), attempt=2)
    lines = [len((tmp_path / f"verl/attempt-00{n}/metrics.jsonl").read_bytes().splitlines()) for n in (1, 2)]
    assert lines[0] >= 2
    assert lines[1] == 4
    told = stages.events(tmp_path, EventType.ENGINE_CONFIG)
    assert [(data["engine"], data["path"]) for data in told] == [
        ("verl", f"verl/attempt-{attempt:03d}/resolved_config.json") for attempt in (1, 2)
    ]
    assert all((tmp_path / data["path"]).is_file() for data in told)
    trainer, ray = told[1]["values"]["trainer"], told[1]["values"]["ray_kwargs"]["ray_init"]
    assert (trainer["total_training_steps"], trainer["resume_from_path"]) == (6, "RUN/verl/checkpoints/global_step_2")
    assert (trainer["default_local_dir"], ray["_temp_dir"]) == ("RUN/verl/checkpoints", "RAY")
    assert told[1]["values"]["actor_rollout_ref"]["rollout"]["n"] == 4
    stored = json.loads((tmp_path / told[1]["path"]).read_text())
    assert stored["trainer"]["default_local_dir"] == str(tmp_path.resolve() / "verl" / "checkpoints")


def test_a_half_written_dump_is_waited_for(ground, tmp_path, played):
    played("two stages")
    assert execute(tmp_path, config(ground) | {"steps": 2})["steps"] == 2
    assert [len(rows(tmp_path, step)) for step in (1, 2)] == [20, 20]


def test_a_full_disk_is_told_in_words_with_the_checkpoint_to_go_on_from(ground, tmp_path, played):
    played("full disk")
    with pytest.raises(UserError, match=r"^The disk is full\. .*newest checkpoint is step 2; retry the run"):
        execute(tmp_path, config(ground))
    assert [data["step"] for data in stages.events(tmp_path, EventType.METRICS)] == [1, 2, 3]
    played("well")
    assert execute(tmp_path, config(ground), attempt=2)["steps"] == 6


@pytest.mark.parametrize(
    ("how", "cause"),
    [("dead engine", r"An engine of vLLM died\."), ("lost node", r"A node of the Ray cluster was lost\.")],
)
def test_a_verl_that_waits_for_what_is_gone_is_ended(ground, tmp_path, played, monkeypatch, how, cause):
    monkeypatch.setattr(stall, "GRACE_SECONDS", 1.0)
    monkeypatch.setattr(stall, "LOOK_SECONDS", 0.2)
    played(how)
    with pytest.raises(UserError, match=rf"^{cause} .*within 1 s, .*newest checkpoint is step 2; retry"):
        execute(tmp_path, config(ground))
    assert [data["step"] for data in stages.events(tmp_path, EventType.METRICS)] == [1, 2, 3]
    assert process_tree.marked(str(tmp_path.resolve() / "verl")) == set()


def test_a_lost_machine_that_is_not_verls_ends_nothing(ground, tmp_path, played, monkeypatch):
    monkeypatch.setattr(stall, "GRACE_SECONDS", 0.0)
    monkeypatch.setattr(stall, "LOOK_SECONDS", 0.0)
    played("another's node")
    assert execute(tmp_path, config(ground))["steps"] == 6


def test_the_cause_of_a_wait_in_vain_is_kept_when_the_log_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(stall, "GRACE_SECONDS", 0.0)
    monkeypatch.setattr(stall, "LOOK_SECONDS", 0.0)
    folder = VerlFolder(RunDir(tmp_path), 1)
    folder.create()
    folder.log.write_text("vllm.v1.engine.exceptions.EngineDeadError\n")
    watch = stall.StallWatch(folder, limit_minutes=60)
    watch.problem()
    folder.log.write_text("a warning that is written without end\n" * 10_000)
    assert watch.problem().startswith("An engine of vLLM died.")


def test_words_that_only_say_that_verl_waits_are_no_progress(tmp_path, monkeypatch):
    monkeypatch.setattr(stall, "LOOK_SECONDS", 0.0)
    folder = VerlFolder(RunDir(tmp_path), 1)
    folder.create()
    folder.log.write_text("step:2\n")
    watch = stall.StallWatch(folder, limit_minutes=1 / 60)
    assert watch.problem() is None
    time.sleep(1.1)
    folder.log.write_text("step:2\nINFO:2026-11-25 15:47:49,432:pending: 0, running: 8, finished: 0, failure: 0\n")
    assert "verl has written nothing" in watch.problem()


def test_a_verl_that_writes_nothing_for_long_is_to_be_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(stall, "LOOK_SECONDS", 0.0)
    folder = VerlFolder(RunDir(tmp_path), 1)
    folder.create()
    watch = stall.StallWatch(folder, limit_minutes=1 / 60)
    for path in (folder.log, folder.traces / "node-1.jsonl", folder.dump(1), folder.metrics):
        time.sleep(0.6)
        path.write_text("something new")
        assert watch.problem() is None
    time.sleep(1.1)
    assert "verl has written nothing for 0.0167 minutes" in watch.problem()


def test_an_end_that_nobody_knows_is_a_bug_with_the_end_of_the_log(ground, tmp_path, played, capsys):
    played("bug")
    with pytest.raises(RuntimeError, match="verl ended at step 3 with exit code 1"):
        execute(tmp_path, config(ground))
    assert "AssertionError: never met before" in capsys.readouterr().err


def test_evaluations_are_made_on_exported_checkpoints_when_verl_has_ended(ground, tmp_path, played):
    evaluation = {"positions": str(ground / "filter" / "positions"), "positions_per_difficulty": 3}
    given = config(ground, evaluation=evaluation, evaluate_at_steps=(0, 2, 6))
    played("slow")
    assert execute(tmp_path, given, stop_after=2) == 2
    assert stages.events(tmp_path, EventType.EVALUATION) == []
    played("well")
    execute(tmp_path, given, attempt=2)
    found = stages.events(tmp_path, EventType.EVALUATION)
    assert [data["step"] for data in found] == [0, 2, 6]
    assert found[0]["flops"] == 0
    assert found[2]["flops"] == stages.events(tmp_path, EventType.METRICS)[-1]["flops"]


def test_nothing_is_left_of_a_stage_that_was_killed_not_even_a_daemon(ground, tmp_path):
    given = config(ground, prompt={"template": "plain", "max_prompt_tokens": 256})
    RunDir(tmp_path).create(STAGES["rpt"].model_validate(given))
    start = f"from rpt_core.verl_backend import launch; launch.MAIN = {PLAYED!r}\n"
    start += f"from rpt_core.__main__ import main; main(['rpt', {str(tmp_path)!r}])"
    process = subprocess.Popen(
        [sys.executable, "-c", start], env={**os.environ, "RPT_PLAYED": "daemon"}, start_new_session=True
    )
    mark = str((tmp_path / "verl").resolve())
    deadline = time.monotonic() + 120
    while not stages.events(tmp_path, EventType.METRICS) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert len(process_tree.marked(mark)) >= 2
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 30
    while process_tree.marked(mark) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert process_tree.marked(mark) == set()


def test_without_verl_the_run_fails_with_what_to_do(ground, tmp_path, monkeypatch):
    monkeypatch.setattr(launch, "MAIN", "no_such_verl.main")
    with pytest.raises(UserError, match="make setup-verl"):
        execute(tmp_path, config(ground))
