"""RLVR on a small model: what it learns from, how it tests, resumes and counts; the budgets of all training stages."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pyarrow.parquet as pq
import pytest

from rpt_core.analysis.comparison import comparison_tables
from rpt_core.config import BudgetConfig, ComparisonConfig, RlvrConfig
from rpt_core.errors import UserError
from rpt_core.evaluation.outcomes import read_outcomes
from rpt_core.models.checkpoints import read_metadata
from rpt_core.models.flops import sampling_flops, training_flops
from rpt_core.run.events import EventLog, EventType
from rpt_core.run.folder import RunDir
from rpt_core.run.rollout_files import read_rollouts
from rpt_core.statistics.intervals import wilson_interval
from rpt_core.text.names import text_digest
from rpt_core.train.loop import TrainingEnd
from rpt_core.train.supervised import limit_of
from tests.rpt_core import stages

OPTIMISER = {"learning_rate": 3e-3, "max_grad_norm": 1.0, "warmup_steps": 2, "schedule": "cosine"}


def write_questions(path, count=60, answer=None):
    """Questions in the form of the digits corpus; the model boxes any of the four digits."""
    rng = random.Random(5)
    records = {}
    while len(records) < count:
        row = " ".join(str(rng.randrange(4)) for _ in range(rng.randrange(3, 7)))
        records[row] = {"question": f"Digits: {row}", "answer": answer or str(rng.randrange(4))}
    path.write_text("".join(json.dumps(record) + "\n" for record in records.values()))
    return str(path)


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    """A folder with the taught model and a file of questions."""
    folder = tmp_path_factory.mktemp("ground")
    stages.save_taught(folder / "model")
    write_questions(folder / "questions.jsonl")
    return folder


def rlvr(ground, **changes):
    questions = {"paths": [str(ground / "questions.jsonl")], "train_questions": 10, "test_questions": 8}
    return {
        "stage": "rlvr",
        "model": {"path": str(ground / "model"), "device": "cpu"},
        "questions": questions | changes.pop("questions", {}),
        "template": "question_plain",
        "answer_by": "exact",
        "batch_questions": 5,
        "group_size": 4,
        "budget": {"steps": 6},
        "sampling": {"max_response_tokens": 16},
        "test_sampling": {"max_response_tokens": 16, "temperature": 0.6},
        "optimiser": OPTIMISER,
        **changes,
    }


def tables(folder):
    return stages.events(folder, EventType.TABLE)


def rows(folder):
    """The rows of the newest table of tests."""
    return tables(folder)[-1]["rows"]


@pytest.fixture(scope="module")
def whole(ground):
    """A run without a break that tests after each epoch; its folder and result."""
    return ground / "whole", stages.run_stage(ground / "whole", rlvr(ground, test_every_epochs=1))


def test_it_tests_before_between_and_after(whole):
    folder, result = whole
    found = rows(folder)
    assert [(row["step"], row["epoch"]) for row in found] == [(0, 0), (2, 1), (4, 2), (6, 3)]
    assert [table["step"] for table in tables(folder)] == [0, 2, 4, 6]
    assert {table["name"] for table in tables(folder)} == {"rlvr_test"}
    assert result["test_before"] == found[0]["accuracy"]["value"]
    assert result["test_after"] == found[-1]["accuracy"]["value"]
    assert result["test_before_n"] == result["test_after_n"] == result["test_questions"] == 8
    assert result["test_change"] == pytest.approx(result["test_after"] - result["test_before"])
    assert found[0]["change"] is None


def test_accuracies_come_from_the_responses_with_wilson_intervals(whole):
    folder, _ = whole
    for row in rows(folder):
        responses = list(read_rollouts(RunDir(folder).rollout_shard("sampled", row["step"])))
        right = sum(response.reward for response in responses)
        low, high = wilson_interval(right, 8)
        assert row["accuracy"] == pytest.approx({"value": right / 8, "low": low, "high": high, "n": 8})
        assert row["tokens"] == pytest.approx(sum(response.response_tokens for response in responses) / 8)
        assert row["cut"] == sum(response.finish_reason == "length" for response in responses) / 8
        assert row["no_box"] == sum(response.prediction is None for response in responses) / 8


def test_the_same_questions_are_asked_at_every_test_and_never_trained_on(whole):
    folder, _ = whole
    run = RunDir(folder)
    asked = {step: [row.document for row in read_rollouts(run.rollout_shard("sampled", step))] for step in (0, 2, 4, 6)}
    assert len(set(asked[0])) == 8
    assert asked[0] == asked[2] == asked[4] == asked[6]
    trained = {row.document for step in range(1, 7) for row in read_rollouts(run.rollout_shard("train", step))}
    assert len(trained) == 10
    assert not trained & set(asked[0])


def test_outcomes_can_be_read_and_paired_question_by_question(whole):
    folder, result = whole
    before, after = (read_outcomes(RunDir(folder).evaluation(step)) for step in (0, 6))
    assert before.places() == after.places()
    differences = after.correctness("sampled") - before.correctness("sampled")
    assert differences.mean() == pytest.approx(result["test_change"])
    assert before.domain.tolist() == [""] * 8


def test_two_tests_can_be_compared_by_the_stage_that_compares_evaluations(whole):
    folder, result = whole
    before, after = (str(RunDir(folder).evaluation(step)) for step in (0, 6))
    config = ComparisonConfig(name="RLVR", a=before, b=after)
    (differences, changed), left_out = comparison_tables(config, seed=0, resamples=100)
    (row,) = differences.rows
    assert row["difficulty"] == "all"
    assert row["difference"].value == pytest.approx(result["test_change"])
    assert (row["gained"] - row["forgotten"]) / 8 == pytest.approx(result["test_change"])
    assert len(changed.rows) == row["gained"] + row["forgotten"]
    assert left_out == 0


def test_a_resumed_run_gives_the_numbers_of_one_without_a_break(ground, whole, tmp_path):
    folder, result = whole
    config = rlvr(ground, test_every_epochs=1)
    assert stages.run_stage(tmp_path, config, stop_after=3) is None
    assert stages.events(tmp_path, EventType.STOPPED) == [{"step": 3}]
    assert stages.run_stage(tmp_path, config) == result
    assert [event["start_step"] for event in stages.events(tmp_path, EventType.STARTED)] == [0, 3]
    assert stages.weights(tmp_path) == stages.weights(folder)
    assert stages.metrics(tmp_path) == stages.metrics(folder)
    assert rows(tmp_path) == rows(folder)
    newest = [read_metadata(RunDir(path).newest_checkpoint()) for path in (tmp_path, folder)]
    assert newest[0] == newest[1]


class StopInTest(EventLog):
    """Asks its stage to stop when the second test begins, which the first token of it notices."""

    def emit(self, type_, **data):
        super().emit(type_, **data)
        if (
            type_ == EventType.PROGRESS
            and data["what"].startswith("answering the test questions")
            and data["step"] == 2
        ):
            self.context.request_stop()


def test_a_test_that_a_stop_cuts_short_is_done_after_the_resume(ground, whole, tmp_path, monkeypatch):
    config = rlvr(ground, test_every_epochs=1)
    with monkeypatch.context() as patch:
        patch.setattr(stages, "StopAfter", StopInTest)
        assert stages.run_stage(tmp_path, config) is None
    assert [row["step"] for row in rows(tmp_path)] == [0]
    assert stages.run_stage(tmp_path, config) == whole[1]
    assert rows(tmp_path) == rows(whole[0])


def test_a_finished_run_started_again_does_nothing_more(ground, tmp_path):
    config = rlvr(ground, budget={"steps": 2})
    first = stages.run_stage(tmp_path, config)
    assert stages.run_stage(tmp_path, config) == first
    assert len(stages.events(tmp_path, EventType.METRICS)) == 2


def test_every_response_is_recorded_with_its_question_and_answer(whole):
    shard = list(read_rollouts(RunDir(whole[0]).rollout_shard("train", 1)))
    assert len(shard) == 20
    for row in shard:
        assert row.prompt.startswith("Digits: ")
        assert row.prompt.endswith("<think>")
        assert (row.position, row.entropy_nats) == (0, None)
        asked = row.prompt[row.context_start : row.context_end]
        assert (row.text_hash, row.byte_offset) == (text_digest(asked.encode()), -1)
        assert row.boundaries == [len(row.completion)]
        assert row.reward == row.earned == (row.reason == "match")
        assert (row.prediction == row.completion) == (row.reward == 1)
        assert row.advantage is not None
    announced = stages.events(whole[0], EventType.ROLLOUTS)
    assert {(event["kind"], event["step"]) for event in announced} >= {("train", 1), ("sampled", 0), ("sampled", 6)}


def test_steps_are_measured_and_their_compute_counted(whole):
    folder, result = whole
    parameters, total, tokens = result["matrix_parameters"], 0.0, 0
    for step, values in stages.metrics(folder).items():
        shard = list(read_rollouts(RunDir(folder).rollout_shard("train", step)))
        groups = {n: [row for row in shard if row.group == n] for n in range(5)}
        prompts = sum(group[0].prompt_tokens for group in groups.values())
        live = [row for group in groups.values() if len({r.reward for r in group}) > 1 for row in group]
        flops = sampling_flops(parameters, prompts, sum(row.response_tokens for row in shard))
        flops += training_flops(parameters, sum(row.prompt_tokens + row.response_tokens for row in live))
        assert values["flops"] == pytest.approx(flops)
        assert values["reward_mean"] == pytest.approx(sum(row.reward for row in shard) / 20)
        assert values["answers_given_up"] == 0
        total += flops
        tokens += sum(row.prompt_tokens + row.response_tokens for row in shard)
    assert result["flops"] == pytest.approx(total)
    assert result["tokens"] == tokens


def test_several_responses_to_a_test_question_have_an_interval_over_questions(ground, tmp_path):
    stages.run_stage(tmp_path, rlvr(ground, budget={"steps": 1}, test_samples=4))
    (table,) = [event for event in tables(tmp_path) if event["step"] == 1]
    row, run = table["rows"][0], RunDir(tmp_path)
    shares = read_outcomes(run.evaluation(0)).correctness("sampled")
    assert row["accuracy"]["n"] == 8
    assert row["accuracy"]["value"] == pytest.approx(shares.mean())
    assert row["pass_at"]["value"] == pytest.approx((shares > 0).mean())
    assert row["accuracy"]["high"] - row["accuracy"]["low"] < 0.7
    assert pq.read_metadata(run.rollout_shard("sampled", 0)).num_rows == 32
    assert {column["key"] for column in table["columns"]} >= {"pass_at", "majority"}


def test_answers_are_compared_as_mathematics_by_default(ground, tmp_path):
    path = write_questions(tmp_path / "q.jsonl", answer="4/2")
    config = rlvr(ground, budget={"steps": 1}, questions={"paths": [path]})
    del config["answer_by"]
    stages.run_stage(tmp_path / "run", config)
    shard = list(read_rollouts(RunDir(tmp_path / "run").rollout_shard("train", 1)))
    assert {row.prediction for row in shard if row.reward} == {b"2"}
    assert {row.reason for row in shard if row.prediction == b"2"} == {"match"}


def test_it_raises_accuracy_on_questions_that_it_was_not_trained_on(ground, tmp_path):
    path = write_questions(tmp_path / "q.jsonl", answer="2", count=100)
    config = rlvr(
        ground,
        questions={"paths": [path], "train_questions": 20, "test_questions": 40},
        batch_questions=8,
        group_size=8,
        budget={"epochs": 8},
        optimiser={"learning_rate": 3e-3, "max_grad_norm": 1.0},
    )
    result = stages.run_stage(tmp_path / "run", config)
    assert result["steps"] == 20
    assert result["test_before"] < 0.5
    assert result["test_after"] > 0.8
    assert result["test_change_low"] > 0


def test_a_seed_decides_the_run_but_not_the_questions(ground, tmp_path):
    for name, seed in (("a", 1), ("b", 2)):
        stages.run_stage(tmp_path / name, rlvr(ground, seed=seed, budget={"steps": 1}))
    first, second = (
        [row.document for row in read_rollouts(RunDir(tmp_path / name).rollout_shard("sampled", 0))] for name in "ab"
    )
    assert first == second
    assert stages.weights(tmp_path / "a") != stages.weights(tmp_path / "b")


def test_questions_that_are_too_long_are_left_out_and_told_of(ground, whole, tmp_path):
    sizes = [row.prompt_tokens for row in read_rollouts(RunDir(whole[0]).rollout_shard("train", 1))]
    config = rlvr(ground, budget={"steps": 1}, max_prompt_tokens=max(sizes) - 1)
    result = stages.run_stage(tmp_path / "some", config)
    assert result["left_out_long"] > 0
    assert result["train_questions"] + result["test_questions"] + result["left_out_long"] == 18
    (warning,) = stages.events(tmp_path / "some", EventType.LOG)
    assert warning["level"] == "warning"
    with pytest.raises(UserError, match="max_prompt_tokens"):
        stages.run_stage(tmp_path / "none", rlvr(ground, max_prompt_tokens=8))


def test_a_policy_that_never_boxes_still_ends_with_a_budget_in_tokens(ground, tmp_path):
    config = rlvr(ground, budget={"tokens": 300}, sampling={"max_response_tokens": 1})
    result = stages.run_stage(tmp_path, config)
    assert result["tokens"] >= 300
    values = stages.metrics(tmp_path)
    assert all(step["share_no_box"] == step["share_all_zero"] == 1 for step in values.values())
    assert "loss" not in values[1]


def ntp(ground, **changes):
    return {
        "stage": "ntp",
        "corpus": stages.write_corpus(ground / "digits.jsonl"),
        "model": {"path": str(ground / "model"), "device": "cpu"},
        "batch_documents": 8,
        "optimiser": OPTIMISER,
        **changes,
    }


def sft(ground, **changes):
    lines = [{"prompt": f"Digits: {n % 4} <think>", "response": f"hm</think>\\boxed{{{n % 3}}}"} for n in range(20)]
    (ground / "traces.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return {
        "stage": "sft",
        "model": {"path": str(ground / "model"), "device": "cpu"},
        "traces": {"path": str(ground / "traces.jsonl")},
        "batch_documents": 6,
        "optimiser": OPTIMISER,
        **changes,
    }


STAGES = {"ntp": ntp, "sft": sft, "rlvr": rlvr}


@pytest.mark.parametrize("stage", STAGES)
def test_a_budget_in_tokens_ends_with_the_step_that_reaches_it(ground, tmp_path, stage):
    result = stages.run_stage(tmp_path, STAGES[stage](ground, budget={"tokens": 900}))
    last = max(stages.metrics(tmp_path))
    assert result["steps"] == last > 1
    assert result["tokens"] >= 900
    shorter = stages.run_stage(tmp_path / "shorter", STAGES[stage](ground, budget={"steps": last - 1}))
    assert shorter["tokens"] < 900


@pytest.mark.parametrize("stage", STAGES)
def test_a_budget_of_another_run_is_the_compute_that_it_spent(ground, whole, tmp_path, stage):
    folder, spent = whole
    result = stages.run_stage(tmp_path, STAGES[stage](ground, budget={"flops_of": str(folder)}))
    assert result["flops"] >= spent["flops"]
    flops = [event["flops"] for event in stages.events(tmp_path, EventType.METRICS)]
    assert len(flops) == result["steps"]
    assert flops[-2] < spent["flops"] <= flops[-1]


@pytest.mark.parametrize("stage", STAGES)
def test_a_resumed_run_ends_with_the_same_budget(ground, whole, tmp_path, stage):
    config = STAGES[stage](ground, budget={"flops_of": str(whole[0])}, optimiser=OPTIMISER)
    result = stages.run_stage(tmp_path / "whole", config)
    assert stages.run_stage(tmp_path / "broken", config, stop_after=2) is None
    assert stages.run_stage(tmp_path / "broken", config) == result
    assert stages.weights(tmp_path / "broken") == stages.weights(tmp_path / "whole")


def test_a_run_without_compute_is_no_budget(tmp_path):
    with pytest.raises(UserError, match=r"absent does not exist.*flops_of"):
        limit_of(BudgetConfig(flops_of=str(tmp_path / "absent")), 3)
    with EventLog(tmp_path / "events.jsonl") as log:
        log.emit(EventType.STARTED, start_step=0, total_steps=None)
    with pytest.raises(UserError, match="has not trained"):
        limit_of(BudgetConfig(flops_of=str(tmp_path)), 3)


def test_the_compute_of_a_run_is_the_most_that_its_events_tell_of(tmp_path):
    with EventLog(tmp_path / "events.jsonl") as log:
        log.emit(EventType.METRICS, step=1, values={}, flops=5.0)
        log.emit(EventType.METRICS, step=2, values={}, flops=9.0)
        log.emit(EventType.CHECKPOINT, step=1, path="checkpoints/step-000001", bytes=1, flops=5.0)
    assert limit_of(BudgetConfig(flops_of=str(tmp_path)), 3) == TrainingEnd(flops=9.0)


def test_epochs_become_steps_rounded_up():
    assert limit_of(BudgetConfig(epochs=15), 256 / 64) == TrainingEnd(steps=60)
    assert limit_of(BudgetConfig(epochs=15), 200 / 64) == TrainingEnd(steps=47)
    assert limit_of(BudgetConfig(epochs=0.1), 30) == TrainingEnd(steps=3)
    assert limit_of(BudgetConfig(epochs=0.01), 3) == TrainingEnd(steps=1)
    assert limit_of(BudgetConfig(tokens=7), 3) == TrainingEnd(tokens=7)


@pytest.mark.slow
def test_term_to_the_group_stops_the_stage_with_a_checkpoint(ground, tmp_path):
    run = RunDir(tmp_path)
    config = rlvr(ground, budget={"steps": 100000}, answer_by="math_verify", max_prompt_tokens=200)
    run.create(RlvrConfig.model_validate(config))
    command = [sys.executable, "-m", "rpt_core", "rlvr", str(tmp_path)]
    process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, start_new_session=True)
    try:
        deadline = time.monotonic() + 120
        while not stages.events(tmp_path, EventType.METRICS) and time.monotonic() < deadline:
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGTERM)
        assert process.wait(timeout=60) == 3
    finally:
        process.kill()
    (stopped,) = stages.events(tmp_path, EventType.STOPPED)
    assert run.checkpoint_steps() == [stopped["step"]]
    assert {values["answers_given_up"] for values in stages.metrics(tmp_path).values()} == {0}
