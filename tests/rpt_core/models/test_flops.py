"""Training compute counted by hand."""

import pytest
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

from rpt_core.models.flops import matrix_parameters, sampling_flops, training_flops

# One block: four 8 x 8 projections, three 8 x 12 ones of the feed-forward part.
BLOCK = 4 * 64 + 3 * 96
SHAPE = {
    "vocab_size": 50,
    "hidden_size": 8,
    "intermediate_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
}


@pytest.mark.parametrize("tied", [True, False])
def test_matrices_are_counted_and_the_output_layer_once(tied):
    model = LlamaForCausalLM(LlamaConfig(**SHAPE, tie_word_embeddings=tied))
    assert matrix_parameters(model) == 2 * BLOCK + 50 * 8


def test_biases_and_norms_are_not_counted():
    assert matrix_parameters(Qwen2ForCausalLM(Qwen2Config(**SHAPE))) == 2 * BLOCK + 50 * 8


def test_a_sampled_token_costs_2_and_a_trained_one_6_for_each_parameter():
    assert sampling_flops(100, prompt_tokens=7, generated_tokens=3) == 2000
    assert training_flops(100, tokens=10) == 6000
