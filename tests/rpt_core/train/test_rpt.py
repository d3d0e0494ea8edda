"""The stage `rpt` on a small model: its step, dynamic sampling, the ledger, the order of positions."""

import json
import shutil
from collections import Counter

import pyarrow.parquet as pq
import pytest
import torch

from rpt_core.config import PromptConfig, RptConfig
from rpt_core.models.checkpoints import read_metadata
from rpt_core.models.flops import matrix_parameters
from rpt_core.problems.problem import ProblemSet
from rpt_core.run.context import StageContext, StopRequested
from rpt_core.run.events import EventLog, EventType
from rpt_core.run.folder import RunDir
from rpt_core.run.rollout_files import read_rollouts
from rpt_core.text.tokens import encode
from rpt_core.train.rpt import run
from tests.rpt_core import stages

COUNTED = ("groups", "all_zero", "all_one", "dropped", "surplus", "rollouts", "rewarded", "matched", "last_step")
DYNAMIC = {"from_step": 3, "max_extra_batches": 2, "min_pass_rate": 0.2, "max_pass_rate": 0.6}


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    return stages.make_ground(tmp_path_factory.mktemp("ground"))


def groups_of(folder, step):
    """The rows of each group of a step, in the order in which they were sampled."""
    groups = {}
    for row in read_rollouts(RunDir(folder).rollout_shard("train", step)):
        groups.setdefault(row.group, []).append(row)
    return list(groups.values())


def ledger(folder):
    """The ledger's rows by document and position."""
    return {(row["document"], row["position"]): row for row in pq.read_table(RunDir(folder).ledger).to_pylist()}


def test_an_rpt_step_reports_what_its_rollouts_show(ground, tmp_path):
    stages.run_stage(tmp_path, stages.rpt(ground, steps=3))
    parameters = matrix_parameters(stages.taught()[0])
    total = 0.0
    for step, values in stages.metrics(tmp_path).items():
        rows = list(read_rollouts(RunDir(tmp_path).rollout_shard("train", step)))
        groups = [[row.reward for row in rows if row.group == n] for n in range(5)]
        live = [n for n in range(5) if len(set(groups[n])) > 1]
        assert len(rows) == 20
        assert values["reward_mean"] == pytest.approx(sum(row.reward for row in rows) / 20)
        assert values["share_matched"] == pytest.approx(sum(row.reason == "match" for row in rows) / 20)
        assert values["share_boxed"] == pytest.approx(sum(row.prediction is not None for row in rows) / 20)
        assert values["share_cut"] == pytest.approx(sum(row.finish_reason == "length" for row in rows) / 20)
        assert values["share_all_zero"] == pytest.approx(sum(max(group) == 0 for group in groups) / 5)
        assert values["share_all_one"] == pytest.approx(sum(min(group) == 1 for group in groups) / 5)
        assert values["response_tokens_mean"] == pytest.approx(sum(row.response_tokens for row in rows) / 20)
        logs = sum(row.mean_log_prob * row.response_tokens for row in rows)
        assert values["mean_negative_log_prob"] == pytest.approx(-logs / sum(row.response_tokens for row in rows))
        assert values["share_no_box"] == pytest.approx(1 - values["share_boxed"])
        assert values["sampler_log_prob_gap"] < 1e-5
        read = sum(row.prompt_tokens for row in rows if row.sample == 0) + sum(row.response_tokens for row in rows)
        trained = sum(row.prompt_tokens + row.response_tokens for row in rows if row.group in live)
        assert values["flops"] == 2 * parameters * read + 6 * parameters * trained
        total += values["flops"]
        for row in rows:
            assert (row.advantage == 0) == (row.group not in live)
            assert row.earned == row.reward
    assert stages.events(tmp_path, EventType.METRICS)[-1]["flops"] == total


