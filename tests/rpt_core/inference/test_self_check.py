"""What the sampler cannot do is told in words before a token is sampled; the rest gets the model's own log-probs."""

import pytest
import torch
import transformers
from transformers import AutoModelForCausalLM

from rpt_core.config import SamplingConfig
from rpt_core.errors import UserError
from rpt_core.inference.backend import TransformersBackend
from rpt_core.inference.entropy import score
from rpt_core.inference.transformers import TransformersSampler

SHAPE = {
    "vocab_size": 300,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "eos_token_id": 0,
    "bos_token_id": 0,
    "pad_token_id": 0,
}
LONG_ROPE = {
    "rope_type": "longrope",
    "short_factor": [1.0] * 4,
    "long_factor": [4.0] * 4,
    "original_max_position_embeddings": 32,
    "factor": 8.0,
    "rope_theta": 1e4,
}
PHI_3 = {"rope_parameters": LONG_ROPE, "original_max_position_embeddings": 32}
LATENT = {
    "num_key_value_heads": 4,
    "n_routed_experts": 8,
    "num_experts_per_tok": 2,
    "n_group": 2,
    "topk_group": 1,
    "moe_intermediate_size": 16,
    "q_lora_rank": 8,
    "kv_lora_rank": 8,
    "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 8,
    "v_head_dim": 4,
}
LINEAR = {
    "head_dim": 16,
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 16,
    "shared_expert_intermediate_size": 16,
    "linear_num_value_heads": 4,
    "linear_num_key_heads": 2,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
    "layer_types": ["linear_attention", "full_attention"],
}
EQUAL = {
    "Llama": {},
    "Qwen3": {"head_dim": 16},
    "Mistral": {"sliding_window": 64},
    "Gemma3Text": {"head_dim": 16, "sliding_window": 64},
    "Phi3": PHI_3,
    "SmolLM3": {"no_rope_layer_interval": 2},
    "Olmo2": {},
    "GPT2": {},
    "GPTNeoX": {},
    "OPT": {"word_embed_proj_dim": 32, "ffn_dim": 48},
    "StableLm": {},
    "Mixtral": {"num_local_experts": 4},
    "Llama4Text": {"head_dim": 16, "num_local_experts": 2, "intermediate_size_mlp": 48},
    "DeepseekV3": LATENT,
}
REFUSED = {
    "Qwen3Next": (LINEAR, "layers of linear attention"),
    "Mamba": ({}, "layers of mamba"),
    "GptOss": ({"head_dim": 16, "num_local_experts": 4}, "attention sinks"),
    "Gemma2": ({"head_dim": 16}, "attn_logit_softcapping"),
    "Bloom": ({}, "cannot be sampled here"),
    "Falcon": ({}, "does not allow its attention to be replaced"),
    "Rwkv": ({"attention_hidden_size": 32}, "keeps no keys and values"),
}
SAMPLED = SamplingConfig(temperature=0.9, max_response_tokens=12)


def build(family, changes):
    """A random model whose attention is sharp enough for its place to count."""
    torch.manual_seed(1)
    config = getattr(transformers, f"{family}Config")(**{**SHAPE, **changes})
    model = AutoModelForCausalLM.from_config(config).eval()
    for parameter in model.parameters():
        if parameter.ndim > 1:
            parameter.data.mul_(4.0)
    return model


def prompts_of(*lengths):
    generator = torch.Generator().manual_seed(2)
    return [torch.randint(1, 300, (length,), generator=generator).tolist() for length in lengths]


def own_log_probs(model, prompt, rollout, temperature):
    ids = torch.tensor([[*prompt, *rollout.token_ids]])
    with torch.inference_mode():
        logits = model(input_ids=ids, use_cache=False).logits[0, len(prompt) - 1 : -1] / temperature
    return logits.log_softmax(-1).gather(-1, ids[0, len(prompt) :, None])[:, 0]


@pytest.mark.parametrize("family", EQUAL)
def test_a_family_that_is_sampled_gets_its_own_log_probs(byte_level, family):
    model = build(family, EQUAL[family])
    prompts = prompts_of(9, 20, 3)
    groups = TransformersBackend(model, byte_level).sample(prompts, 2, SAMPLED, seed=3)
    for prompt, group in zip(prompts, groups, strict=True):
        for rollout in group:
            expected = own_log_probs(model, prompt, rollout, 0.9)
            assert torch.allclose(torch.tensor(rollout.log_probs), expected, atol=1e-4)


