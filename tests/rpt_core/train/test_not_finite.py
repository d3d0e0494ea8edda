"""A number that is not finite ends a run at its step, or the step is skipped; weights and checkpoints are unhurt."""

import json
import math

import pytest
import torch
from safetensors.torch import load_file, save_file

from rpt_core.config import GrpoConfig, SamplingConfig
from rpt_core.errors import NotFiniteError, UserError
from rpt_core.inference.transformers import TransformersSampler
from rpt_core.run.events import EventType
from rpt_core.run.folder import RunDir
from rpt_core.train.batch import make_batch
from rpt_core.train.loop import TrainingLoop
from rpt_core.train.supervised import accumulate_loss
from tests.rpt_core import stages
from tests.rpt_core.train.updates import rollout


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    return stages.make_ground(tmp_path_factory.mktemp("ground"))


def ntp(ground, **changes):
    base = {"corpus": {"paths": [str(ground / "digits.jsonl")], "validation_share": 0.4}, "batch_documents": 8}
    model = {"path": str(ground / "model"), "device": "cpu"}
    optimiser = {"learning_rate": 1e-3, "max_grad_norm": 1.0}
    return {"stage": "ntp", "model": model, **base, "budget": {"steps": 6}, "optimiser": optimiser, **changes}


def sft(ground, **changes):
    line = {"prompt": "Digits: 1 <think>", "response": "hm</think>\\boxed{2}"}
    (ground / "traces.jsonl").write_text(json.dumps(line) + "\n")
    base = {"model": {"path": str(ground / "model"), "device": "cpu"}, "traces": {"path": str(ground / "traces.jsonl")}}
    return {"stage": "sft", **base, "budget": {"steps": 6}, **changes}


def rpt(ground, **changes):
    return stages.rpt(ground, steps=6, **changes)


def expert_iteration(ground, **changes):
    kept = {name: value for name, value in stages.rpt(ground).items() if name not in ("steps", "grpo")}
    return {**kept, "stage": "expert_iteration", "budget": {"steps": 6}, **changes}


def damaged(ground, folder, value=math.nan):
    """The taught model with one weight that is not finite."""
    config = stages.save_taught(folder)
    tensors = load_file(folder / "model.safetensors")
    tensors[next(name for name in tensors if "down_proj" in name)][0, 0] = value
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return config


def fail_norm_at(monkeypatch, *steps):
    """Gradients that are not finite at these steps, counted from 1: one of them is set to infinity."""
    update = TrainingLoop.update

    def spoilt(loop):
        if loop.step + 1 in steps:
            loop.parameters[0].grad.flatten()[0] = math.inf
        return update(loop)

    monkeypatch.setattr(TrainingLoop, "update", spoilt)


def spoil_at(monkeypatch, step):
    """After this step's update all weights are finite, and no output is: the last norm's product with them is none."""
    update = TrainingLoop.update

    def spoilt(loop):
        found = update(loop)
        if loop.step + 1 == step:
            with torch.no_grad():
                loop.model.model.norm.weight.fill_(torch.finfo(torch.float32).max)
        return found

    monkeypatch.setattr(TrainingLoop, "update", spoilt)


def kept_batch(folder, step):
    lines = RunDir(folder).not_finite_batch(step).read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("make", [ntp, sft, rpt, expert_iteration])
def test_a_gradient_that_is_not_finite_stops_the_run_before_it_changes_anything(ground, tmp_path, monkeypatch, make):
    config = make(ground, checkpoint_every_steps=2, keep_checkpoints=1)
    stages.run_stage(tmp_path / "good", config, stop_after=4)
    fail_norm_at(monkeypatch, 5)
    with pytest.raises(
        UserError, match=r"Step 5: the gradient norm is not finite but inf.*newest checkpoint, step 4, is"
    ):
        stages.run_stage(tmp_path / "run", config)
    assert RunDir(tmp_path / "run").checkpoint_steps() == [4]
    assert stages.weights(tmp_path / "run") == stages.weights(tmp_path / "good")
    assert list(stages.metrics(tmp_path / "run")) == [1, 2, 3, 4]
    head, *rows = kept_batch(tmp_path / "run", 5)
    assert head == {"step": 5, "number": "the gradient norm", "value": "inf"}
    assert rows
    monkeypatch.undo()
    whole = stages.run_stage(tmp_path / "whole", config)
    assert stages.run_stage(tmp_path / "run", config) == whole
    assert stages.weights(tmp_path / "run") == stages.weights(tmp_path / "whole")


def test_a_loss_that_is_not_finite_names_its_step_and_leaves_the_checkpoint_before(ground, tmp_path, monkeypatch):
    spoil_at(monkeypatch, 1)
    config = ntp(ground, checkpoint_every_steps=1, keep_checkpoints=1)
    with pytest.raises(UserError, match=r"Step 2: the loss is not finite but nan.*learning_rate"):
        stages.run_stage(tmp_path, config)
    assert RunDir(tmp_path).checkpoint_steps() == [1]
    _, *rows = kept_batch(tmp_path, 2)
    assert rows
    assert all("Digits" in row["text"] and row["token_ids"] for row in rows)


def test_a_checkpoint_whose_output_is_not_finite_removes_no_older_one_and_is_not_called_good(
    ground, tmp_path, monkeypatch
):
    spoil_at(monkeypatch, 3)
    with pytest.raises(UserError, match=r"newest checkpoint, step 3, already gives such numbers; .* step 2, is good"):
        stages.run_stage(tmp_path, ntp(ground, checkpoint_every_steps=1, keep_checkpoints=1))
    assert RunDir(tmp_path).checkpoint_steps() == [2, 3]


