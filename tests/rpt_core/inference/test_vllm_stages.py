"""Whole stages with vLLM against the same with transformers (run by `make test-verl`)."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from rpt_core.errors import UserError
from rpt_core.evaluation.outcomes import read_outcomes
from rpt_core.positions.scored import read_positions
from rpt_core.run.events import EventType
from rpt_core.run.folder import RunDir
from rpt_core.run.rollout_files import read_rollouts
from tests.rpt_core import stages
from tests.rpt_core.train.test_rlvr import write_questions

pytestmark = [pytest.mark.verl, pytest.mark.slow]
LEVELS = {"easy_nats": 0.3, "medium_nats": 1.0, "hard_nats": 1.3, "positions_per_difficulty": 12}
LIMITS = {"prompt": {"template": "plain", "max_prompt_tokens": 48}, "sampling": {"max_response_tokens": 16}}


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    """Two heads of 32: vLLM's attention for CPUs takes no smaller ones."""
    return stages.make_ground(tmp_path_factory.mktemp("ground"), hidden_size=64)


def model(ground):
    return {"path": str(ground / "model")}


def with_both(tmp_path, config):
    """Folders of the stage's runs with transformers and with vLLM."""
    for backend in ("transformers", "vllm"):
        stages.run_stage(tmp_path / backend, {**config, "rollout_backend": backend})
    return tmp_path / "transformers", tmp_path / "vllm"


def filter_of(ground, **changes):
    corpus = {"paths": [str(ground / "digits.jsonl")], "validation_share": 0.4}
    return {"stage": "filter", "corpus": corpus, "proxy": model(ground), "min_entropy_nats": 0.3, **changes}


@pytest.mark.parametrize("entropy", ["renormalised", "partial"])
def test_the_filter_finds_the_same_entropies_and_positions(ground, tmp_path, entropy):
    runs = with_both(tmp_path, filter_of(ground, entropy=entropy, batch_tokens=64, chunk_positions=32))
    for split in ("train", "validation"):
        ours, theirs = (read_positions(run / "positions", split)[0].to_pylist() for run in runs)
        assert len(ours) == len(theirs) > 10
        for a, b in zip(ours, theirs, strict=True):
            assert (a["document"], a["token_ids"]) == (b["document"], b["token_ids"])
            np.testing.assert_allclose(b["entropies"], a["entropies"], atol=1e-4)
            at_the_edge = {n for n, nats in enumerate(a["entropies"]) if abs(nats - 0.3) < 1e-4}
            assert set(a["kept"]) ^ set(b["kept"]) <= at_the_edge


def test_full_entropies_are_refused_with_what_to_do(ground, tmp_path):
    with pytest.raises(UserError, match="Use renormalised or partial, or set `rollout_backend` to transformers"):
        stages.run_stage(tmp_path, filter_of(ground, entropy="full", rollout_backend="vllm"))


def test_evaluations_agree_at_every_position(ground, tmp_path):
    evaluation = {"positions": str(ground / "filter" / "positions"), **LEVELS, "modes": ["standard", "greedy"]}
    config = {"stage": "evaluate", "model": model(ground), "evaluation": evaluation, **LIMITS}
    ours, theirs = (read_outcomes(RunDir(run).evaluation(0)) for run in with_both(tmp_path, config))
    assert len(ours) > 12
    assert ours.places() == theirs.places()
    for mode in ("standard", "greedy"):
        assert ours.right(mode).tolist() == theirs.right(mode).tolist()
        assert 0 < ours.right(mode).sum() < len(ours)
    np.testing.assert_allclose(theirs.standard_entropy_nats, ours.standard_entropy_nats, atol=1e-4)


def test_templates_are_asked_with_the_same_greedy_responses(ground, tmp_path):
    held_out = {"positions": str(ground / "filter" / "positions"), **LEVELS}
    config = {
        "stage": "templates",
        "model": model(ground),
        "held_out": held_out,
        "templates": ["plain"],
        "samples": 2,
        "max_prompt_tokens": 48,
        "sampling": {"max_response_tokens": 16, "temperature": 0.0},
    }
    runs = with_both(tmp_path, config)
    ours, theirs = (list(read_rollouts(RunDir(run).rollout_shard("sampled", 1))) for run in runs)
    assert [row.response for row in theirs] == [row.response for row in ours]
    assert len(ours) == 2 * len(read_outcomes(RunDir(runs[0]).evaluation(1)))


