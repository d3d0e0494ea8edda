"""Pre-flight: the tokens, FLOPs, memory, time and disk that it tells are those of the real thing."""

import json
import math
import re
from statistics import mean

import pytest
import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

from rpt_core.config import STAGES, ModelConfig
from rpt_core.errors import UserError
from rpt_core.preflight import check, cost, hardware, work
from rpt_core.preflight.__main__ import main
from rpt_core.preflight.data import Data
from rpt_core.preflight.model_shape import shape_of
from rpt_core.preflight.work import work_of
from rpt_core.run.folder import RunDir
from rpt_core.run.rollout_files import read_rollouts
from rpt_core.train import log_probs
from tests.rpt_core import stages
from tests.rpt_core.preflight.preflight_runs import CPU, fields, rpt


def test_the_work_of_rpt_is_what_its_numbers_multiply_to(model, filtered):
    config = rpt(model, filtered)
    report = check(config, CPU)
    assert report.problems == []
    prompt = report.most.tokens  # read + generated + trained
    steps, problems, rows, response = 4, 2, 6, 20
    mean = (prompt - steps * rows * response * 2) / (steps * (problems + rows))
    assert 5 < mean < 40, "prompts of a short row of digits"
    expected = 2 * steps * (problems * mean + rows * response) + 6 * steps * rows * (mean + response)
    assert report.most.flops == pytest.approx(expected * report.model.matrix_parameters)
    assert report.most.rollouts == steps * rows
    assert report.typical.flops < report.most.flops


def test_limits_stand_for_positions_that_are_not_there_yet(model):
    report = check(rpt(model, "@filter/positions"), CPU)
    assert report.pending
    assert report.most.tokens == 4 * (2 * 60 + 6 * 20 + 6 * 80)


def test_the_estimate_of_verl_says_that_it_is_the_plain_loops(model, filtered):
    plain, verl = (check(rpt(model, filtered, engine=engine), CPU) for engine in ("torch", "verl"))
    assert verl.most == plain.most
    [more] = set(verl.notes) - set(plain.notes)
    assert more.startswith("Memory is that of one GPU under verl. The rest is the plain loop's, and verl needs more")


def test_evaluation_costs_time_but_is_no_training_compute(model, filtered):
    plain = check(rpt(model, filtered), CPU)
    with_evaluation = check(rpt(model, filtered, evaluation={"positions": filtered}, evaluate_at_steps=[0, 4]), CPU)
    assert with_evaluation.most.flops == pytest.approx(plain.most.flops)
    assert with_evaluation.most.seconds > plain.most.seconds


def test_a_bench_of_templates_reads_a_prompt_once_for_its_samples(model, filtered):
    values = {
        "stage": "templates",
        "model": model,
        "held_out": {"positions": filtered, "easy_nats": 0.0, "positions_per_difficulty": 10},
        "templates": ["plain", "plain_fenced"],
        "samples": 4,
        "max_prompt_tokens": 100,
        "sampling": {"max_response_tokens": 20},
    }
    report = check(STAGES["templates"].model_validate(values), CPU)
    positions = report.most.rollouts / 8
    assert 10 <= positions <= 30
    prompts = report.most.tokens - positions * 8 * 20
    assert 2 <= prompts / (positions * 2) <= 40, "prompts of a few digits, not of the limit"


def test_tokens_of_a_corpus_are_counted_with_the_model_s_tokenizer(model, tmp_path):
    corpus = stages.write_corpus(tmp_path / "corpus.jsonl")
    config = STAGES["ntp"].model_validate(
        {"stage": "ntp", "model": model, "corpus": corpus, "budget": {"epochs": 2}, "batch_documents": 4}
    )
    result = stages.run_stage(tmp_path / "run", config.model_dump(mode="json"))
    estimate = check(config, CPU).most
    # The hash split gives about 60 % to training, and each document an end token more.
    assert estimate.flops == pytest.approx(result["flops"], rel=0.25)


