"""The update of the policy: equal to the plain step by default, and each option against numbers worked out again."""

import copy
import math
from itertools import chain

import pytest
import torch

from rpt_core.config import GrpoConfig, SamplingConfig
from rpt_core.models.flops import forward_flops, training_flops
from rpt_core.seeds import derive_seed
from rpt_core.train import batch as batches
from rpt_core.train.log_probs import target_log_probs
from rpt_core.train.loop import make_optimiser
from rpt_core.train.policy_update import PolicyUpdate, minibatches, parts_by_length, policy_rows
from tests.rpt_core import stages
from tests.rpt_core.train import updates

SAMPLING = SamplingConfig(temperature=0.8, max_response_tokens=16)
LENGTHS = [[3, 5, 2, 4], [6, 1, 3, 3], [2, 2, 4, 5], [4, 4, 3, 7]]
REWARDS = [[1.0, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [1.0, 1.0, 0.0, 1.0]]
EQUAL = [[0.0] * 4] * 4


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Folder of the taught model."""
    folder = tmp_path_factory.mktemp("taught")
    stages.save_taught(folder)
    return folder


@pytest.fixture
def updater(model, tmp_path):
    """Makes an updater with a loop of its own."""

    def make(name="run", **grpo):
        config = updates.make_config(model, grpo=grpo)
        return PolicyUpdate(config.grpo, updates.make_loop(tmp_path / name, config), SAMPLING)

    return make


def responses(batch, groups=None):
    """(prompt and response, prompt's length, advantage) of the groups' responses, shortest first."""
    rows = [
        ([*batch.problems[n].prompt_ids, *response.token_ids], len(batch.problems[n].prompt_ids), float(advantage))
        for n in (range(len(batch.groups)) if groups is None else groups)
        for response, advantage in zip(batch.groups[n], batch.advantages[n], strict=True)
    ]
    return sorted(rows, key=lambda row: len(row[0]))


def log_probs(model, rows):
    return target_log_probs(model, [row[0] for row in rows], [row[1] for row in rows], SAMPLING.temperature)


def token_advantages(rows):
    return torch.tensor([advantage for ids, start, advantage in rows for _ in ids[start:]])


def step_by_hand(model, optimiser, loss):
    """What the loop does with a loss."""
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), updates.OPTIMISER["max_grad_norm"])
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)
    return float(norm)


def by_hand(loop):
    """A copy of the loop's model with an optimiser of its own."""
    model = copy.deepcopy(loop.model)
    return model, make_optimiser(list(model.parameters()), loop.config.optimiser)


@pytest.mark.parametrize("batch_rows", [5, 128])
def test_by_default_the_update_is_the_plain_on_policy_step_to_the_bit(updater, batch_rows):
    updater = updater(batch_rows=batch_rows)
    batch = updates.make_batch(LENGTHS, REWARDS)
    model, optimiser = by_hand(updater.loop)
    rows = responses(batch, groups=[0, 2, 3])
    total, loss, gap = sum(len(ids) - start for ids, start, _ in rows), 0.0, 0.0
    for start in range(0, len(rows), batch_rows):
        part = rows[start : start + batch_rows]
        new = log_probs(model, part)
        gain = (new - new.detach()).exp() * token_advantages(part)
        mean = -gain.sum() / len(gain) * (len(gain) / total)
        mean.backward()
        loss += mean.item()
        gap += float((-1.0 - new.detach()).abs().sum())
    norm = step_by_hand(model, optimiser, torch.zeros((), requires_grad=True))
    result = updater.update(batch)
    assert updates.same(updates.state(updater.loop), dict(model.named_parameters()))
    assert result.metrics["loss"] == loss
    assert result.metrics["sampler_log_prob_gap"] == gap / total
    assert result.metrics["gradient_norm"] == norm
    assert result.metrics["learning_rate"] == updates.OPTIMISER["learning_rate"]
    assert result.trained_tokens == sum(len(ids) for ids, _, _ in rows)
    assert result.flops == training_flops(updater.loop.matrix_parameters, result.trained_tokens)
    assert not {"kl", "ratio_mean", "share_clipped"} & result.metrics.keys()


def test_groups_of_equal_rewards_alone_change_nothing(updater):
    updater = updater()
    before = updates.state(updater.loop)
    result = updater.update(updates.make_batch(LENGTHS, EQUAL))
    assert (result.metrics, result.trained_tokens, result.flops) == ({}, 0, 0.0)
    assert updates.same(updates.state(updater.loop), before)


def test_the_mean_entropy_is_that_of_the_sampled_distributions(updater):
    updater = updater()
    batch = updates.make_batch(LENGTHS, REWARDS)
    entropies = []
    for ids, start, _ in responses(batch, groups=[0, 2, 3]):
        logits = updater.loop.model(input_ids=torch.tensor([ids])).logits[0, start - 1 : -1] / SAMPLING.temperature
        entropies += torch.distributions.Categorical(logits=logits).entropy().tolist()
    assert updater.update(batch).metrics["entropy_nats"] == pytest.approx(sum(entropies) / len(entropies), rel=1e-5)


def test_minibatches_hold_every_group_once_in_an_order_of_their_seed():
    assert minibatches(3, None, seed=0) == minibatches(3, 3, seed=0) == [[0, 1, 2]]
    parts = minibatches(7, 3, seed=1)
    assert [len(part) for part in parts] == [3, 3, 1]
    assert sorted(chain.from_iterable(parts)) == list(range(7))
    assert minibatches(7, 3, seed=1) == parts != minibatches(7, 3, seed=2)


def test_each_minibatch_is_an_update_against_the_policy_before_the_first(updater):
    updater = updater(minibatch_groups=2, clip_low=0.01, clip_high=0.02)
    batch = updates.make_batch(LENGTHS, REWARDS)
    before = copy.deepcopy(updater.loop.model)
    model, optimiser = by_hand(updater.loop)
    ratios, clipped, losses, tokens = [], 0, [], []
    for groups in minibatches(4, 2, derive_seed(0, "mini-batches", 0)):
        rows = responses(batch, [n for n in groups if n != 1])  # group 1 has nothing to teach
        advantages = token_advantages(rows)
        ratio = (log_probs(model, rows) - log_probs(before, rows).detach()).exp()
        loss = -torch.minimum(ratio * advantages, ratio.clamp(0.99, 1.02) * advantages).mean()
        ratios += ratio.tolist()
        clipped += sum(r > 1.02 if a > 0 else r < 0.99 for r, a in zip(ratio.tolist(), advantages, strict=True))
        losses.append(loss.item())
        tokens.append(sum(len(ids) for ids, _, _ in rows))
        step_by_hand(model, optimiser, loss)
    result = updater.update(batch)
    weights = updates.state(updater.loop)
    assert all(torch.allclose(weights[name], value, atol=1e-5) for name, value in model.named_parameters())
    assert 0 < clipped < len(ratios)
    assert result.metrics["share_clipped"] == pytest.approx(clipped / len(ratios))
    assert result.metrics["ratio_mean"] == pytest.approx(sum(ratios) / len(ratios), rel=1e-5)
    assert result.metrics["ratio_mean"] != pytest.approx(1, abs=1e-4)
    assert result.metrics["loss"] == pytest.approx(sum(losses) / 2, abs=1e-6)
    parameters = updater.loop.matrix_parameters
    assert result.trained_tokens == sum(tokens)
    assert result.flops == training_flops(parameters, sum(tokens)) + forward_flops(parameters, tokens[1])


def test_the_first_minibatch_is_exactly_on_policy(updater):
    # Group 1 of 2 has equal rewards, so there is one update, and nothing can be clipped.
    result = updater(minibatch_groups=1).update(updates.make_batch(LENGTHS[:2], REWARDS[:2]))
    assert result.metrics["ratio_mean"] == 1
    assert result.metrics["share_clipped"] == 0


@pytest.mark.parametrize("grpo", [{"minibatch_groups": 2}, {"minibatch_groups": 1, "kl_coefficient": 0.1}])
def test_a_resumed_run_with_minibatches_gives_the_weights_of_one_without_a_break(updater, grpo):
    def do_step(updater):
        return lambda step: updater.update(updates.make_batch(LENGTHS, REWARDS[step % 4 :] + REWARDS[: step % 4]))

    whole, broken = updater("whole", **grpo), updater("broken", **grpo)
    updates.train(whole.loop, do_step(whole))
    updates.train(broken.loop, do_step(broken), stop_after=2)
    resumed = updater("broken", **grpo)
    assert resumed.loop.step == 2
    updates.train(resumed.loop, do_step(resumed))
    assert updates.same(updates.state(resumed.loop), updates.state(whole.loop))
    assert not updates.same(updates.state(broken.loop), updates.state(whole.loop))


@pytest.mark.parametrize(("aggregation", "batch_rows"), [("token", 128), ("sequence", 128), ("sequence", 2)])
def test_the_loss_is_a_mean_of_tokens_or_of_responses(updater, aggregation, batch_rows):
    # One response was cut: without it the advantages of the others do not add up to 0. On-policy each token has -A.
    batch = updates.make_batch([[3, 5, 2, 4]], [[1.0, 0.0, 0.0, 0.0]], normalise="mean")
    cut = batch.groups[0][1]
    batch.groups[0][1] = updates.rollout(cut.token_ids, finish_reason="length")
    result = updater(aggregation=aggregation, overlong="mask", batch_rows=batch_rows).update(batch)
    by_token = -(3 * 0.75 - 2 * 0.25 - 4 * 0.25) / 9
    by_response = -(0.75 - 0.25 - 0.25) / 3
    assert result.metrics["loss"] == pytest.approx(by_token if aggregation == "token" else by_response, abs=1e-6)


@pytest.mark.parametrize("aggregation", ["token", "sequence"])
def test_the_size_of_a_pass_does_not_change_an_update_with_every_term(updater, aggregation):
    options = {"aggregation": aggregation, "kl_coefficient": 0.1, "entropy_coefficient": 0.05, "minibatch_groups": 2}
    few, many = (
        updater(str(size), batch_rows=size, **options).update(updates.make_batch(LENGTHS, REWARDS)) for size in (3, 128)
    )
    assert few.metrics == pytest.approx(many.metrics, rel=1e-3, abs=1e-5)
    assert few.flops == many.flops


def test_responses_that_were_cut_leave_the_loss_but_not_the_advantages(updater):
    batch = updates.make_batch([[3, 5, 2, 4]], [[1.0, 0.0, 0.0, 0.0]])
    batch.groups[0][1] = updates.rollout(batch.groups[0][1].token_ids, finish_reason="length")
    kept, masked = (updater(how, overlong=how).update(batch) for how in ("keep", "mask"))
    assert kept.trained_tokens - masked.trained_tokens == 4 + 5
    rows = policy_rows(batch, 0, skip_cut=True)
    assert [len(row.log_probs) for row in rows] == [3, 2, 4]
    assert [row.advantage for row in rows] == pytest.approx([math.sqrt(3), -1 / math.sqrt(3), -1 / math.sqrt(3)])


def test_a_group_whose_responses_were_all_cut_changes_nothing_when_they_are_masked(updater):
    batch = updates.make_batch([[3, 5]], [[1.0, 0.0]])
    batch.groups[0][:] = [updates.rollout(r.token_ids, finish_reason="length") for r in batch.groups[0]]
    assert updater(overlong="mask").update(batch).metrics == {}


def test_the_soft_punishment_is_part_of_the_rewards():
    problems, groups = updates.make_groups([[12, 14], [16, 4]])
    verdicts = [[None] * 2] * 2
    soft = GrpoConfig(overlong="soft", overlong_buffer_tokens=4, normalise="mean")
    batch = batches.make_batch(problems, groups, verdicts, [[1.0, 1.0], [0.0, 0.0]], soft, SAMPLING)
    assert batch.rewards.tolist() == [[1.0, 0.5], [-1.0, 0.0]]
    assert batch.advantages.tolist() == [[0.25, -0.25], [-0.5, 0.5]]
    keep = GrpoConfig(overlong_buffer_tokens=4)
    batch = batches.make_batch(problems, groups, verdicts, [[1.0, 0.0], [0.0, 0.0]], keep, SAMPLING)
    assert batch.rewards.tolist() == [[1.0, 0.0], [0.0, 0.0]]
    assert batch.advantages.tolist() == [[1.0, -1.0], [0.0, 0.0]]
    assert batch.prompt_tokens() == 8
    assert batch.response_tokens() == 46


def test_no_reference_is_loaded_without_a_coefficient(updater):
    assert updater().reference is None


def test_the_divergence_is_from_the_model_that_training_started_from(updater):
    first = updater(kl_coefficient=0.5)
    batch = updates.make_batch(LENGTHS, REWARDS)
    updates.train(first.loop, lambda step: first.update(batch), stop_after=2)
    resumed = updater(kl_coefficient=0.5)
    assert not updates.same(updates.state(resumed.loop), dict(resumed.reference.named_parameters()))
    start = stages.taught()[0]
    assert updates.same(dict(resumed.reference.named_parameters()), dict(start.named_parameters()))
    rows = responses(batch)  # every response counts, of groups with equal rewards too
    new, reference = log_probs(resumed.loop.model, rows), log_probs(start, rows)
    kl = ((reference - new).exp() - (reference - new) - 1).mean().item()
    result = resumed.update(batch)
    assert kl > 0.01
    assert result.metrics["kl"] == pytest.approx(kl, rel=1e-4)
    assert result.metrics["loss"] == pytest.approx(-token_advantages(rows).mean().item() + 0.5 * kl, rel=1e-4)
    tokens = sum(len(ids) for ids, _, _ in rows)
    assert result.trained_tokens == tokens
    assert result.flops == (6 + 2) * resumed.loop.matrix_parameters * tokens


def test_the_divergence_is_0_at_the_start_and_pulls_back_later(updater):
    updater = updater(kl_coefficient=10.0)
    first = updater.update(updates.make_batch(LENGTHS, REWARDS))
    assert first.metrics["kl"] == pytest.approx(0, abs=1e-9)
    pulled = [updater.update(updates.make_batch(LENGTHS, EQUAL)).metrics["kl"] for _ in range(8)]
    assert pulled[0] > 1e-4
    assert min(pulled[1:]) < pulled[0] / 2


def test_the_reference_of_a_bfloat16_policy_is_in_bfloat16(model, tmp_path):
    wide = {"path": str(model), "device": "cpu", "dtype": "bfloat16"}
    config = updates.make_config(model, model=wide, grpo={"kl_coefficient": 0.1})
    updater = PolicyUpdate(config.grpo, updates.make_loop(tmp_path, config), SAMPLING)
    assert {parameter.dtype for parameter in updater.reference.parameters()} == {torch.bfloat16}
    assert 0 <= updater.update(updates.make_batch(LENGTHS, REWARDS)).metrics["kl"] < 1e-2


def test_the_entropy_term_raises_the_entropy_and_counts_every_response(updater):
    updater = updater(entropy_coefficient=0.3)
    results = [updater.update(updates.make_batch(LENGTHS, EQUAL)).metrics for _ in range(4)]
    entropies = [metrics["entropy_nats"] for metrics in results]
    assert entropies == sorted(entropies)
    assert entropies[3] > entropies[0] + 0.05
    assert results[0]["loss"] == pytest.approx(-0.3 * entropies[0], rel=1e-5)


def test_parts_hold_rows_of_similar_length():
    rows = policy_rows(updates.make_batch([[3, 5, 2, 4]], [[1.0, 0.0, 0.0, 0.0]]), 0)
    assert [part.lengths for part in parts_by_length(rows, 3)] == [[2, 3, 4], [5]]