def test_a_step_without_a_live_group_is_logged_and_leaves_the_weights_alone(ground, tmp_path):
    # One token is never enough for a box: every reward is 0.
    stages.run_stage(tmp_path, stages.rpt(ground, steps=2, sampling={"max_response_tokens": 1}))
    values = stages.metrics(tmp_path)[2]
    assert values["share_all_zero"] == 1
    assert values["share_cut"] == 1
    assert "loss" not in values
    assert "gradient_norm" not in values
    assert "predicted_bytes_mean" not in values
    before, after = (
        stages.load({"path": str(path)})[0] for path in (ground / "model", RunDir(tmp_path).newest_checkpoint())
    )
    assert all(torch.equal(a, b) for a, b in zip(before.parameters(), after.parameters(), strict=True))


def test_the_size_of_a_pass_does_not_change_the_update(ground, tmp_path):
    for rows in (3, 100):
        stages.run_stage(tmp_path / str(rows), stages.rpt(ground, steps=1, grpo={"batch_rows": rows}))
    few, many = (stages.metrics(tmp_path / name)[1] for name in ("3", "100"))
    assert few["gradient_norm"] == pytest.approx(many["gradient_norm"], rel=1e-4)
    assert few["loss"] == pytest.approx(many["loss"], abs=1e-5)


def test_a_policy_in_bfloat16_is_trained_in_float32(ground, tmp_path):
    model = {"path": str(ground / "model"), "device": "cpu", "dtype": "bfloat16"}
    small = {"learning_rate": 1e-6, "max_grad_norm": 1.0}
    stages.run_stage(tmp_path, stages.rpt(ground, steps=2, model=model, optimiser=small))
    assert stages.metrics(tmp_path)[1]["sampler_log_prob_gap"] < 0.05
    before, after = (
        stages.load({"path": str(path)})[0] for path in (ground / "model", RunDir(tmp_path).newest_checkpoint())
    )
    changed = [not torch.equal(a, b) for a, b in zip(before.parameters(), after.parameters(), strict=True)]
    # In bfloat16 a step of 1e-6 would leave a norm's weight of 1 as it is.
    assert all(changed)


