"""The stage `expert_iteration` on a small model: what a round learns from, what it counts, how it resumes and ends."""

import json
import shutil
from collections import Counter

import pyarrow.parquet as pq
import pytest
import torch

from rpt_core.config import ExpertIterationConfig, ModelConfig, PromptConfig, SamplingConfig
from rpt_core.inference.backend import TransformersBackend
from rpt_core.models.checkpoints import load_model
from rpt_core.models.flops import matrix_parameters
from rpt_core.problems.problem import ProblemSet
from rpt_core.run.events import EventType
from rpt_core.run.folder import RunDir
from rpt_core.run.rollout_files import read_rollouts
from rpt_core.text.tokens import encode
from rpt_core.train.expert_iteration import right_examples
from rpt_core.train.loop import make_optimiser
from rpt_core.train.on_positions import Sampled
from rpt_core.train.step_records import judge
from rpt_core.train.supervised import Example, accumulate_loss
from tests.rpt_core import stages


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    return stages.make_ground(tmp_path_factory.mktemp("ground"))


def rows_of(folder, step):
    return list(read_rollouts(RunDir(folder).rollout_shard("train", step)))


def right_of(folder, step):
    """The right responses of a round, each distinct one of a position once."""
    return {(r.document, r.position, r.response): r for r in rows_of(folder, step) if r.reward == 1}


def ledger(folder):
    return {(row["document"], row["position"]): row for row in pq.read_table(RunDir(folder).ledger).to_pylist()}


def newest_model(folder):
    return stages.load({"path": str(RunDir(folder).newest_checkpoint()), "device": "cpu"})[0]


