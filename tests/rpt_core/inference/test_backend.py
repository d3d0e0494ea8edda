"""Which engine samples and scores: the choice, what is refused, and how a policy is followed."""

from importlib.util import find_spec

import pytest
import torch

from rpt_core.config import FilterConfig, InferenceConfig, ModelConfig, SamplingConfig
from rpt_core.errors import UserError
from rpt_core.inference.backend import open_policy_backend, uses_vllm
from rpt_core.inference.transformers import TransformersSampler
from rpt_core.models.checkpoints import load_model
from tests.rpt_core import stages

WITHOUT_VLLM = pytest.mark.skipif(find_spec("vllm") is not None, reason="vLLM is installed here")
GREEDY = SamplingConfig(temperature=0.0, max_response_tokens=8)


def backend_of(name, **changes):
    return InferenceConfig(rollout_backend=name, **changes)


def nothing():
    pass


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_without_a_gpu_auto_is_transformers():
    assert not uses_vllm(backend_of("auto"), ModelConfig(path="unused"))


def test_a_model_on_the_cpu_is_left_to_transformers():
    assert not uses_vllm(backend_of("auto"), ModelConfig(path="unused", device="cpu"))


def test_transformers_is_transformers():
    assert not uses_vllm(backend_of("transformers"), ModelConfig(path="unused"))


@WITHOUT_VLLM
def test_vllm_that_is_not_installed_is_refused_before_a_model_is_loaded(tmp_path):
    corpus = stages.write_corpus(tmp_path / "digits.jsonl")
    config = {"stage": "filter", "corpus": corpus, "proxy": {"path": "nowhere"}, "rollout_backend": "vllm"}
    with pytest.raises(UserError, match="vLLM is not installed here"):
        stages.run_stage(tmp_path / "run", FilterConfig(**config).model_dump())


def test_a_policy_samples_by_itself_and_a_narrow_one_by_a_copy_that_follows(tmp_path):
    policy, tokenizer = stages.taught()
    wide = open_policy_backend(backend_of("auto"), ModelConfig(path="x", device="cpu"), policy, tokenizer, 64, nothing)
    assert wide.model is policy
    config = ModelConfig(path="x", device="cpu", dtype="bfloat16")
    narrow = open_policy_backend(backend_of("auto"), config, policy, tokenizer, 64, nothing)
    assert {p.dtype for p in narrow.model.parameters()} == {torch.bfloat16}
    changed = stages.new_model(stages.ScratchConfig(**stages.SCRATCH), tokenizer, seed=5)
    narrow.follow(changed)
    changed.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    prompts = [[5, 6, 7] * 40]  # far enough for narrow positions to show
    read = TransformersSampler(*load_model(config.model_copy(update={"path": str(tmp_path)})))
    assert narrow.sample(prompts, 1, GREEDY, 0) == read.sample(prompts, 1, GREEDY, 0)
    assert {buffer.dtype for buffer in narrow.model.buffers()} == {torch.float32}
    assert {p.dtype for p in policy.parameters()} == {torch.float32}
