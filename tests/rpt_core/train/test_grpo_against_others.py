"""GRPO's advantages and loss against the published functions of verl and TRL, on random inputs, to 1e-5.

Two differences are by intent, and stand in the tests: verl and TRL divide by the *sample* standard deviation of a group
(and add a small number), ours is the population's, so ours is larger by sqrt(G / (G - 1)) for groups of G; verl clips
the ratio of tokens with a negative advantage a second time ("dual clip"), ours does not.
"""

from math import sqrt

import pytest
import torch

from rpt_core.train.grpo import (
    aggregate,
    clipped_gains,
    group_advantages,
    is_clipped,
    k3_divergence,
)

PROBLEMS, GROUP_SIZE, LONGEST = 12, 8, 20
ROWS = PROBLEMS * GROUP_SIZE
CLOSE = {"rtol": 1e-5, "atol": 1e-5}
SAMPLE_OVER_POPULATION = sqrt(GROUP_SIZE / (GROUP_SIZE - 1))
"""How much larger a group's sample standard deviation is than its population's."""
NO_DUAL_CLIP = 1e6


@pytest.fixture(params=range(5))
def random(request):
    return torch.Generator().manual_seed(request.param)


@pytest.fixture(params=["binary", "real"])
def rewards(request, random):
    """Rewards of each group; of the binary ones some groups are all equal."""
    real = torch.rand(PROBLEMS, GROUP_SIZE, generator=random)
    return real if request.param == "real" else (real < torch.rand(PROBLEMS, 1, generator=random) ** 3).float()


@pytest.fixture
def responses(random):
    """Old and new log-probs (far enough apart that many ratios are clipped), advantages, and a ragged mask."""
    old = -2 * torch.rand(ROWS, LONGEST, generator=random)
    new = (old + 0.4 * torch.randn(ROWS, LONGEST, generator=random)).requires_grad_()
    advantages = torch.randn(ROWS, 1, generator=random).expand(ROWS, LONGEST)
    lengths = torch.randint(1, LONGEST + 1, (ROWS,), generator=random)
    return old, new, advantages, torch.arange(LONGEST) < lengths[:, None]


def by_token(values, mask):
    """The values of the mask's tokens, and each row's number of them: how ours takes a batch."""
    return values[mask], mask.sum(1).tolist()


@pytest.fixture
def verl():
    return pytest.importorskip("verl.trainer.ppo.core_algos")


def verl_loss(old, new, advantages, mask, clip=(0.2, 0.2), mode="token-mean", dual_clip=NO_DUAL_CLIP):
    """The loss that verl's actor takes for GRPO, and the share of clipped tokens."""
    from verl.trainer.ppo.core_algos import get_policy_loss_fn
    from verl.workers.config import ActorConfig

    low, high = clip
    config = ActorConfig(
        strategy="fsdp",
        rollout_n=GROUP_SIZE,
        use_dynamic_bsz=True,
        clip_ratio_low=low,
        clip_ratio_high=high,
        clip_ratio_c=dual_clip,
    )
    loss, metrics = get_policy_loss_fn("vanilla")(old, new, advantages, mask.float(), mode, config)
    return loss, metrics["actor/pg_clipfrac"]


def verl_advantages(verl, rewards, **options):
    """verl's, from rewards that stand at the last token."""
    index = torch.arange(PROBLEMS).repeat_interleave(GROUP_SIZE).numpy()
    at_tokens = torch.zeros(ROWS, 3)
    at_tokens[:, -1] = rewards.flatten()
    found, _ = verl.compute_grpo_outcome_advantage(at_tokens, torch.ones(ROWS, 3), index, **options)
    assert (found == found[:, :1]).all()
    return found[:, 0].view(PROBLEMS, GROUP_SIZE)


@pytest.mark.verl
def test_advantages_are_verls_but_for_the_kind_of_standard_deviation(verl, rewards):
    ours = group_advantages(rewards, "std") / SAMPLE_OVER_POPULATION
    torch.testing.assert_close(verl_advantages(verl, rewards.clone(), epsilon=1e-12), ours, **CLOSE)
    assert ours.abs().max() > 1


@pytest.mark.verl
def test_advantages_without_the_division_are_verls(verl, rewards):
    theirs = verl_advantages(verl, rewards.clone(), norm_adv_by_std_in_grpo=False)
    torch.testing.assert_close(theirs, group_advantages(rewards, "mean"), **CLOSE)


@pytest.mark.verl
@pytest.mark.parametrize("clip", [(0.2, 0.2), (0.2, 0.28), (0.1, 0.5)])
@pytest.mark.parametrize(("theirs", "ours"), [("token-mean", "token"), ("seq-mean-token-mean", "sequence")])
def test_the_clipped_loss_and_its_gradient_are_verls(verl, responses, clip, theirs, ours):
    old, new, advantages, mask = responses
    expected, clipped_share = verl_loss(*responses, clip, theirs)
    gains, lengths = by_token(clipped_gains(new, old, advantages, *clip), mask)
    found = -aggregate(gains, lengths, ours)
    torch.testing.assert_close(found, expected, **CLOSE)
    gradients = [torch.autograd.grad(loss, new)[0] for loss in (found, expected)]
    torch.testing.assert_close(*gradients, **CLOSE)
    share = is_clipped((new - old).exp(), advantages, *clip)[mask].float().mean()
    assert share == pytest.approx(clipped_share, abs=1e-5)
    assert share > 0.1