def test_rpt_raises_the_reward_where_there_is_something_to_learn(ground, tmp_path):
    # The policy boxes any of four digits; in these documents the right one is always 2.
    records = [{"id": str(n), "text": f"Digits: {' '.join('2' * (3 + n % 4))}"} for n in range(30)]
    (tmp_path / "twos.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    corpus, proxy = {"paths": [str(tmp_path / "twos.jsonl")]}, {"path": str(ground / "model"), "device": "cpu"}
    stages.run_stage(tmp_path / "filter", {"stage": "filter", "corpus": corpus, "proxy": proxy, "min_entropy_nats": 1})
    config = stages.rpt(
        ground, steps=20, batch_problems=8, group_size=8, positions=str(tmp_path / "filter" / "positions")
    )
    stages.run_stage(tmp_path / "rpt", {**config, "optimiser": {"learning_rate": 3e-3, "max_grad_norm": 1.0}})
    rewards = [values["reward_mean"] for values in stages.metrics(tmp_path / "rpt").values()]
    assert rewards[0] < 0.5
    assert sum(rewards[-3:]) / 3 > 0.8


def test_dynamic_sampling_replaces_groups_outside_the_band_and_counts_what_they_cost(ground, tmp_path):
    stages.run_stage(tmp_path, stages.rpt(ground, dynamic_sampling=DYNAMIC))
    parameters = matrix_parameters(stages.taught()[0])
    metrics, refilled = stages.metrics(tmp_path), 0
    assert "groups_sampled" not in metrics[2]
    assert all(row.advantage is not None for group in groups_of(tmp_path, 2) for row in group)
    for step in range(3, 8):
        values, groups = metrics[step], groups_of(tmp_path, step)
        rates = [sum(row.reward for row in group) / 4 for group in groups]
        live = [n for n, rate in enumerate(rates) if 0.2 <= rate <= 0.6]
        dropped = [group for n, group in enumerate(groups) if n not in live]
        used = [n for n, group in enumerate(groups) if group[0].advantage is not None]
        assert used == live[:5]
        assert values["groups_sampled"] == len(groups) == 5 * (1 + values["extra_batches"])
        assert values["dropped_all_zero"] == rates.count(0)
        assert values["dropped_all_one"] == rates.count(1)
        assert values["dropped_band"] == rates.count(0.75)
        assert values["share_dropped"] == pytest.approx(len(dropped) / len(groups))
        assert values["groups_surplus"] == len(live) - len(used)
        assert len(used) == 5 or values["extra_batches"] == 2
        read = [group[0].prompt_tokens + sum(row.response_tokens for row in group) for group in groups]
        wasted = sum(tokens for n, tokens in enumerate(read) if n not in live)
        trained = sum(row.prompt_tokens + row.response_tokens for n in used for row in groups[n])
        assert values["tokens_dropped"] == wasted
        assert values["flops_dropped"] == 2 * parameters * wasted
        assert values["flops"] == 2 * parameters * sum(read) + 6 * parameters * trained
        assert values["reward_mean"] == pytest.approx(sum(rates) / len(rates))
        refilled += values["extra_batches"]
    assert refilled > 0


def test_dynamic_sampling_draws_on_where_the_step_before_ended(ground, tmp_path):
    stages.run_stage(tmp_path, stages.rpt(ground, dynamic_sampling=DYNAMIC))
    drawn = [(group[0].document, group[0].position) for step in range(1, 8) for group in groups_of(tmp_path, step)]
    kept = len(ProblemSet.load(ground / "filter" / "positions", "train", *plain()).kept())
    counts = Counter(drawn[: len(drawn) // kept * kept])
    assert set(counts.values()) <= {len(drawn) // kept}
    assert read_metadata(RunDir(tmp_path).newest_checkpoint())["state"]["drawn"] == len(drawn)


def plain():
    return stages.taught()[1], PromptConfig(template="plain")


def test_a_step_that_drops_every_group_ends_without_an_update(ground, tmp_path):
    always = {"from_step": 1, "max_extra_batches": 2}
    config = stages.rpt(ground, steps=1, sampling={"max_response_tokens": 1}, dynamic_sampling=always)
    stages.run_stage(tmp_path, config)
    values = stages.metrics(tmp_path)[1]
    assert (values["groups_sampled"], values["dropped_all_zero"], values["share_dropped"]) == (15, 15, 1)
    assert values["flops"] == values["flops_dropped"]
    assert "loss" not in values
    assert all(row.advantage is None for group in groups_of(tmp_path, 1) for row in group)


@pytest.mark.parametrize(("reward", "crashed"), [("prefix", False), ("prefix", True), ("information_gain", True)])
def test_a_resumed_run_with_dynamic_sampling_equals_one_without_a_break(ground, tmp_path, reward, crashed):
    config = stages.rpt(ground, dynamic_sampling=DYNAMIC, checkpoint_every_steps=3, order="easy_to_hard")
    config["reward"] = {"kind": reward}
    stages.run_stage(tmp_path / "whole", config)
    stages.run_stage(tmp_path / "broken", config, stop_after=5)
    if crashed:  # as if the process had died after step 5: the newest checkpoint is that of step 3, the ledger later
        shutil.rmtree(RunDir(tmp_path / "broken").checkpoint(5))
    assert max(row["last_step"] for row in ledger(tmp_path / "broken").values()) == 5
    stages.run_stage(tmp_path / "broken", config)
    starts = [event["start_step"] for event in stages.events(tmp_path / "broken", EventType.STARTED)]
    assert starts == [0, 3 if crashed else 5]
    assert stages.weights(tmp_path / "broken") == stages.weights(tmp_path / "whole")
    assert stages.metrics(tmp_path / "broken") == stages.metrics(tmp_path / "whole")
    assert ledger(tmp_path / "broken") == ledger(tmp_path / "whole")
    for name in ("never", "sometimes", "always"):
        lists = [RunDir(tmp_path / run).position_lists / f"{name}-solved.jsonl" for run in ("whole", "broken")]
        assert lists[0].read_text() == lists[1].read_text()
    tables = [stages.events(tmp_path / run, EventType.TABLE) for run in ("whole", "broken")]
    assert tables[0] == tables[1]
    assert [table["name"] for table in tables[0]] == ["ledger", "solved_positions"]


def test_the_ledger_says_what_the_shards_of_all_steps_say(ground, tmp_path):
    result = stages.run_stage(tmp_path, stages.rpt(ground, dynamic_sampling=DYNAMIC))
    expected = {}
    for step in range(1, 8):
        for group in groups_of(tmp_path, step):
            matched = sum(row.reason == "match" for row in group)
            left_out, mixed = group[0].advantage is None, 0 < matched < 4
            is_live = mixed and 0.2 <= matched / 4 <= 0.6
            counts = expected.setdefault((group[0].document, group[0].position), Counter())
            counts += Counter(
                groups=1,
                all_zero=matched == 0,
                all_one=matched == 4,
                dropped=left_out and not is_live,
                surplus=left_out and is_live,
                rollouts=4,
                rewarded=matched,
                matched=matched,
            )
            counts["last_step"] = step
            expected[group[0].document, group[0].position] = counts
    found = ledger(tmp_path)
    assert found.keys() == expected.keys()
    for place, counts in expected.items():
        assert {name: found[place][name] for name in COUNTED} == {name: counts[name] for name in COUNTED}
    assert result["positions_tried"] == len(expected)
    assert result["positions_never_solved"] == sum(counts["matched"] == 0 for counts in expected.values())
    (outcomes, _) = stages.events(tmp_path, EventType.TABLE)
    together = outcomes["rows"][-1]
    assert together["groups"] == sum(counts["groups"] for counts in expected.values())
    assert together["dropped"] == sum(counts["dropped"] for counts in expected.values())


def test_a_ledger_ahead_of_the_checkpoint_is_set_back_before_the_first_step(ground, tmp_path):
    config = RptConfig.model_validate(stages.rpt(ground, checkpoint_every_steps=3))
    stages.run_stage(tmp_path, config.model_dump(), stop_after=5)
    run_dir = RunDir(tmp_path)
    shutil.rmtree(run_dir.checkpoint(5))
    with EventLog(run_dir.events) as log, pytest.raises(StopRequested):
        run(config, StageContext(run_dir, log, stop_requested=True))
    rows = ledger(tmp_path).values()
    assert max(row["last_step"] for row in rows) == 3
    assert sum(row["groups"] for row in rows) == 3 * 5


def test_a_position_drawn_twice_in_a_step_gets_other_responses(ground, tmp_path):
    kept = ProblemSet.load(ground / "filter" / "positions", "train", *plain())
    problem = kept.problem(int(kept.kept()[0]))
    line = {"document": problem.document, "position": problem.position}
    (tmp_path / "one.jsonl").write_text(json.dumps(line))
    stages.run_stage(tmp_path / "filter", only(ground, tmp_path / "one.jsonl"))
    never_enough = {"from_step": 1, "max_extra_batches": 3, "max_pass_rate": 0.01}
    positions = str(tmp_path / "filter" / "positions")
    config = stages.rpt(ground, steps=1, batch_problems=1, group_size=8, positions=positions)
    stages.run_stage(tmp_path / "rpt", {**config, "dynamic_sampling": never_enough})
    groups = groups_of(tmp_path / "rpt", 1)
    assert {(group[0].document, group[0].position) for group in groups} == {(problem.document, problem.position)}
    assert len({tuple(row.response for row in group) for group in groups}) == 4


def only(ground, path):
    """Config of a filter run that keeps the positions of a list."""
    model = {"path": str(ground / "model"), "device": "cpu"}
    corpus = stages.write_corpus(ground / "digits.jsonl")
    return {"stage": "filter", "corpus": corpus, "proxy": model, "keep": "list", "position_list": str(path)}


def test_a_filter_run_takes_the_positions_that_a_run_solved_sometimes(ground, tmp_path):
    stages.run_stage(tmp_path / "rpt", stages.rpt(ground, steps=3))
    path = RunDir(tmp_path / "rpt").position_lists / "sometimes-solved.jsonl"
    named = {(record["document"], record["position"]) for record in map(json.loads, path.read_text().splitlines())}
    result = stages.run_stage(tmp_path / "filter", only(ground, path))
    rows = pq.read_table(RunDir(tmp_path / "filter").positions / "train.parquet").to_pylist()
    assert {(row["document"], position) for row in rows for position in row["kept"]} == named
    assert result["train_kept"] == len(named) > 0


def test_from_easy_to_hard_the_first_steps_have_the_least_entropy(ground, tmp_path):
    stages.run_stage(tmp_path, stages.rpt(ground, steps=2, order="easy_to_hard"))
    problems = ProblemSet.load(ground / "filter" / "positions", "train", *plain())
    easiest = sorted(problems.entropies[problems.kept()])[:10]
    drawn = [group[0].entropy_nats for step in (1, 2) for group in groups_of(tmp_path, step)]
    assert drawn == pytest.approx([float(nats) for nats in easiest])


def learnt_tokens(row, tokenizer):
    thought, end, _ = row.response.rpartition("</think>")
    return len(encode(tokenizer, thought + end)) if end else row.response_tokens


def test_a_reward_of_another_kind_leaves_the_verdicts_alone_and_its_passes_are_counted(ground, tmp_path):
    config = stages.rpt(ground, steps=1, reward={"kind": "information_gain"})
    stages.run_stage(tmp_path, config)
    rows = [row for group in groups_of(tmp_path, 1) for row in group]
    assert {row.reward for row in rows} == {0.0, 1.0}
    assert len({row.earned for row in rows} - {0.0, 1.0}) > 4
    values = stages.metrics(tmp_path)[1]
    assert values["reward_mean"] == pytest.approx(sum(row.earned for row in rows) / 20, abs=1e-5)
    assert values["share_matched"] == sum(row.reward for row in rows) / 20
    parameters = matrix_parameters(stages.taught()[0])
    read = sum(row.prompt_tokens for row in rows if row.sample == 0) + sum(row.response_tokens for row in rows)
    live = [group for group in groups_of(tmp_path, 1) if len({row.earned for row in group}) > 1]
    # Of a finished thought the update learns up to its end alone; of any other response everything.
    tokenizer = stages.taught()[1]
    trained = sum(row.prompt_tokens + learnt_tokens(row, tokenizer) for group in live for row in group)
    extra = values["flops"] - 2 * parameters * read - 6 * parameters * trained
    # Each thought is read once more, and each context without one, here as long as the prompt or shorter.
    assert 0 < extra <= 2 * parameters * sum(row.prompt_tokens * 2 + row.response_tokens for row in rows)
    assert extra % (2 * parameters) == 0


def test_a_long_response_earns_less_under_the_soft_limit(ground, tmp_path):
    soft = {"overlong": "soft", "overlong_buffer_tokens": 8}
    stages.run_stage(tmp_path, stages.rpt(ground, steps=2, grpo=soft))
    rows = [row for step in (1, 2) for group in groups_of(tmp_path, step) for row in group]
    assert {row.response_tokens > 8 for row in rows} == {True, False}
    for row in rows:
        assert row.earned == pytest.approx(row.reward - max(0, row.response_tokens - 8) / 8)
