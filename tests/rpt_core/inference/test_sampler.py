"""The sampler against the model itself: its log-probs, its greedy text, its distribution."""

import json

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

from rpt_core.config import SamplingConfig
from rpt_core.errors import UserError
from rpt_core.inference.transformers import TransformersSampler, choose
from tests.rpt_core import stages

END = 0
VOCABULARY = 300
SAMPLED = SamplingConfig(temperature=0.7, max_response_tokens=30)
GREEDY = SAMPLED.model_copy(update={"temperature": 0.0})
SHAPE = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "initializer_range": 0.3,
    "bos_token_id": END,
    "eos_token_id": END,
    "pad_token_id": END,
}


def build(family="qwen2", tied=True, shared_heads=2, ends=()):
    config, model = {"qwen2": (Qwen2Config, Qwen2ForCausalLM), "llama": (LlamaConfig, LlamaForCausalLM)}[family]
    torch.manual_seed(1)
    built = model(config(**SHAPE, num_key_value_heads=4 // shared_heads, tie_word_embeddings=tied)).eval()
    built.generation_config.eos_token_id = [END, *ends]
    return built


def prompts_of_lengths(*lengths):
    generator = torch.Generator().manual_seed(2)
    return [torch.randint(1, VOCABULARY, (length,), generator=generator).tolist() for length in lengths]


def log_probs_of_a_plain_pass(model, prompt, response, temperature):
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([[*prompt, *response]])).logits[0]
    log_probs = (logits[len(prompt) - 1 : -1] / temperature).log_softmax(-1)
    return log_probs.gather(-1, torch.tensor(response)[:, None])[:, 0]


@pytest.fixture
def model():
    return build()


@pytest.mark.parametrize(
    ("family", "tied", "shared_heads"),
    [("qwen2", True, 1), ("qwen2", False, 2), ("llama", True, 4), ("llama", False, 1)],
)
def test_log_probs_are_those_of_a_plain_pass_over_prompt_and_response(byte_level, family, tied, shared_heads):
    # A sixth of the vocabulary ends a response, so that rows finish at many steps and are dropped at several.
    model = build(family, tied, shared_heads, ends=range(250, 300))
    prompts = prompts_of_lengths(3, 17, 9, 1, 9)
    groups = TransformersSampler(model, byte_level).sample(prompts, 4, SAMPLED, seed=5)
    lengths = {len(rollout.token_ids) for group in groups for rollout in group}
    assert len(lengths) > 5
    for prompt, group in zip(prompts, groups, strict=True):
        for rollout in group:
            expected = log_probs_of_a_plain_pass(model, prompt, rollout.token_ids, 0.7)
            assert torch.allclose(torch.tensor(rollout.log_probs), expected, atol=2e-5)


@pytest.mark.parametrize(("family", "tied"), [("qwen2", True), ("llama", False)])
def test_greedy_text_is_that_of_generate(byte_level, family, tied):
    model = build(family, tied, ends=range(280, 300))
    prompts = prompts_of_lengths(4, 11, 7, 25)
    groups = TransformersSampler(model, byte_level).sample(prompts, 1, GREEDY, seed=0)
    for prompt, (rollout,) in zip(prompts, groups, strict=True):
        ids = torch.tensor([prompt])
        made = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=30)
        assert rollout.token_ids == made[0, len(prompt) :].tolist()
        assert torch.allclose(
            torch.tensor(rollout.log_probs), log_probs_of_a_plain_pass(model, prompt, rollout.token_ids, 1.0), atol=2e-5
        )


def test_a_response_stops_at_the_first_end_token_or_at_the_limit(byte_level):
    ends = [0, *range(280, 300)]
    sampler = TransformersSampler(build(ends=ends), byte_level)
    rollouts = [r for group in sampler.sample(prompts_of_lengths(5, 6), 20, SAMPLED, seed=1) for r in group]
    assert {rollout.finish_reason for rollout in rollouts} == {"stop", "length"}
    for rollout in rollouts:
        assert not set(rollout.token_ids[:-1]) & set(ends)
        assert (rollout.token_ids[-1] in ends) == (rollout.finish_reason == "stop")
        assert rollout.finish_reason == "stop" or len(rollout.token_ids) == 30