def test_the_same_options_are_chosen(ground, tmp_path):
    options = ["0", "1", "2 3", "3"]
    records = [
        {"question": f"Digits: {a} {b}", "options": [*options[a:], *options[:a]], "answer": 1}
        for a in range(4)
        for b in range(4)
    ]
    rows = [json.dumps(record) + "\n" for record in records]
    (tmp_path / "questions.jsonl").write_text("".join(rows))
    config = {
        "stage": "benchmark",
        "model": model(ground),
        "paths": [str(tmp_path / "questions.jsonl")],
        "answer_as": "text",
        "template": "question_plain",
        "max_prompt_tokens": 48,
        "sampling": {"max_response_tokens": 16, "temperature": 0.0},
    }
    ours, theirs = (pq.read_table(RunDir(run).evaluation(0)).to_pylist() for run in with_both(tmp_path, config))
    assert ours == theirs
    assert len({row["standard_choice"] for row in ours}) > 1


def rpt(ground, **changes):
    config = stages.rpt(ground, steps=3, rollout_backend="vllm", **changes)
    return {**config, "model": model(ground), **LIMITS}


def test_sampling_follows_the_policy_of_rpt_also_after_a_resume(ground, tmp_path):
    held_out = {"positions": str(ground / "filter" / "positions"), **LEVELS, "modes": ["standard", "greedy"]}
    config = rpt(ground, evaluation=held_out, evaluate_at_steps=[3])
    stages.run_stage(tmp_path / "run", config, stop_after=1)
    stages.run_stage(tmp_path / "run", config)
    found = stages.metrics(tmp_path / "run")
    assert sorted(found) == [1, 2, 3]
    assert all(values["sampler_log_prob_gap"] < 1e-4 for values in found.values())
    assert all(values["gradient_norm"] > 0 for values in found.values())
    (at_the_end,) = stages.events(tmp_path / "run", EventType.EVALUATION)
    evaluation = {
        "stage": "evaluate",
        "model": {"path": str(RunDir(tmp_path / "run").newest_checkpoint()), "device": "cpu"},
        "evaluation": held_out,
        "rollout_backend": "transformers",
        **LIMITS,
    }
    stages.run_stage(tmp_path / "checked", evaluation)
    (checked,) = stages.events(tmp_path / "checked", EventType.EVALUATION)
    assert at_the_end["results"] == checked["results"]


def test_sampling_follows_the_policy_of_rlvr(ground, tmp_path):
    questions = {"paths": [write_questions(tmp_path / "questions.jsonl")], "train_questions": 10, "test_questions": 8}
    config = {
        "stage": "rlvr",
        "model": model(ground),
        "questions": questions,
        "template": "question_plain",
        "max_prompt_tokens": 48,
        "answer_by": "exact",
        "batch_questions": 5,
        "group_size": 4,
        "budget": {"steps": 3},
        "sampling": {"max_response_tokens": 16},
        "test_sampling": {"max_response_tokens": 16, "temperature": 0.6},
        "optimiser": stages.OPTIMISER,
        "rollout_backend": "vllm",
    }
    stages.run_stage(tmp_path / "run", config)
    found = stages.metrics(tmp_path / "run")
    assert sorted(found) == [1, 2, 3]
    assert all(values["sampler_log_prob_gap"] < 1e-4 for values in found.values())
    assert all(values["gradient_norm"] > 0 for values in found.values())


def test_several_gpus_for_the_sampler_of_one_that_trains_are_refused(ground, tmp_path):
    with pytest.raises(UserError, match=r"`vllm.tensor_parallel` is 2 and `vllm.data_parallel` 1, .*engine: verl"):
        stages.run_stage(tmp_path, rpt(ground, vllm={"tensor_parallel": 2}))
