"""Several engines of vLLM, and one in parts, against one (run by `make test-verl`); how work is dealt."""

import pytest
import torch

from rpt_core.config import ModelConfig, SamplingConfig, VllmConfig
from rpt_core.errors import UserError
from rpt_core.evaluation.choice_prompts import AnswerOptions
from rpt_core.inference.data_parallel import DataParallelBackend, deal
from rpt_core.inference.entropy import ScoreRule, score
from rpt_core.inference.option_scores import option_log_probs
from rpt_core.inference.transformers import TransformersSampler
from rpt_core.run.context import StopRequested
from rpt_core.text.tokens import encode
from tests.rpt_core import stages

LONGEST = 64
TWO, IN_PARTS = VllmConfig(data_parallel=2), VllmConfig(tensor_parallel=2)


def test_things_are_dealt_in_runs_of_about_equal_size():
    assert deal([1] * 5, 2) == [range(2), range(2, 5)]
    assert deal([6, 1, 1, 1, 3], 2) == [range(1), range(1, 5)]
    assert deal([1], 3) == [range(0), range(0), range(0, 1)]
    assert deal([], 2) == [range(0), range(0)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return stages.save_taught(tmp_path_factory.mktemp("model"), hidden_size=64)["path"]


class Stop:
    """Asks for a stop once it is set."""

    is_set = False

    def __call__(self):
        if self.is_set:
            raise StopRequested(3)


@pytest.mark.verl
@pytest.mark.slow
@pytest.mark.parametrize("config", [TWO, IN_PARTS], ids=["two engines", "one in two parts"])
def test_engines_give_what_one_gives_and_end_with_a_stop(config, folder, tmp_path):
    model, tokenizer = stages.load({"path": folder, "device": "cpu"})
    stop = Stop()
    engines = DataParallelBackend(ModelConfig(path=folder), config, LONGEST, stop, ScoreRule())
    prompts = [encode(tokenizer, f"Digits: {a} {b}<think>") for a in range(4) for b in range(4)]

    greedy = SamplingConfig(temperature=0.0, max_response_tokens=20)
    sampled = SamplingConfig(temperature=0.8, max_response_tokens=20)
    ours = TransformersSampler(model, tokenizer).sample(prompts, 1, greedy, 0)
    assert [g[0].token_ids for g in engines.sample(prompts, 1, greedy, 0)] == [g[0].token_ids for g in ours]
    found = engines.sample(prompts, 4, sampled, 3)
    assert [g[0].data for g in engines.sample(prompts[:1], 4, sampled, 3)] == [found[0][0].data]  # one engine is idle
    assert {len(group) for group in found} == {4}
    with pytest.raises(UserError, match="`rollout_backend`"):
        DataParallelBackend(ModelConfig(path=folder), config, LONGEST, stop, ScoreRule(entropy="full"))

    for a, b in zip(score(model, prompts), engines.score(prompts), strict=True):
        assert b.entropies[1:] == pytest.approx(a.entropies[1:], abs=1e-4)
        assert (a.argmax_ids == b.argmax_ids).all()
    questions = [AnswerOptions(ids, [[5], [6, 7]], [1, 2]) for ids in prompts]
    expected = option_log_probs(model, questions)
    told = []
    for a, b in zip(expected, engines.option_log_probs(questions, lambda *passes: told.append(passes)), strict=True):
        assert b == pytest.approx(a, abs=1e-4)
    assert told == [(0, 2 * len(questions))]

    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.5)
    model.save_pretrained(tmp_path)
    engines.follow_checkpoint(ModelConfig(path=str(tmp_path)))
    for a, b in zip(score(model, prompts), engines.score(prompts), strict=True):
        assert b.entropies[1:] == pytest.approx(a.entropies[1:], abs=1e-4)

    stop.is_set = True
    with pytest.raises(StopRequested):
        engines.sample(prompts, 4, sampled, 3)
    for engine in engines.engines:
        engine.process.join(20)
        assert engine.process.exitcode is not None


@pytest.mark.verl
@pytest.mark.slow
def test_an_engine_that_cannot_start_is_told_in_words(folder, tmp_path):
    with pytest.raises(UserError, match="`device` is cuda, but the vLLM installed here is built for CPUs"):
        DataParallelBackend(ModelConfig(path=folder, device="cuda"), TWO, LONGEST, Stop(), ScoreRule())