def test_data_is_the_bytes_of_the_tokens_without_the_end_token(byte_level):
    tokenizer = byte_level
    sampler = TransformersSampler(build(ends=range(280, 300)), tokenizer)
    for (rollout,) in sampler.sample(prompts_of_lengths(*[5] * 20), 1, SAMPLED, seed=1):
        spelt = rollout.token_ids[:-1] if rollout.finish_reason == "stop" else rollout.token_ids
        text = tokenizer.decode(spelt, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        assert rollout.data.decode(errors="replace") == text == rollout.text


def test_equal_seeds_give_equal_responses_and_others_do_not(byte_level, model):
    sampler = TransformersSampler(model, byte_level)
    prompts = prompts_of_lengths(5, 8, 3)
    first, again, other = (sampler.sample(prompts, 3, SAMPLED, seed) for seed in (7, 7, 8))
    assert first == again
    assert first != other


def test_responses_come_in_the_order_of_the_prompts_whatever_their_length(byte_level, model):
    prompts = prompts_of_lengths(30, 2, 14, 9, 21)
    config = GREEDY.model_copy(update={"batch_rows": 2})
    together = TransformersSampler(model, byte_level).sample(prompts, 1, config, seed=0)
    alone = [TransformersSampler(model, byte_level).sample([prompt], 1, config, seed=0)[0] for prompt in prompts]
    assert [group[0].token_ids for group in together] == [group[0].token_ids for group in alone]


def test_prompts_of_any_lengths_have_one_row_of_logits_each(byte_level, model):
    shapes = []
    head = model.get_output_embeddings()
    hook = head.register_forward_hook(lambda module, inputs, output: shapes.append(output.shape[:2]))
    TransformersSampler(model, byte_level).sample(prompts_of_lengths(30, 2, 14, 9, 21), 1, GREEDY, seed=0)
    hook.remove()
    assert shapes[0] == (5, 1)
    assert not head._forward_pre_hooks


def test_space_grows_for_responses_longer_than_the_first(byte_level, model):
    limit = GREEDY.model_copy(update={"max_response_tokens": 150})
    prompts = prompts_of_lengths(12)
    ((rollout,),) = TransformersSampler(build(ends=()), byte_level).sample(prompts, 1, limit, seed=0)
    ids = torch.tensor([prompts[0]])
    made = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=150)
    assert rollout.token_ids == made[0, 12:].tolist()
    assert len(rollout.token_ids) > 64


def test_a_changed_model_is_sampled_as_it_is_now(byte_level, model):
    sampler = TransformersSampler(model, byte_level)
    prompts = prompts_of_lengths(6)
    before = sampler.sample(prompts, 1, GREEDY, seed=0)
    with torch.no_grad():
        model.get_output_embeddings().weight.neg_()
    assert sampler.sample(prompts, 1, GREEDY, seed=0) != before


def test_the_model_keeps_its_own_attention(byte_level, model):
    ids = torch.tensor([[5, 6, 7, 8]])
    expected = model(input_ids=ids).logits
    TransformersSampler(model, byte_level).sample([[1, 2, 3]], 2, SAMPLED, seed=0)
    assert torch.equal(model(input_ids=ids).logits, expected)


def test_chosen_tokens_follow_the_distribution():
    logits = torch.tensor([0.0, 1.0, 2.0, float("-inf"), -1.0])
    expected = (logits / 0.5).softmax(-1)
    chosen, log_probs = choose(logits.repeat(20000, 1), 0.5, torch.Generator().manual_seed(0))
    counts = torch.bincount(chosen, minlength=5)
    # Within five standard deviations of the expected count.
    assert ((counts - 20000 * expected).abs() <= 5 * (20000 * expected * (1 - expected)).sqrt()).all()
    assert counts[3] == 0
    assert torch.allclose(log_probs, expected[chosen].log())


