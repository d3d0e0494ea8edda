"""The training stages on a small model: what they learn from, how they resume, stop and end."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from itertools import chain

import pytest
import torch
from transformers import GenerationConfig, GraniteConfig, GraniteForCausalLM

from rpt_core.config import BudgetConfig, NtpConfig, OptimiserConfig
from rpt_core.errors import UserError
from rpt_core.models.checkpoints import read_metadata
from rpt_core.models.flops import matrix_parameters, training_flops
from rpt_core.run.events import EventType
from rpt_core.run.folder import RunDir
from rpt_core.text.corpus import Document
from rpt_core.train.log_probs import check_head, target_log_probs
from rpt_core.train.loop import TrainingEnd, learning_rate
from rpt_core.train.ntp import make_examples
from rpt_core.train.sft import read_traces
from rpt_core.train.supervised import Example, LengthBatches, accumulate_loss, limit_of
from tests.rpt_core import stages


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    return stages.make_ground(tmp_path_factory.mktemp("ground"))


def ntp(ground, **changes):
    return {
        "stage": "ntp",
        "corpus": stages.write_corpus(ground / "digits.jsonl"),
        "scratch": stages.SCRATCH,
        "batch_documents": 8,
        "budget": {"steps": 7},
        "optimiser": stages.OPTIMISER,
        "checkpoint_every_steps": 100,
        **changes,
    }


def sft(ground, **changes):
    lines = [
        {"prompt": f"Digits: {n % 4} <think>", "response": f"hm{' hm' * (n % 2)}</think>\\boxed{{{n % 3}}}"}
        for n in range(20)
    ]
    (ground / "traces.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return {
        "stage": "sft",
        "model": {"path": str(ground / "model"), "device": "cpu"},
        "traces": {"path": str(ground / "traces.jsonl")},
        "replay": stages.write_corpus(ground / "digits.jsonl"),
        "batch_documents": 6,
        "budget": {"steps": 7},
        "optimiser": stages.OPTIMISER,
        **changes,
    }


def test_a_model_whose_generation_config_transformers_would_not_save_is_trained_and_saved(ground, tmp_path):
    model = stages.save_taught(tmp_path / "model")
    published = {"temperature": 0.9, "do_sample": False, "eos_token_id": [1, 2]}
    (tmp_path / "model" / "generation_config.json").write_text(json.dumps(published))
    stages.run_stage(tmp_path / "run", sft(ground, model=model, budget={"steps": 1}))
    path = RunDir(tmp_path / "run").newest_checkpoint()
    saved = GenerationConfig.from_pretrained(path)
    assert (saved.temperature, saved.do_sample, saved.eos_token_id) == (0.9, True, [1, 2])


SHAPE = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
STAGES = {"ntp": ntp, "sft": sft, "rpt": stages.rpt, "expert_iteration": stages.expert_iteration}


@pytest.mark.parametrize("stage", STAGES)
def test_a_resumed_run_gives_the_numbers_of_one_without_a_break(ground, tmp_path, stage):
    config = STAGES[stage](ground)
    stages.run_stage(tmp_path / "whole", config)
    assert stages.run_stage(tmp_path / "broken", config, stop_after=3) is None
    assert stages.events(tmp_path / "broken", EventType.STOPPED) == [{"step": 3}]
    stages.run_stage(tmp_path / "broken", config)
    assert [e["start_step"] for e in stages.events(tmp_path / "broken", EventType.STARTED)] == [0, 3]
    assert stages.weights(tmp_path / "broken") == stages.weights(tmp_path / "whole")
    assert stages.metrics(tmp_path / "broken") == stages.metrics(tmp_path / "whole")
    metadata = [read_metadata(RunDir(tmp_path / name).newest_checkpoint()) for name in ("whole", "broken")]
    assert metadata[0] == metadata[1]
    assert metadata[0]["step"] == 7


@pytest.mark.parametrize("stage", STAGES)
def test_training_changes_the_weights_and_the_seed_decides_how(ground, tmp_path, stage):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        stages.run_stage(
            tmp_path / name,
            STAGES[stage](ground, seed=seed, **({"steps": 2} if stage == "rpt" else {"budget": {"steps": 2}})),
        )
    a, b, c = (stages.weights(tmp_path / name)[0] for name in "abc")
    assert a == b != c


def test_a_finished_run_started_again_does_nothing_more(ground, tmp_path):
    first = stages.run_stage(tmp_path, ntp(ground))
    assert stages.run_stage(tmp_path, ntp(ground)) == first
    assert len(stages.events(tmp_path, EventType.CHECKPOINT)) == 1
    assert len(stages.events(tmp_path, EventType.METRICS)) == 7


def test_ntp_learns(ground, tmp_path):
    stages.run_stage(
        tmp_path, ntp(ground, budget={"steps": 30}, optimiser={"learning_rate": 1e-2, "max_grad_norm": 1.0})
    )
    values = stages.metrics(tmp_path)
    assert values[30]["loss"] < values[1]["loss"] - 2


def test_ntp_goes_on_from_a_model_with_its_tokenizer(ground, tmp_path):
    stages.run_stage(tmp_path, ntp(ground, scratch=None, model={"path": str(ground / "model")}))
    tokenizer = (RunDir(tmp_path).newest_checkpoint() / "tokenizer.json").read_bytes()
    assert tokenizer == (ground / "model" / "tokenizer.json").read_bytes()
    assert stages.metrics(tmp_path)[1]["loss"] < 1.5


def test_metrics_are_means_over_the_steps_between_log_lines(ground, tmp_path):
    stages.run_stage(tmp_path / "each", ntp(ground))
    stages.run_stage(tmp_path / "third", ntp(ground, log_every_steps=3))
    each, third = stages.metrics(tmp_path / "each"), stages.metrics(tmp_path / "third")
    assert list(third) == [3, 6, 7]
    assert third[6]["loss"] == pytest.approx(sum(each[step]["loss"] for step in (4, 5, 6)) / 3)


def test_a_budget_of_epochs_ends_after_the_batches_of_so_many_passes(ground, tmp_path):
    result = stages.run_stage(tmp_path, sft(ground, budget={"epochs": 1.5}))
    # 20 traces and 10 replayed documents in batches of 6.
    assert result["traces"] == 20
    assert result["replayed_documents"] == 10
    assert result["steps"] == math.ceil(1.5 * 5)


def test_a_budget_of_compute_ends_with_the_step_that_reaches_it(ground, tmp_path):
    stages.run_stage(tmp_path / "steps", ntp(ground))
    flops = [e["flops"] for e in stages.events(tmp_path / "steps", EventType.METRICS)]
    result = stages.run_stage(tmp_path / "flops", ntp(ground, budget={"flops": flops[3] + 1}))
    assert result["steps"] == 5
    assert result["flops"] == flops[4]
    progress = stages.events(tmp_path / "flops", EventType.PROGRESS)
    assert [(e["step"], e["total_steps"]) for e in progress][-1] == (5, 5)


def test_compute_is_6_n_for_each_token_of_the_batch(ground, tmp_path):
    config = ntp(ground, budget={"steps": 1}, batch_documents=1000)
    stages.run_stage(tmp_path, config)
    model, tokenizer = stages.load({"path": str(RunDir(tmp_path).newest_checkpoint())})
    train = [record["text"] for record in stages.digits_documents(40)]
    counts = {text: len(tokenizer(text)["input_ids"]) + 1 for text in train}
    (metrics,) = stages.events(tmp_path, EventType.METRICS)
    tokens = metrics["flops"] / training_flops(matrix_parameters(model), 1)
    (corpus,) = stages.events(tmp_path, EventType.CORPUS)
    assert tokens == int(tokens)
    assert min(counts.values()) <= tokens / corpus["documents"]["train"] <= max(counts.values())


def test_checkpoints_are_kept_as_configured(ground, tmp_path):
    stages.run_stage(tmp_path, ntp(ground, checkpoint_every_steps=2, keep_checkpoints=2))
    assert [e["step"] for e in stages.events(tmp_path, EventType.CHECKPOINT)] == [2, 4, 6, 7]
    assert RunDir(tmp_path).checkpoint_steps() == [6, 7]


@pytest.mark.slow
def test_term_stops_a_stage_with_a_checkpoint_and_exit_code_3(ground, tmp_path):
    run = RunDir(tmp_path)
    run.create(NtpConfig.model_validate(ntp(ground, budget={"steps": 100000})))
    process = subprocess.Popen(
        [sys.executable, "-m", "rpt_core", "ntp", str(tmp_path)], env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    try:
        deadline = time.monotonic() + 120
        while not stages.events(tmp_path, EventType.METRICS) and time.monotonic() < deadline:
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 3
    finally:
        process.kill()
    (stopped,) = stages.events(tmp_path, EventType.STOPPED)
    assert run.checkpoint_steps() == [stopped["step"]]
    assert stages.events(tmp_path, EventType.METRICS)[-1]["step"] == stopped["step"]


def test_the_learning_rate_warms_up_and_follows_its_schedule():
    constant = OptimiserConfig(learning_rate=1.0, warmup_steps=4)
    assert [learning_rate(constant, step, step / 100) for step in range(6)] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1, 1])
    linear = OptimiserConfig(learning_rate=0.2, schedule="linear", final_share=0.1)
    assert [learning_rate(linear, 9, share) for share in (0, 0.5, 1)] == pytest.approx([0.2, 0.11, 0.02])
    cosine = OptimiserConfig(learning_rate=0.2, schedule="cosine", final_share=0.5)
    assert [learning_rate(cosine, 9, share) for share in (0, 0.5, 1)] == pytest.approx([0.2, 0.15, 0.1])


def test_progress_goes_by_steps_or_by_compute():
    assert TrainingEnd(steps=10).share(5, 1e9) == 0.5
    assert TrainingEnd(flops=10.0).share(5, 2.0) == 0.2
    assert TrainingEnd(flops=10.0).share(5, 12.0) == 1
    assert limit_of(BudgetConfig(epochs=2.5), 3) == TrainingEnd(steps=8)
    assert limit_of(BudgetConfig(flops=7.0), 3) == TrainingEnd(flops=7.0)


def test_each_epoch_has_every_sequence_once_and_an_order_of_its_own():
    lengths = [n % 7 + 1 for n in range(50)]
    batches = LengthBatches(lengths, 8, seed=3)
    epochs = [[batches.at(step) for step in range(7 * n, 7 * n + 7)] for n in range(2)]
    assert [sorted(chain.from_iterable(epoch)) for epoch in epochs] == [list(range(50))] * 2
    assert epochs[0] != epochs[1]
    again = LengthBatches(lengths, 8, seed=3)
    assert [again.at(step) for step in range(7, 14)] == epochs[1]
    # Sequences of one batch are of similar length: sorted, each covers a seventh of the range and a bit.
    assert max(max(lengths[i] for i in batch) - min(lengths[i] for i in batch) for batch in epochs[0]) <= 2


def test_the_loss_counts_the_tokens_from_the_start_on():
    model, _ = stages.taught()
    rows, starts = [[5, 6, 7, 8], [9, 10]], [2, 1]
    log_probs = target_log_probs(model, rows, starts, temperature=0.5)
    plain = [(model(input_ids=torch.tensor([row])).logits[0] / 0.5).log_softmax(-1) for row in rows]
    expected = [plain[0][1, 7], plain[0][2, 8], plain[1][0, 10]]
    assert torch.allclose(log_probs, torch.stack(expected), atol=1e-5)


def test_a_model_that_changes_its_logits_behind_its_output_layer_is_refused():
    model, tokenizer = stages.taught()
    check_head(model)
    config = GraniteConfig(**SHAPE, vocab_size=len(tokenizer), logits_scaling=8.0)
    with pytest.raises(UserError, match="output layer"):
        check_head(GraniteForCausalLM(config))


def test_a_batch_in_parts_has_the_gradient_of_the_whole():
    model, _ = stages.taught()
    rows = [Example(list(range(5, 5 + n)), 1 + n % 2) for n in (3, 9, 4, 7, 2)]
    gradients = []
    for batch_tokens in (9, 1000):
        loss = accumulate_loss(model, rows, batch_tokens)
        gradients.append([parameter.grad.clone() for parameter in model.parameters()])
        model.zero_grad()
    expected = -target_log_probs(model, [row.ids for row in rows], [row.start for row in rows]).mean()
    assert loss == pytest.approx(expected.item(), abs=1e-5)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(*gradients, strict=True))


def test_documents_become_sequences_with_an_end_and_a_start_of_the_loss():
    _, tokenizer = stages.taught()
    text = "Digits: 1 2"
    document = Document("d", text, solution_start=len("Digits:"))
    whole, solution = (make_examples([document], tokenizer, on, 100)[0] for on in ("document", "solution"))
    assert tokenizer.decode(whole.ids) == f"{text}<|endoftext|>"
    assert whole.start == 1
    assert tokenizer.decode(whole.ids[: solution.start]) == "Digits:"


def test_long_documents_are_cut_and_pieces_without_loss_left_out():
    _, tokenizer = stages.taught()
    text = "Digits: 1 2 3 0 1 2"
    ids = [*tokenizer(text)["input_ids"], tokenizer.eos_token_id]
    pieces = make_examples([Document("d", text, solution_start=len("Digits: 1 2"))], tokenizer, "solution", 4)
    assert list(chain.from_iterable(piece.ids for piece in pieces)) == ids[4:]
    assert [piece.start for piece in pieces] == [2, 1, 1]


@pytest.mark.parametrize(
    "line", ["{", '{"prompt": "a"}', '{"prompt": "a", "response": 3}', "[1]", '{"prompt": "", "response": "b"}']
)
def test_a_bad_trace_is_named_with_its_line(tmp_path, line):
    _, tokenizer = stages.taught()
    (tmp_path / "t.jsonl").write_text('{"prompt": "a", "response": "b"}\n\n' + line + "\n")
    with pytest.raises(UserError, match="line 3"):
        read_traces(tmp_path / "t.jsonl", tokenizer)


def test_traces_that_are_too_long_are_left_out_with_a_warning(ground, tmp_path):
    config = sft(ground, replay=None, budget={"steps": 1})
    read = read_traces(ground / "traces.jsonl", stages.taught()[1])
    shortest = min(len(prompt) + len(response) for prompt, response in read)
    result = stages.run_stage(tmp_path / "some", {**config, "max_document_tokens": shortest})
    (warning,) = stages.events(tmp_path / "some", EventType.LOG)
    assert result["traces"] == 10
    assert warning["message"].startswith("10 traces")
    with pytest.raises(UserError, match="at most 5 tokens"):
        stages.run_stage(tmp_path / "none", sft(ground, max_document_tokens=5))


def test_traces_end_with_the_end_token_and_keep_special_tokens(tmp_path):
    _, tokenizer = stages.taught()
    (tmp_path / "t.jsonl").write_text(json.dumps({"prompt": "1 <think>", "response": "x</think>\\boxed{ }"}))
    ((prompt, response),) = read_traces(tmp_path / "t.jsonl", tokenizer)
    assert tokenizer.convert_ids_to_tokens(prompt[-1]) == "<think>"
    assert tokenizer.decode(response) == "x</think>\\boxed{ }<|endoftext|>"