def test_a_run_whose_last_update_spoils_the_model_does_not_succeed(ground, tmp_path, monkeypatch):
    spoil_at(monkeypatch, 1)
    with pytest.raises(UserError, match="After the last step, 1, the model's output is not finite"):
        stages.run_stage(tmp_path, ntp(ground, budget={"steps": 1}))


@pytest.mark.parametrize("make", [ntp, rpt])
def test_skipped_steps_change_no_weight_and_are_counted_and_resumed(ground, tmp_path, monkeypatch, make):
    fail_norm_at(monkeypatch, 2, 4)
    config = make(ground, skip_not_finite_steps=2)
    result = stages.run_stage(tmp_path / "whole", config)
    assert result["steps"] == 6
    values = stages.metrics(tmp_path / "whole")
    assert [values[step]["steps_skipped"] for step in range(1, 7)] == [0, 1, 1, 2, 2, 2]
    assert "loss" in values[3]
    assert "loss" not in values[4]
    warnings = [e["message"] for e in stages.events(tmp_path / "whole", EventType.LOG) if "skipped" in e["message"]]
    assert [message[:6] for message in warnings] == ["Step 2", "Step 4"]
    stages.run_stage(tmp_path / "broken", config, stop_after=3)
    stages.run_stage(tmp_path / "broken", config)
    assert stages.weights(tmp_path / "broken") == stages.weights(tmp_path / "whole")
    assert stages.metrics(tmp_path / "broken") == stages.metrics(tmp_path / "whole")


def test_one_step_more_than_may_be_skipped_stops_the_run(ground, tmp_path, monkeypatch):
    fail_norm_at(monkeypatch, 2, 4)
    with pytest.raises(UserError, match="Step 4"):
        stages.run_stage(tmp_path, ntp(ground, skip_not_finite_steps=1))


def test_a_batch_of_responses_is_kept_with_prompts_responses_and_rewards(ground, tmp_path, monkeypatch):
    fail_norm_at(monkeypatch, 1)
    with pytest.raises(UserError, match="There is no checkpoint yet"):
        stages.run_stage(tmp_path, rpt(ground))
    _, *rows = kept_batch(tmp_path, 1)
    assert len(rows) == 5
    for row in rows:
        assert row["prompt"].endswith("<think>")
        assert [len(row["responses"]), len(row["rewards"])] == [4, 4]


@pytest.mark.parametrize("make", [ntp, sft, rpt, expert_iteration])
def test_a_model_with_a_weight_that_is_not_finite_is_not_trained(ground, tmp_path, make):
    config = make(ground, **{"model": damaged(ground, tmp_path / "model")})
    with pytest.raises(UserError, match=r"model's output is not finite.*down_proj"):
        stages.run_stage(tmp_path / "run", config)


@pytest.mark.parametrize("temperature", [0.0, 0.8])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_model_whose_output_is_not_finite_is_not_sampled_from(ground, tmp_path, temperature, value):
    model, tokenizer = stages.load(damaged(ground, tmp_path, value))
    sampling = SamplingConfig().model_copy(update={"temperature": temperature, "max_response_tokens": 4})
    with pytest.raises(NotFiniteError, match=f"model's output is not finite .*{tmp_path}"):
        TransformersSampler(model, tokenizer).sample([[5, 6, 7]], 2, sampling, seed=0)


@pytest.mark.parametrize("mode", ["standard", "sampled", "greedy"])
def test_an_evaluation_of_such_a_model_says_so(ground, tmp_path, mode):
    evaluation = {"positions": str(ground / "filter" / "positions"), "positions_per_difficulty": 4, "modes": [mode]}
    config = {
        "stage": "evaluate",
        "model": damaged(ground, tmp_path / "model"),
        "evaluation": evaluation,
        "prompt": {"template": "plain"},
        "sampling": {"max_response_tokens": 8},
    }
    with pytest.raises(UserError, match=f"model's output is not finite .*{tmp_path / 'model'}"):
        stages.run_stage(tmp_path / "run", config)


@pytest.mark.parametrize("reward", [math.nan, math.inf, -math.inf, 1e39])
def test_a_reward_or_an_advantage_that_is_not_finite_is_no_batch(reward):
    grpo, sampling = GrpoConfig(), SamplingConfig()
    groups = [[rollout([5, 6]), rollout([5, 6])]]
    with pytest.raises(NotFiniteError, match="of a response is not finite"):
        make_batch([None], groups, [[None, None]], [[reward, -3e38]], grpo, sampling)


def test_a_checkpoint_whose_weights_are_not_finite_is_not_written(ground, tmp_path, monkeypatch):
    def spoil(model, *arguments):
        loss = accumulate_loss(model, *arguments)
        with torch.no_grad():
            next(model.parameters())[0, 0] = math.nan
        return loss

    monkeypatch.setattr("rpt_core.train.supervised.accumulate_loss", spoil)
    with pytest.raises(UserError, match=r"After step 1 .*the weight `model.embed_tokens.weight`"):
        stages.run_stage(tmp_path, ntp(ground, checkpoint_every_steps=1))
    assert RunDir(tmp_path).checkpoint_steps() == []