def test_temperature_0_takes_the_largest_and_reports_the_log_prob_of_temperature_1():
    logits = torch.tensor([[0.0, 3.0, 1.0]])
    chosen, log_probs = choose(logits, 0.0, torch.Generator())
    assert chosen.tolist() == [1]
    assert torch.allclose(log_probs, logits.log_softmax(-1)[:, 1])


def test_a_limit_beyond_the_longest_sequence_of_the_model_is_refused(byte_level):
    model = Qwen2ForCausalLM(Qwen2Config(**SHAPE, num_key_value_heads=2, max_position_embeddings=40)).eval()
    sampler = TransformersSampler(model, byte_level)
    sampler.sample(prompts_of_lengths(10), 1, SAMPLED, seed=0)
    with pytest.raises(UserError, match=r"at most 40 tokens.*take 41"):
        sampler.sample(prompts_of_lengths(11, 3), 1, SAMPLED, seed=0)


def test_sampling_ends_with_what_is_raised_before_a_token(byte_level, model):
    calls = []

    def stop():
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt

    sampler = TransformersSampler(model, byte_level, before_token=stop)
    with pytest.raises(KeyboardInterrupt):
        sampler.sample(prompts_of_lengths(5), 1, GREEDY, seed=0)
    assert model.config._attn_implementation == "sdpa"


def test_a_model_with_a_window_of_attention_is_refused_when_prompts_outgrow_it(byte_level):
    config = Qwen2Config(
        **SHAPE, num_key_value_heads=2, use_sliding_window=True, sliding_window=16, max_window_layers=0
    )
    sampler = TransformersSampler(Qwen2ForCausalLM(config).eval(), byte_level)
    sampler.sample(prompts_of_lengths(4), 1, SAMPLED.model_copy(update={"max_response_tokens": 12}), seed=0)
    with pytest.raises(UserError, match="last 16 tokens"):
        sampler.sample(prompts_of_lengths(4), 1, SAMPLED, seed=0)


def test_a_model_without_an_end_token_is_not_sampled_from(tmp_path):
    config = stages.save_taught(tmp_path)
    for name, key in (("tokenizer_config.json", "eos_token"), ("generation_config.json", "eos_token_id")):
        values = json.loads((tmp_path / name).read_text())
        (tmp_path / name).write_text(json.dumps({k: v for k, v in values.items() if k != key}))
    values = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(values | {"eos_token_id": None}))
    model, tokenizer = stages.load(config)
    with pytest.raises(UserError, match=f"The model '{tmp_path}' has no end token"):
        TransformersSampler(model, tokenizer).sample([[5, 6, 7]], 2, SamplingConfig(max_response_tokens=4), seed=0)


def test_recorded_tokens_have_the_entropy_of_the_distribution_that_they_were_drawn_from(byte_level):
    model, prompts = build(ends=range(280, 300)), prompts_of_lengths(3, 9)
    config = SAMPLED.model_copy(update={"record_tokens": "all"})
    sampler = TransformersSampler(model, byte_level)
    plain = sampler.sample(prompts, 3, SAMPLED, seed=5)
    groups = sampler.sample(prompts, 3, config, seed=5)
    for prompt, group, same in zip(prompts, groups, plain, strict=True):
        for rollout, other in zip(group, same, strict=True):
            assert (rollout.token_ids, rollout.log_probs) == (other.token_ids, other.log_probs)
            assert (other.record, other.token_ends, other.entropies) == ("none", [], None)
            with torch.inference_mode():
                logits = model(input_ids=torch.tensor([[*prompt, *rollout.token_ids]])).logits[0, len(prompt) - 1 : -1]
            expected = torch.distributions.Categorical(logits=logits / 0.7).entropy()
            assert torch.allclose(torch.tensor(rollout.entropies), expected, atol=1e-4)
            assert len(rollout.token_ends) == len(rollout.token_ids)
            assert rollout.token_ends[-1] == len(rollout.data)