@pytest.mark.parametrize("family", REFUSED)
def test_a_family_that_the_sampler_cannot_do_is_refused_in_words(byte_level, family):
    changes, told = REFUSED[family]
    model = build(family, changes)
    with pytest.raises(UserError, match=told):
        TransformersSampler(model, byte_level).sample(prompts_of(9, 3), 2, SAMPLED, seed=3)
    with pytest.raises(UserError, match=told):
        TransformersBackend(model, byte_level).sample(prompts_of(9, 3), 2, SAMPLED, seed=3)


@pytest.mark.parametrize("family", ["Qwen3Next", "Mamba", "GptOss", "Bloom", "Falcon"])
def test_scoring_reads_the_model_s_own_pass_and_refuses_none_of_them(byte_level, family):
    model = build(family, REFUSED[family][0])
    prompts = prompts_of(9, 20)
    for ids, found in zip(prompts, TransformersBackend(model, byte_level).score(prompts), strict=True):
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0]
        assert found.argmax_ids[1:].tolist() == logits[:-1].argmax(-1).tolist()


def test_a_model_that_gives_other_log_probs_without_any_error_is_refused(byte_level):
    # It counts its positions itself, and makes a causal mask of none that it is given.
    model = build("Bart", {"d_model": 32, "decoder_layers": 2, "decoder_attention_heads": 4, "decoder_ffn_dim": 48})
    with pytest.raises(UserError, match=r"different log-probs from the sampler here than from its own pass"):
        TransformersBackend(model, byte_level).sample(prompts_of(9, 3), 2, SAMPLED, seed=3)


def test_a_model_that_reads_in_both_directions_is_no_language_model(byte_level):
    model = build("BertGeneration", {})
    with pytest.raises(UserError, match="both directions"):
        TransformersBackend(model, byte_level).score(prompts_of(9))


def test_rope_that_switches_is_sampled_up_to_its_switch_and_refused_beyond(byte_level):
    backend = TransformersBackend(build("Phi3", PHI_3), byte_level)
    backend.sample(prompts_of(20), 1, SAMPLED, seed=0)
    with pytest.raises(UserError, match=r"beyond 32 tokens.*may take 33"):
        backend.sample(prompts_of(21, 3), 1, SAMPLED, seed=0)


def test_rope_that_grows_with_the_length_is_refused_where_it_begins_to(byte_level):
    changes = {"rope_parameters": {"rope_type": "dynamic", "factor": 4.0, "rope_theta": 1e4}}
    backend = TransformersBackend(build("Llama", changes | {"max_position_embeddings": 32}), byte_level)
    backend.sample(prompts_of(20), 1, SAMPLED, seed=0)
    with pytest.raises(UserError, match=r"32 tokens.*may take 33"):
        backend.sample(prompts_of(21), 1, SAMPLED, seed=0)


def test_texts_on_either_side_of_a_switch_are_scored_as_if_alone():
    model = build("Phi3", PHI_3)
    texts = prompts_of(40, 30)
    together = score(model, texts)
    for text, found in zip(texts, together, strict=True):
        alone = score(model, [text])[0]
        assert torch.allclose(torch.tensor(found.entropies[1:]), torch.tensor(alone.entropies[1:]), atol=1e-4)


def test_a_model_is_compared_once_and_samples_as_without_it(byte_level):
    model = build("Llama", {})
    passes = []
    model.register_forward_hook(lambda *_: passes.append(1))
    backend = TransformersBackend(model, byte_level)
    first = backend.sample(prompts_of(5), 1, SAMPLED, seed=3)
    compared = len(passes)
    again = backend.sample(prompts_of(5), 1, SAMPLED, seed=3)
    assert first == again == TransformersSampler(model, byte_level).sample(prompts_of(5), 1, SAMPLED, seed=3)
    assert compared > (len(passes) - compared) / 2


def test_weights_that_are_not_finite_are_said_to_be_damaged(byte_level):
    model = build("Llama", {})
    model.model.norm.weight.data.fill_(float("nan"))
    with pytest.raises(UserError, match="not finite"):
        TransformersBackend(model, byte_level).sample(prompts_of(5), 1, SAMPLED, seed=3)