def test_a_round_reports_what_its_responses_show_and_what_it_learnt(ground, tmp_path):
    result = stages.run_stage(tmp_path, stages.expert_iteration(ground, budget={"steps": 3}, passes=2, group_size=16))
    parameters = matrix_parameters(stages.taught()[0])
    total = learnt = 0
    for step, values in stages.metrics(tmp_path).items():
        rows, right = rows_of(tmp_path, step), right_of(tmp_path, step)
        assert len(rows) == 80
        assert 0 < len(right) < sum(row.reward for row in rows), "some right responses come twice"
        assert values["reward_mean"] == pytest.approx(sum(row.reward for row in rows) / 80)
        assert values["responses_learnt"] == len(right)
        assert values["updates"] == 2 * -(-len(right) // 4)
        read = sum(row.prompt_tokens for row in rows if row.sample == 0) + sum(row.response_tokens for row in rows)
        trained = 2 * sum(row.prompt_tokens + row.response_tokens for row in right.values())
        assert values["flops"] == 2 * parameters * read + 6 * parameters * trained
        total += values["flops"]
        learnt += len(right)
        assert {row.advantage for row in rows} == {None}
        assert all(row.earned == row.reward for row in rows)
    assert result["flops"] == total
    assert result["responses_learnt"] == learnt


def test_a_round_learns_the_right_and_distinct_responses_and_nothing_else(ground, tmp_path):
    config = stages.expert_iteration(ground, budget={"steps": 1}, batch_responses=100)
    stages.run_stage(tmp_path, config)
    model, tokenizer = load_model(ModelConfig(path=str(ground / "model"), device="cpu"))
    problems = ProblemSet.load(ground / "filter" / "positions", "train", tokenizer, PromptConfig(template="plain"))
    by_place = {(p.document, p.position): p for p in map(problems.problem, map(int, problems.kept()))}
    end = tokenizer.eos_token_id
    examples = []
    for (document, position, response), row in right_of(tmp_path, 1).items():
        prompt = by_place[document, position].prompt_ids
        examples.append(Example([*prompt, *encode(tokenizer, response), end], len(prompt)))
        assert row.response_tokens == len(examples[-1].ids) - len(prompt)
    optimiser = make_optimiser(list(model.parameters()), ExpertIterationConfig.model_validate(config).optimiser)
    optimiser.param_groups[0]["lr"] = stages.OPTIMISER["learning_rate"] / 3  # the first of two steps of warm-up
    loss = accumulate_loss(model, examples, 10000)
    torch.nn.utils.clip_grad_norm_(model.parameters(), stages.OPTIMISER["max_grad_norm"])
    optimiser.step()
    assert stages.metrics(tmp_path)[1]["loss"] == pytest.approx(loss, abs=1e-5)
    for ours, theirs in zip(model.parameters(), newest_model(tmp_path).parameters(), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5)


def test_equal_right_responses_of_a_position_are_learnt_once_however_often_it_was_drawn(ground):
    model, tokenizer = load_model(ModelConfig(path=str(ground / "model"), device="cpu"))
    problems = ProblemSet.load(ground / "filter" / "positions", "train", tokenizer, PromptConfig(template="plain"))
    first, second = (int(index) for index in problems.kept()[:2])
    indices = [first, second, first]
    drawn = [problems.problem(index) for index in indices]
    backend = TransformersBackend(model, tokenizer)
    groups = backend.sample([p.prompt_ids for p in drawn], 64, SamplingConfig(max_response_tokens=16), seed=1)
    verdicts = judge(drawn, groups)
    found = right_examples(Sampled(indices, drawn, groups, verdicts))
    expected = {
        (index, *rollout.token_ids)
        for index, group, judged in zip(indices, groups, verdicts, strict=True)
        for rollout, verdict in zip(group, judged, strict=True)
        if verdict.reason == "match"
    }
    right = sum(verdict.reason == "match" for judged in verdicts for verdict in judged)
    assert len(found) == len(expected) < right
    for example in found:
        prompts = [p for p in drawn if example.ids[: example.start] == p.prompt_ids]
        assert prompts, "the loss begins after the prompt"


def test_a_round_without_a_right_response_is_said_and_leaves_the_weights_alone(ground, tmp_path):
    # One token is never enough for a box: every reward is 0.
    config = stages.expert_iteration(ground, budget={"steps": 2}, sampling={"max_response_tokens": 1})
    result = stages.run_stage(tmp_path, config)
    values = stages.metrics(tmp_path)[2]
    assert (values["share_all_zero"], values["responses_learnt"]) == (1, 0)
    assert not {"loss", "gradient_norm", "learning_rate", "updates"} & values.keys()
    warnings = [e["message"] for e in stages.events(tmp_path, EventType.LOG) if e["level"] == "warning"]
    assert [w for w in warnings if w.startswith("Step 1: none of 20 responses was right, so there was nothing")]
    assert [w for w in warnings if w.startswith("Step 2: none of 20 responses was right")]
    assert result["responses_learnt"] == 0
    assert result["positions_never_solved"] == result["positions_tried"] > 0
    before = stages.load({"path": str(ground / "model"), "device": "cpu"})[0]
    assert all(torch.equal(a, b) for a, b in zip(before.parameters(), newest_model(tmp_path).parameters(), strict=True))


@pytest.mark.parametrize("budget", [{"tokens": 1500}, {"flops": 2e8}])
def test_a_policy_that_is_never_right_comes_to_an_end(ground, tmp_path, budget):
    config = stages.expert_iteration(ground, budget=budget, sampling={"max_response_tokens": 1})
    result = stages.run_stage(tmp_path, config)
    one = result["flops" if "flops" in budget else "tokens"] / result["steps"]
    limit = next(iter(budget.values()))
    assert result["steps"] > 1
    assert limit <= one * result["steps"] < limit + 1.5 * one


def test_expert_iteration_raises_the_reward_where_there_is_something_to_learn(ground, tmp_path):
    # The policy boxes any of four digits; in these documents the right one is always 2.
    records = [{"id": str(n), "text": f"Digits: {' '.join('2' * (3 + n % 4))}"} for n in range(30)]
    (tmp_path / "twos.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    corpus, proxy = {"paths": [str(tmp_path / "twos.jsonl")]}, {"path": str(ground / "model"), "device": "cpu"}
    stages.run_stage(tmp_path / "filter", {"stage": "filter", "corpus": corpus, "proxy": proxy, "min_entropy_nats": 1})
    config = stages.expert_iteration(
        ground, budget={"steps": 20}, batch_problems=8, group_size=8, positions=str(tmp_path / "filter" / "positions")
    )
    stages.run_stage(tmp_path / "run", {**config, "optimiser": {"learning_rate": 3e-3, "max_grad_norm": 1.0}})
    rewards = [values["reward_mean"] for values in stages.metrics(tmp_path / "run").values()]
    assert rewards[0] < 0.5
    assert sum(rewards[-3:]) / 3 > 0.8


def test_it_samples_what_rpt_samples_at_the_same_positions_before_anything_is_learnt(ground, tmp_path):
    stages.run_stage(tmp_path / "rpt", stages.rpt(ground, steps=1))
    stages.run_stage(tmp_path / "expert", stages.expert_iteration(ground, budget={"steps": 1}))
    sampled = [
        [(row.document, row.position, row.response, row.reward) for row in rows_of(tmp_path / name, 1)]
        for name in ("rpt", "expert")
    ]
    assert sampled[0] == sampled[1]


@pytest.mark.parametrize("crashed", [False, True])
def test_a_resumed_run_equals_one_without_a_break(ground, tmp_path, crashed):
    evaluation = {"positions": str(ground / "filter" / "positions"), "positions_per_difficulty": 5, "easy_nats": 0.3}
    config = stages.expert_iteration(
        ground, checkpoint_every_steps=3, evaluation=evaluation, evaluate_at_steps=[0, 5, 7], passes=2
    )
    stages.run_stage(tmp_path / "whole", config)
    stages.run_stage(tmp_path / "broken", config, stop_after=5)
    if crashed:  # as if the process had died after step 5: the newest checkpoint is that of step 3, the ledger later
        shutil.rmtree(RunDir(tmp_path / "broken").checkpoint(5))
    result = stages.run_stage(tmp_path / "broken", config)
    starts = [event["start_step"] for event in stages.events(tmp_path / "broken", EventType.STARTED)]
    assert starts == [0, 3 if crashed else 5]
    assert stages.weights(tmp_path / "broken") == stages.weights(tmp_path / "whole")
    assert stages.metrics(tmp_path / "broken") == stages.metrics(tmp_path / "whole")
    assert ledger(tmp_path / "broken") == ledger(tmp_path / "whole")
    assert result["responses_learnt"] == sum(v["responses_learnt"] for v in stages.metrics(tmp_path / "whole").values())
    for kind in (EventType.TABLE, EventType.EVALUATION):
        tables = [
            {json.dumps(e, sort_keys=True) for e in stages.events(tmp_path / r, kind)} for r in ("whole", "broken")
        ]
        assert tables[0] == tables[1]


def test_the_ledger_says_what_the_shards_say_and_what_is_learnt_from_equal_rewards(ground, tmp_path):
    result = stages.run_stage(tmp_path, stages.expert_iteration(ground))
    expected = {}
    for step in range(1, 8):
        rows = rows_of(tmp_path, step)
        for group in ([row for row in rows if row.group == n] for n in range(5)):
            matched = sum(row.reason == "match" for row in group)
            counts = expected.setdefault((group[0].document, group[0].position), Counter())
            counts += Counter(groups=1, all_zero=matched == 0, all_one=matched == 4, rollouts=4, matched=matched)
            expected[group[0].document, group[0].position] = counts
    found = ledger(tmp_path)
    assert found.keys() == expected.keys()
    for place, counts in expected.items():
        for name in ("groups", "all_zero", "all_one", "rollouts", "matched"):
            assert found[place][name] == counts[name]
    assert result["positions_tried"] == len(expected)
    outcomes = next(e for e in stages.events(tmp_path, EventType.TABLE) if e["name"] == "ledger")
    assert "in groups that are all 1 too" in outcomes["caption"]
    assert "a group that is all 0 or all 1 teaches nothing" not in outcomes["caption"].lower()


def test_epochs_are_passes_over_the_kept_positions(ground, tmp_path):
    result = stages.run_stage(tmp_path, stages.expert_iteration(ground, budget={"epochs": 1}, batch_problems=8))
    kept = result["positions"]
    assert result["steps"] == -(-kept // 8)
    assert result["positions_tried"] == kept
