"""vLLM against transformers on the same model: greedy responses, log-probs, entropies (run by `make test-verl`)."""

import numpy as np
import pytest
import torch

from rpt_core.config import ModelConfig, SamplingConfig, VllmConfig
from rpt_core.errors import UserError
from rpt_core.evaluation.choice_prompts import AnswerOptions
from rpt_core.inference.entropy import ScoreRule, full_entropy, score
from rpt_core.inference.option_scores import option_log_probs
from rpt_core.inference.transformers import TransformersSampler
from rpt_core.run.context import StopRequested
from rpt_core.text.tokens import encode
from tests.rpt_core import stages

pytestmark = [pytest.mark.verl, pytest.mark.slow]
LONGEST = 64
GREEDY = SamplingConfig(temperature=0.0, max_response_tokens=20)
SAMPLED = SamplingConfig(temperature=0.8, max_response_tokens=20)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    # Two heads of 32: vLLM's attention for CPUs takes no smaller ones.
    return stages.save_taught(tmp_path_factory.mktemp("model"), hidden_size=64)["path"]


@pytest.fixture(scope="module")
def engine(folder):
    from rpt_core.inference.vllm import VllmEngine

    return VllmEngine(ModelConfig(path=folder), VllmConfig(), LONGEST, step_tokens=100)  # prompts wait for others


@pytest.fixture
def taught(folder, engine):
    model, tokenizer = stages.load({"path": folder, "device": "cpu"})
    engine.load(model)
    return model, tokenizer


def prompts(tokenizer):
    rows = [f"Digits: {a} {b} {c}" for a in range(4) for b in range(4) for c in range(3)]
    return [[*encode(tokenizer, row), *encode(tokenizer, "<think>")] for row in rows]


def sampler(engine, tokenizer, before_token=None):
    from rpt_core.inference.vllm import VllmSampler

    return VllmSampler(engine, tokenizer, before_token)


def test_greedy_responses_are_those_of_transformers(taught, engine):
    model, tokenizer = taught
    asked = prompts(tokenizer)
    ours = TransformersSampler(model, tokenizer).sample(asked, 1, GREEDY, 0)
    theirs = sampler(engine, tokenizer).sample(asked, 1, GREEDY, 0)
    assert [group[0].token_ids for group in theirs] == [group[0].token_ids for group in ours]
    assert [group[0].data for group in theirs] == [group[0].data for group in ours]
    assert [group[0].finish_reason for group in theirs] == [group[0].finish_reason for group in ours]
    for a, b in zip(ours, theirs, strict=True):
        assert b[0].log_probs == pytest.approx(a[0].log_probs, abs=1e-4)


def test_log_probs_are_those_of_the_distribution_that_was_sampled(taught, engine):
    model, tokenizer = taught
    asked = prompts(tokenizer)[:8]
    for prompt, group in zip(asked, sampler(engine, tokenizer).sample(asked, 4, SAMPLED, 3), strict=True):
        for rollout in group:
            ids = torch.tensor([[*prompt, *rollout.token_ids]])
            logits = model(input_ids=ids).logits[0, len(prompt) - 1 : -1] / SAMPLED.temperature
            expected = logits.log_softmax(-1).gather(-1, ids[0, len(prompt) :, None])[:, 0]
            assert rollout.log_probs == pytest.approx(expected.tolist(), abs=1e-4)


def test_equal_arguments_give_equal_responses_and_groups_vary(taught, engine):
    _, tokenizer = taught
    asked = prompts(tokenizer)[:6]
    first = sampler(engine, tokenizer).sample(asked, 8, SAMPLED, 1)
    assert sampler(engine, tokenizer).sample(asked, 8, SAMPLED, 1) == first
    assert sampler(engine, tokenizer).sample(asked, 8, SAMPLED, 2) != first
    assert len({rollout.data for rollout in first[0]}) > 1


def test_a_prompt_gets_the_same_responses_when_few_fit_in(taught, engine):
    _, tokenizer = taught
    asked = prompts(tokenizer)[:6]
    inside = []

    def look():
        inside.append(engine.llm.llm_engine.get_num_unfinished_requests())

    config = SAMPLED.model_copy(update={"batch_rows": 8})
    found = sampler(engine, tokenizer, look).sample(asked, 4, config, 5)
    assert max(inside) == 8  # responses in the engine at one time
    whole = sampler(engine, tokenizer, look).sample(asked, 4, SAMPLED, 5)
    assert max(inside) == 24
    assert [[r.token_ids for r in group] for group in found] == [[r.token_ids for r in group] for group in whole]


def test_a_greedy_group_has_its_size(taught, engine):
    _, tokenizer = taught
    ((first, *others),) = sampler(engine, tokenizer).sample(prompts(tokenizer)[:1], 3, GREEDY, 0)
    assert others == [first, first]