def test_a_budget_in_compute_is_the_compute(model, tmp_path):
    corpus = stages.write_corpus(tmp_path / "corpus.jsonl")
    config = STAGES["ntp"].model_validate(
        {"stage": "ntp", "model": model, "corpus": corpus, "budget": {"flops": 3.5e9}}
    )
    assert check(config, CPU).most.flops == pytest.approx(3.5e9)


def test_dynamic_sampling_may_add_batches(model, filtered):
    shape = shape_of(ModelConfig(**model))
    data = Data(prompt_tokens=10)
    plain = work_of(rpt(model, filtered), shape, data, typical=False)
    dynamic = rpt(model, filtered, dynamic_sampling={"from_step": 3, "max_extra_batches": 5})
    most, typical = (work_of(dynamic, shape, data, typical=flag) for flag in (False, True))
    assert most.rollouts == plain.rollouts * (4 + 2 * 5) / 4
    assert most.trained_tokens == plain.trained_tokens, "a step learns from one batch, however many it samples"
    # Half of the groups teach something, so typically a second batch fills the first.
    assert typical.rollouts == plain.rollouts * (4 + 2) / 4
    assert (
        typical.trained_tokens == work_of(rpt(model, filtered), shape, data, typical=True).trained_tokens * (4 + 2) / 4
    )


@pytest.mark.parametrize(
    "grpo",
    [
        {},
        {"kl_coefficient": 0.01},
        {"entropy_coefficient": 0.01},
        {"kl_coefficient": 0.01, "minibatch_groups": 2},
    ],
    ids=lambda grpo: "-".join(grpo) or "plain",
)
def test_the_compute_of_an_update_is_that_of_a_real_run(model, filtered, tmp_path, monkeypatch, grpo):
    config = rpt(
        model,
        filtered,
        steps=6,
        batch_problems=8,
        group_size=4,
        sampling={"max_response_tokens": 12},
        grpo=grpo,
        optimiser={"learning_rate": 1e-6},
    )
    result = stages.run_stage(tmp_path / "run", config.model_dump(mode="json"))
    rows = [row for step in range(1, 7) for row in read_rollouts(RunDir(tmp_path / "run").rollout_shard("train", step))]
    # How long responses are and how many groups are live is a matter of the policy: here they are the run's own.
    monkeypatch.setattr(work, "TYPICAL_LENGTH", mean(row.response_tokens for row in rows) / 12)
    monkeypatch.setattr(work, "TYPICAL_LIVE", mean(row.advantage != 0 for row in rows))
    assert check(config, CPU).typical.flops == pytest.approx(result["flops"], rel=0.1)


def test_dynamic_sampling_with_a_kl_term_learns_from_the_live_groups_alone(model, filtered, monkeypatch):
    monkeypatch.setattr(work, "TYPICAL_LIVE", 0.2)
    kl = {"kl_coefficient": 0.01}
    dynamic = rpt(model, filtered, grpo=kl, dynamic_sampling={"from_step": 1, "max_extra_batches": 1})
    shape, data = shape_of(ModelConfig(**model)), Data(prompt_tokens=10)
    some, every = (work_of(config, shape, data, typical=True) for config in (dynamic, rpt(model, filtered, grpo=kl)))
    assert some.trained_tokens == pytest.approx(0.4 * every.trained_tokens), "two batches with a fifth each"


def test_a_reference_takes_memory_and_time(model, filtered):
    plain, with_kl = (check(rpt(model, filtered, grpo={"kl_coefficient": kl}), CPU) for kl in (0, 0.01))
    assert with_kl.memory.references == 4 * with_kl.model.parameters
    assert with_kl.memory.total > plain.memory.total
    assert with_kl.typical.seconds > plain.typical.seconds
    narrow = check(rpt({**model, "dtype": "bfloat16"}, filtered, grpo={"kl_coefficient": 0.01}), CPU)
    assert narrow.memory.references == 2 * narrow.model.parameters, "it is loaded in the format of the computation"


