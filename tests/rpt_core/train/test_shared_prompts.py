"""Responses that share a prompt are read in one row, with the same states and gradients as alone."""

import pytest
import torch

from rpt_core.train import shared_prompts
from rpt_core.train.log_probs import target_log_probs
from rpt_core.train.shared_prompts import can_pack, pack, packed_states, saves_enough
from tests.rpt_core import stages

ROWS = [
    [1, 2, 3, 10, 11, 12],
    [1, 2, 3, 20],
    [4, 5, 30, 31],
    [1, 2, 3, 40, 41],
    [4, 5, 50, 51, 52, 53, 54],
]
STARTS = [3, 3, 2, 3, 2]


@pytest.fixture(params=["qwen2", "llama"])
def model(request):
    return stages.taught(request.param)[0]


def alone(model, rows, starts):
    """The predicting states from a pass for each row."""
    states = []
    for row, start in zip(rows, starts, strict=True):
        hidden = model.base_model(input_ids=torch.tensor([row]), use_cache=False).last_hidden_state[0]
        states.append(hidden[start - 1 : -1])
    return torch.cat(states)


def test_a_packed_row_holds_the_prompt_once_and_responses_at_their_own_positions():
    first, second = pack(ROWS, STARTS)
    assert first.ids() == [1, 2, 3, 10, 11, 40]
    assert first.segments() == [0, 0, 0, 1, 1, 3]
    assert first.positions() == [0, 1, 2, 3, 4, 3]
    assert first.members == [0, 1, 3]
    assert list(first.readers()) == [(0, 2), (0, 3), (0, 4), (1, 2), (3, 2), (3, 5)]
    assert second.ids() == [4, 5, 30, 50, 51, 52, 53]
    assert second.positions() == [0, 1, 2, 2, 3, 4, 5]


def test_states_are_those_of_each_response_alone(model):
    found = packed_states(model, pack(ROWS, STARTS))
    torch.testing.assert_close(found, alone(model, ROWS, STARTS), rtol=1e-5, atol=1e-5)


def test_log_probs_and_gradients_are_those_of_rows_that_are_not_packed(model, monkeypatch):
    def gradients():
        log_probs = target_log_probs(model, ROWS, STARTS, temperature=0.8)
        weights = torch.arange(1.0, len(log_probs) + 1)
        parameters = list(model.parameters())
        return log_probs.detach(), torch.autograd.grad((log_probs * weights).sum(), parameters)

    reads = []
    handle = model.base_model.register_forward_hook(
        lambda _, __, inputs, ___: reads.append(inputs["input_ids"].numel()), with_kwargs=True
    )
    packed, packed_gradients = gradients()
    monkeypatch.setattr(shared_prompts, "MIN_SAVED", 1.0)
    plain, plain_gradients = gradients()
    handle.remove()
    assert reads == [2 * 7, 5 * 6]
    torch.testing.assert_close(packed, plain, rtol=1e-5, atol=1e-5)
    for one, other in zip(packed_gradients, plain_gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_a_full_row_makes_way_for_another(model, monkeypatch):
    monkeypatch.setattr(shared_prompts, "PACKED_TOKENS", 5)
    packed = pack(ROWS, STARTS)
    assert [row.members for row in packed] == [[0, 1], [2], [3], [4]]
    found = packed_states(model, packed)
    torch.testing.assert_close(found, alone(model, ROWS, STARTS), rtol=1e-5, atol=1e-5)


def test_rows_are_packed_only_where_that_saves_much():
    documents = [[1, *range(10, 30)], [1, *range(30, 50)]]
    assert not saves_enough(pack(documents, [1, 1]), documents)
    assert saves_enough(pack(ROWS, STARTS), ROWS)


def test_models_that_do_not_take_such_a_mask_are_left_alone(model):
    assert can_pack(model)
    before = model.config._attn_implementation
    model.set_attn_implementation("eager")
    assert not can_pack(model)
    model.set_attn_implementation(before)