def test_a_stop_ends_the_sampling_and_leaves_nothing_behind(taught, engine):
    _, tokenizer = taught
    calls = []

    def stop():
        calls.append(1)
        if len(calls) == 3:
            raise StopRequested(7)

    with pytest.raises(StopRequested):
        sampler(engine, tokenizer, stop).sample(prompts(tokenizer), 4, SAMPLED, 0)
    assert len(calls) == 3
    assert not engine.llm.llm_engine.has_unfinished_requests()
    assert sampler(engine, tokenizer).sample(prompts(tokenizer)[:2], 1, GREEDY, 0)[1][0].token_ids


def test_new_weights_are_taken_over(taught, engine):
    model, tokenizer = taught
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(0)
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    asked = prompts(tokenizer)[:12]
    before = sampler(engine, tokenizer).sample(asked, 1, GREEDY, 0)
    engine.load(model)
    after = sampler(engine, tokenizer).sample(asked, 1, GREEDY, 0)
    ours = TransformersSampler(model, tokenizer).sample(asked, 1, GREEDY, 0)
    assert [group[0].token_ids for group in after] == [group[0].token_ids for group in ours]
    assert before != after


@pytest.mark.parametrize("kind", ["renormalised", "partial"])
def test_entropies_are_those_of_transformers(taught, engine, kind):
    from rpt_core.inference.vllm import score as score_with_vllm

    model, tokenizer = taught
    texts = [*prompts(tokenizer)[:5], [7], prompts(tokenizer)[7] * 12]  # the last one is longer than the engine takes
    assert len(texts[-1]) > LONGEST + 1
    theirs = score_with_vllm(engine, texts, ScoreRule(entropy=kind, batch_tokens=30))
    ours = score(model, texts, entropy=kind)
    for a, b in zip(ours[:6], theirs[:6], strict=True):
        np.testing.assert_allclose(b.entropies, a.entropies, atol=1e-4)
        assert (a.argmax_ids == b.argmax_ids).all()
        np.testing.assert_allclose(b.highest_probabilities, a.highest_probabilities, atol=1e-4)
    in_windows = score(model, [texts[-1][:LONGEST]], entropy=kind)[0]
    np.testing.assert_allclose(theirs[-1].entropies[:LONGEST], in_windows.entropies, atol=1e-4)
    assert np.isfinite(theirs[-1].entropies[1:]).all()


def test_entropies_that_vllm_cannot_give_are_refused(engine):
    from rpt_core.inference.vllm import MAX_TOP_K, check_rule

    assert engine.vocabulary > MAX_TOP_K  # or the limit would mean nothing
    with pytest.raises(UserError, match="at most 64"):
        check_rule(ScoreRule(top_k=65))
    with pytest.raises(UserError, match="`entropy` is full, but vLLM"):
        check_rule(ScoreRule(entropy="full"))


def test_entropies_of_log_probs_are_those_of_their_shares():
    from rpt_core.inference.vllm import entropies_of

    logits = torch.tensor([[2.0, 1.0, 0.5, -1.0], [0.0, 0.0, 0.0, float("-inf")]], dtype=torch.float64)
    log_probs = logits.log_softmax(-1).numpy()
    assert entropies_of(log_probs, True) == pytest.approx(full_entropy(logits).numpy())
    half = np.log([[0.25, 0.25]])  # half of the probability is elsewhere
    assert entropies_of(half, True) == pytest.approx(np.log(2))
    assert entropies_of(half, False) == pytest.approx(np.log(4) / 2)


def test_log_probs_of_options_are_those_of_transformers(taught, engine):
    from rpt_core.inference.vllm import option_log_probs as ask_vllm

    model, tokenizer = taught
    options = [encode(tokenizer, text) for text in ("0", "1 2", " 3")]
    questions = [AnswerOptions(ids, options, [1, 3, 2]) for ids in prompts(tokenizer)[:4]]
    done = []
    theirs = ask_vllm(engine, questions, lambda *counts: done.append(counts), 40)
    for a, b in zip(option_log_probs(model, questions), theirs, strict=True):
        assert b == pytest.approx(a, abs=1e-4)
    assert done == [(0, 12)], "of 4 questions with 3 options"
    with pytest.raises(UserError, match="at most 64 tokens"):
        ask_vllm(engine, [AnswerOptions([5] * 64, options, [1, 3, 2])], print, 40)


def test_what_is_too_long_is_refused(taught, engine):
    _, tokenizer = taught
    with pytest.raises(UserError, match="may take 70 tokens, but vLLM was started for 65,"):
        sampler(engine, tokenizer).sample([[5] * 50], 2, SAMPLED, 0)


def test_a_folder_without_a_model_is_explained(tmp_path):
    from rpt_core.inference.vllm import VllmEngine

    with pytest.raises(UserError, match=r"holds no config\.json\. Name the folder"):
        VllmEngine(ModelConfig(path=str(tmp_path)), VllmConfig(), LONGEST)


def test_a_device_that_the_build_is_not_for_is_refused(folder):
    from rpt_core.inference.vllm import VllmEngine

    with pytest.raises(UserError, match="`device` is cuda, but the vLLM installed here is built for CPUs"):
        VllmEngine(ModelConfig(path=folder, device="cuda"), VllmConfig(), LONGEST)