def test_the_positions_of_a_filter_run_take_disk_in_proportion_to_the_tokens(model, tmp_path):
    config = STAGES["filter"].model_validate({"corpus": stages.write_corpus(tmp_path / "a.jsonl", 300), "proxy": model})
    report = check(config, CPU)
    assert report.typical.disk_bytes == 9 * report.typical.tokens
    assert report.most.disk_bytes == 24 * report.typical.tokens, "twice while it writes"


def test_checkpoints_follow_steps_whatever_the_number_of_mini_batches(model, filtered):
    one, two = (check(rpt(model, filtered, grpo={"minibatch_groups": n}), CPU) for n in (None, 1))
    assert one.most.disk_bytes == two.most.disk_bytes


def test_a_budget_in_tokens_counts_the_responses_that_teach_nothing(model, tmp_path):
    config = STAGES["rlvr"].model_validate(
        {
            "model": model,
            "questions": {"source": "tiny", "train_questions": 16, "test_questions": 4},
            "template": "plain",
            "batch_questions": 4,
            "group_size": 2,
            "sampling": {"max_response_tokens": 20},
            "budget": {"tokens": 4000},
        }
    )
    shape, data = shape_of(ModelConfig(**model)), Data(prompt_tokens=12)
    typical = work_of(config, shape, data, typical=True)
    assert typical.steps == 4000 / (8 * (12 + 8))


def expert_iteration(model, positions, **more):
    """Config of a short run of expert iteration."""
    config = {
        "model": model,
        "positions": positions,
        "budget": {"steps": 4},
        "batch_problems": 8,
        "group_size": 4,
        "prompt": {"template": "plain", "max_prompt_tokens": 60},
        "sampling": {"max_response_tokens": 12},
        "optimiser": {"learning_rate": 1e-6},
        **more,
    }
    return STAGES["expert_iteration"].model_validate(config)


@pytest.mark.parametrize("passes", [1, 3])
def test_the_compute_of_expert_iteration_is_that_of_a_real_run(model, filtered, tmp_path, monkeypatch, passes):
    config = expert_iteration(model, filtered, passes=passes)
    result = stages.run_stage(tmp_path / "run", config.model_dump(mode="json"))
    rows = [row for step in range(1, 5) for row in read_rollouts(RunDir(tmp_path / "run").rollout_shard("train", step))]
    # How long responses are and how many are right is a matter of the policy: here they are the run's own.
    monkeypatch.setattr(work, "TYPICAL_LENGTH", mean(row.response_tokens for row in rows) / 12)
    monkeypatch.setattr(work, "TYPICAL_RIGHT", result["responses_learnt"] / len(rows))
    report = check(config, CPU)
    assert report.problems == []
    assert report.typical.flops == pytest.approx(result["flops"], rel=0.1)
    assert report.typical.rollouts == report.most.rollouts == len(rows) == 4 * 8 * 4
    assert report.most.flops > report.typical.flops


@pytest.mark.parametrize(
    ("budget", "steps"),
    [
        ({"steps": 5}, 5),
        ({"epochs": 2}, 25),  # of 100 positions
        ({"tokens": 4000}, 4000 / (32 * (10 + 0.4 * 12))),
        ({"flops": 1e8}, None),
    ],
)
def test_a_budget_of_expert_iteration_ends_with_a_whole_round(model, budget, steps):
    shape, data = shape_of(ModelConfig(**model)), Data(sequences=100, prompt_tokens=10)
    found = work_of(expert_iteration(model, "p", budget=budget), shape, data, typical=True)
    if steps is None:
        one = work_of(expert_iteration(model, "p", budget={"steps": 1}), shape, data, typical=True)
        steps = 1e8 / one.training_flops(shape)
    assert found.steps == math.ceil(steps)
    assert found.rollouts == 32 * math.ceil(steps)


def test_memory_of_expert_iteration_follows_the_rows_of_one_pass(model, filtered):
    few, many, cut = (
        check(expert_iteration(model, filtered, **sizes), CPU).memory
        for sizes in ({"batch_responses": 4}, {"batch_responses": 64}, {"batch_responses": 64, "batch_tokens": 1})
    )
    assert many.activations == pytest.approx(16 * few.activations)
    assert cut.activations == pytest.approx(few.activations / 4), "one row is never cut"
    assert few.optimiser == 12 * check(rpt(model, filtered), CPU).model.parameters