@pytest.mark.verl
def test_verls_second_clip_changes_nothing_while_ratios_are_below_3(verl, responses):
    old, new, advantages, mask = responses
    near = old + (new - old).clamp(max=1.0)
    expected, _ = verl_loss(old, near, advantages, mask, dual_clip=3.0)
    gains, lengths = by_token(clipped_gains(near, old, advantages), mask)
    torch.testing.assert_close(-aggregate(gains, lengths), expected, **CLOSE)


@pytest.mark.verl
def test_the_divergence_is_verls_low_variance_estimate(verl, responses):
    reference, new, _, mask = responses
    expected = verl.kl_penalty(new, reference, "low_var_kl")
    torch.testing.assert_close(k3_divergence(new, reference), expected, **CLOSE)
    mean, lengths = by_token(k3_divergence(new, reference), mask)
    theirs = verl.agg_loss(expected, mask.float(), "token-mean")
    torch.testing.assert_close(aggregate(mean, lengths, "token"), theirs, **CLOSE)


@pytest.fixture(scope="module")
def trainer(tmp_path_factory):
    """TRL's trainer with a small random model; its reward function reads the rewards from the prompts' records."""
    trl = pytest.importorskip("trl")
    from datasets import Dataset

    from rpt_core.config import ScratchConfig
    from rpt_core.models.checkpoints import new_model
    from rpt_core.text.new_tokenizer import train_tokenizer

    tokenizer = train_tokenizer(["a few words of text, and some more words"] * 5, 280)
    model = new_model(ScratchConfig(hidden_size=32, layers=1, intermediate_size=32, vocab_size=280), tokenizer, seed=0)
    config = trl.GRPOConfig(
        output_dir=str(tmp_path_factory.mktemp("trl")),
        per_device_train_batch_size=ROWS,
        num_generations=GROUP_SIZE,
        max_completion_length=4,
        epsilon=0.2,
        epsilon_high=0.28,
        beta=0.0,
        use_cpu=True,
        bf16=False,
        report_to="none",
        save_strategy="no",
    )
    made = trl.GRPOTrainer(
        model=model,
        reward_funcs=lambda prompts, reward, **_: reward,
        args=config,
        train_dataset=Dataset.from_list([{"prompt": "a few words", "reward": 0.0}] * PROBLEMS),
        processing_class=tokenizer,
    )
    made.current_gradient_accumulation_steps = 1
    made.model.train()
    return made


def trl_advantages(trainer, rewards, scale):
    """TRL's, from a step that samples responses and gives each its reward."""
    trainer.scale_rewards = scale
    records = [{"prompt": "a few words", "reward": float(value)} for value in rewards.flatten()]
    return trainer._generate_and_score_completions(records)["advantages"].view(PROBLEMS, GROUP_SIZE)


def test_advantages_are_trls_but_for_the_kind_of_standard_deviation(trainer, rewards):
    population, sample = (rewards.std(1, keepdim=True, correction=n) for n in (0, 1))
    ours = group_advantages(rewards, "std") * population / (sample + 1e-4)
    torch.testing.assert_close(trl_advantages(trainer, rewards, "group"), ours, **CLOSE)
    torch.testing.assert_close(trl_advantages(trainer, rewards, "none"), group_advantages(rewards, "mean"), **CLOSE)


@pytest.mark.parametrize(("theirs", "ours"), [("dapo", "token"), ("grpo", "sequence")])
def test_the_loss_on_a_model_is_trls(trainer, responses, random, theirs, ours):
    from rpt_core.train.log_probs import target_log_probs

    _, _, advantages, mask = responses
    prompts, completions = (torch.randint(0, 270, (ROWS, width), generator=random) for width in (6, LONGEST))
    lengths = mask.sum(1).tolist()
    rows = [[*p, *c[:n]] for p, c, n in zip(prompts.tolist(), completions.tolist(), lengths, strict=True)]
    log_probs = target_log_probs(trainer.model, rows, [6] * ROWS)
    old = log_probs.detach() + 0.3 * torch.randn(len(log_probs), generator=random)
    inputs = {
        "prompt_ids": prompts,
        "prompt_mask": torch.ones_like(prompts),
        "completion_ids": completions,
        "completion_mask": mask.int(),
        "advantages": advantages[:, 0],
        "old_per_token_logps": torch.zeros(ROWS, LONGEST).masked_scatter(mask, old),
        "num_items_in_batch": mask.sum(),
    }
    trainer.loss_type = theirs
    expected = trainer._compute_loss(trainer.model, inputs)
    found = -aggregate(clipped_gains(log_probs, old, advantages[mask], 0.2, 0.28), lengths, ours)
    torch.testing.assert_close(found, expected, **CLOSE)
    weight = trainer.model.get_input_embeddings().weight
    gradients = [torch.autograd.grad(loss, weight)[0] for loss in (found, expected)]
    torch.testing.assert_close(*gradients, **CLOSE)
    assert gradients[0].abs().max() > 1e-3
