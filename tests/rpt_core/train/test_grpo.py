"""Advantages and the terms of the loss on numbers worked out by hand."""

import math

import pytest
import torch

from rpt_core.train.grpo import (
    aggregate,
    clipped_gains,
    group_advantages,
    is_clipped,
    k3_divergence,
    live_groups,
    overlong_punishment,
)


def test_advantages_are_rewards_less_the_mean_over_the_deviation():
    # Mean 0.25, population variance (3 * 0.0625 + 0.5625) / 4 = 0.1875.
    advantages = group_advantages(torch.tensor([[1.0, 0.0, 0.0, 0.0]]))
    deviation = math.sqrt(0.1875)
    assert advantages[0].tolist() == pytest.approx([0.75 / deviation] + [-0.25 / deviation] * 3)


def test_each_group_is_normalised_alone():
    advantages = group_advantages(torch.tensor([[1.0, 0.0], [5.0, 1.0]]))
    assert advantages.tolist() == [[1.0, -1.0], [1.0, -1.0]]


def test_mean_leaves_the_deviation_out():
    advantages = group_advantages(torch.tensor([[1.0, 0.0, 0.0, 0.0]]), normalise="mean")
    assert advantages.tolist() == [[0.75, -0.25, -0.25, -0.25]]


@pytest.mark.parametrize("normalise", ["std", "mean"])
@pytest.mark.parametrize("reward", [0.0, 1.0, 0.1])
def test_equal_rewards_have_no_advantage_at_all(normalise, reward):
    # Seven times 0.1 has a mean that is not exactly 0.1 in floating point.
    advantages = group_advantages(torch.full((2, 7), reward), normalise)
    assert torch.equal(advantages, torch.zeros(2, 7))


def test_a_group_is_live_when_its_rewards_differ():
    assert live_groups(torch.tensor([[0.0, 0.0], [1.0, 1.0], [0.0, 1.0]])).tolist() == [False, False, True]


def test_on_policy_the_loss_is_the_mean_advantage_and_its_gradient_that_of_log_probs():
    # Two responses of two tokens and one, with the advantages 2 and -1.
    log_probs = torch.tensor([-1.0, -2.0, -0.5], requires_grad=True)
    gains = clipped_gains(log_probs, log_probs.detach(), torch.tensor([2.0, 2.0, -1.0]))
    loss = -aggregate(gains, [2, 1])
    loss.backward()
    assert loss.item() == pytest.approx(-(2 + 2 - 1) / 3)
    assert torch.allclose(log_probs.grad, torch.tensor([-2 / 3, -2 / 3, 1 / 3]))


@pytest.mark.parametrize(
    ("ratio", "advantage", "gain", "has_gradient"),
    [
        (1.5, 1.0, 1.3, False),  # too likely already: clipped at 1 + 0.3
        (1.5, -1.0, -1.5, True),  # a bad token that grew is pushed down in full
        (0.5, 1.0, 0.5, True),  # a good token that shrank is pulled up in full
        (0.5, -1.0, -0.8, False),  # unlikely enough: clipped at 1 - 0.2
        (1.1, 2.0, 2.2, True),  # inside the range
    ],
)
def test_the_ratio_is_clipped_on_the_side_that_would_gain(ratio, advantage, gain, has_gradient):
    log_probs = torch.tensor([math.log(ratio)], requires_grad=True)
    found = clipped_gains(log_probs, torch.zeros(1), torch.tensor([advantage]), 0.2, 0.3)
    found.sum().backward()
    assert found.tolist() == pytest.approx([gain])
    assert (log_probs.grad.item() != 0) == has_gradient


def test_gains_are_clipped_token_by_token():
    # Ratios 1.5, 0.5, 1.1 with advantages 1, -1, 2.
    log_probs = torch.tensor([1.5, 0.5, 1.1]).log()
    gains = clipped_gains(log_probs, torch.zeros(3), torch.tensor([1.0, -1.0, 2.0]), 0.2, 0.3)
    assert gains.tolist() == pytest.approx([1.3, -0.8, 2.2])


def test_a_token_is_clipped_where_its_gain_has_no_gradient():
    ratios, advantages = torch.tensor([1.5, 1.5, 0.5, 0.5, 1.25, 0.85, 1.5]), torch.tensor([1, -1, 1, -1, 1, -1, 0.0])
    log_probs = ratios.log().requires_grad_()
    clipped_gains(log_probs, torch.zeros(7), advantages, 0.2, 0.3).sum().backward()
    clipped = is_clipped(ratios, advantages, 0.2, 0.3)
    assert clipped.tolist() == [True, False, False, True, False, False, False]
    assert torch.equal(clipped, (log_probs.grad == 0) & (advantages != 0))


def test_the_k3_divergence_of_a_token():
    # q = reference / policy = 2, 1, 1/2: q - log q - 1.
    policy = torch.tensor([0.2, 0.3, 0.5]).log()
    values = k3_divergence(policy, torch.tensor([0.4, 0.3, 0.25]).log())
    assert values.tolist() == pytest.approx([1 - math.log(2), 0, math.log(2) - 0.5], abs=1e-6)


def test_the_k3_divergence_has_the_mean_of_the_true_one():
    p, q = torch.tensor([0.2, 0.3, 0.5]), torch.tensor([0.4, 0.3, 0.3])
    expected = (p * (p / q).log()).sum().item()
    assert (p * k3_divergence(p.log(), q.log())).sum().item() == pytest.approx(expected, abs=1e-6)


def test_tokens_or_responses_count_alike():
    # One response with the values 1, 2, 3 and one with 10.
    values = torch.tensor([1.0, 2.0, 3.0, 10.0], requires_grad=True)
    assert aggregate(values, [3, 1], "token").item() == 4
    mean = aggregate(values, [3, 1], "sequence")
    assert mean.item() == 6
    mean.backward()
    assert values.grad.tolist() == pytest.approx([1 / 6, 1 / 6, 1 / 6, 1 / 2])


def test_over_long_responses_are_punished_in_a_line_before_the_limit():
    lengths = torch.tensor([1, 12, 13, 14, 15, 16])
    assert overlong_punishment(lengths, limit=16, buffer=4).tolist() == [0, 0, -0.25, -0.5, -0.75, -1]
    # DAPO's own numbers: limit 20,480 with a buffer of 4,096.
    assert overlong_punishment(torch.tensor([[16384, 18432, 20480]]), 20480, 4096).tolist() == [[0, -0.5, -1]]


@pytest.mark.parametrize("scale", [1e-9, 0.3, 1.0, 1000.0])
@pytest.mark.parametrize("normalise", ["std", "mean"])
def test_rewards_that_differ_by_rounding_alone_give_no_advantage(scale, normalise):
    rounded = torch.tensor([[scale, scale * (1 + 1.2e-7), scale, scale * (1 - 1.2e-7)]])
    assert rounded.unique().numel() > 1
    assert not live_groups(rounded).any()
    assert group_advantages(rounded, normalise).tolist() == [[0, 0, 0, 0]]
    assert live_groups(torch.tensor([[scale, scale * 1.0001]])).all()