@pytest.fixture
def paper_sized(tmp_path):
    """The shape of DeepSeek-R1-Distill-Qwen-14B, whose published size is 14.8 billion, without its weights."""
    sizes = {
        "hidden_size": 5120,
        "num_hidden_layers": 48,
        "num_attention_heads": 40,
        "num_key_value_heads": 8,
        "intermediate_size": 13824,
        "vocab_size": 152064,
        "tie_word_embeddings": False,
        "max_position_embeddings": 131072,
    }
    (tmp_path / "config.json").write_text(json.dumps(sizes))
    stages.taught()[1].save_pretrained(tmp_path)
    return {"path": str(tmp_path), "dtype": "bfloat16"}


SIZES = {"hidden_size": 256, "intermediate_size": 640, "num_attention_heads": 8, "num_key_value_heads": 2}


def kept_bytes(layers, dtype, tokens=100):
    """What a forward pass keeps of activations until the backward pass, of a token."""
    model = Qwen2ForCausalLM(Qwen2Config(vocab_size=64, num_hidden_layers=layers, **SIZES))
    weights = {shape for p in model.parameters() for shape in (p.shape, p.shape[::-1])}  # autocast keeps casts of them
    kept = {}

    def keep(tensor):
        if tensor.shape not in weights:
            kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    narrow = torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bfloat16")
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), narrow:
        model(input_ids=torch.zeros(1, tokens, dtype=torch.long), use_cache=False)
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values()) / tokens


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_activations_are_those_that_a_real_layer_keeps(tmp_path, dtype):
    sizes = {**SIZES, "num_hidden_layers": 1, "vocab_size": 64}
    (tmp_path / "config.json").write_text(json.dumps(sizes))
    expected = cost.activation_bytes(shape_of(ModelConfig(path=str(tmp_path))), dtype)
    assert kept_bytes(3, dtype) - kept_bytes(2, dtype) == pytest.approx(expected, rel=0.02)


def test_logits_of_a_large_vocabulary_are_made_in_the_pieces_of_training():
    assert cost.LOGITS_AT_ONCE == log_probs.LOGITS_AT_ONCE


def test_a_paper_sized_model_does_not_fit_one_gpu(paper_sized):
    config = STAGES["rpt"].model_validate({"model": paper_sized, "positions": "@filter/positions"})
    report = check(config, hardware("h100"))
    assert report.model.parameters == pytest.approx(14.8e9, rel=0.01)
    assert report.memory.optimiser == 12 * report.model.parameters
    assert [p.message for p in report.problems if "of memory are needed" in p.message]
    assert report.most.rollouts == 2_048_000


def test_checkpoints_that_the_disk_does_not_hold_are_worth_a_warning(paper_sized, tmp_path, capsys):
    config = rpt(paper_sized, "@filter/positions", steps=100_000, checkpoint_every_steps=1)
    place = tmp_path / "not" / "yet"  # 17,700 TB
    found = {problem.source: problem for problem in check(config, CPU, place).problems}
    assert list(found) == [CPU.title, "the disk here"]
    assert found[CPU.title].limit == "a year", "the last of those that the hardware sets"
    words = found["the disk here"].message
    assert re.fullmatch(
        rf"The run writes up to 17,\d{{3}},\d{{3}} GB, and {place} has [\d.,]+ GB free here\. "
        r"Raise this, limit `keep_checkpoints`, or free some space\.",
        words,
    )
    assert set(fields(check(config, CPU), "warning")) == {""}, "nobody has said where the run would be"
    (tmp_path / "run.json").write_text(config.model_dump_json())
    main(["rpt", str(tmp_path / "run.json"), "--folder", str(place)])
    assert words in capsys.readouterr().out


def test_unknown_hardware_is_explained():
    with pytest.raises(UserError, match="Known: cpu-2, rtx-4090"):
        hardware("abacus")
