"""Our config as verl's: composed by verl's own hydra configuration, read back key by key (run by `make test-verl`)."""

import json
import math
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from rpt_core.config import RptConfig
from rpt_core.verl_backend.settings import OwnRay, VerlPaths, learning_rate, overrides, total_draws

PATHS = VerlPaths(
    model="/models/base one",
    data=Path("/run/verl/rows.parquet"),
    agent_loops=Path("/run/verl/agent_loops.yaml"),
    checkpoints=Path("/run/verl/checkpoints"),
    dumps=Path("/run/verl/attempt-001/dumps"),
    work=Path("/run/verl/attempt-001"),
    resolved=Path("/run/verl/attempt-001/resolved_config.json"),
    resume_from=None,
    ray=OwnRay(Path("/tmp/rpt-ray-1"), "127.0.0.1"),
)
ACTOR, ROLLOUT, REF = "actor_rollout_ref.actor", "actor_rollout_ref.rollout", "actor_rollout_ref.ref"
PUBLISHED = {
    "algorithm.adv_estimator": "grpo",
    "algorithm.norm_adv_by_std_in_grpo": True,
    "algorithm.use_kl_in_reward": False,
    "algorithm.filter_groups.enable": False,
    "data.train_batch_size": 256,
    "data.max_prompt_length": 4096,
    "data.max_response_length": 8192,
    "data.shuffle": False,
    f"{ACTOR}.ppo_mini_batch_size": 256,
    f"{ACTOR}.ppo_epochs": 1,
    f"{ACTOR}.use_kl_loss": False,
    f"{ACTOR}.entropy_coeff": 0,
    f"{ACTOR}.clip_ratio_low": 0.2,
    f"{ACTOR}.clip_ratio_high": 0.2,
    f"{ACTOR}.loss_agg_mode": "token-mean",
    f"{ACTOR}.optim.lr": 1e-6,
    f"{ACTOR}.optim.betas": [0.9, 0.999],
    f"{ACTOR}.optim.weight_decay": 0.01,
    f"{ACTOR}.optim.clip_grad": 0.2,
    f"{ACTOR}.optim.lr_scheduler_type": "cosine",
    f"{ACTOR}.optim.min_lr_ratio": 1.0,
    f"{ROLLOUT}.n": 8,
    f"{ROLLOUT}.temperature": 0.8,
    f"{ROLLOUT}.top_p": 1,
    f"{ROLLOUT}.top_k": -1,
    f"{ROLLOUT}.prompt_length": 4096,
    f"{ROLLOUT}.response_length": 8192,
    f"{ROLLOUT}.max_model_len": 4096 + 8192,
    f"{ROLLOUT}.calculate_log_probs": True,
    "trainer.total_training_steps": 1000,
    "trainer.save_freq": 100,
    "trainer.resume_mode": "disable",
    "trainer.logger": ["console", "file"],
    "trainer.val_before_train": False,
    "trainer.nnodes": 1,
    "trainer.n_gpus_per_node": 1,
    "trainer.device": "cuda",
    "trainer.v1.trainer_mode": "sync",
    "trainer.rollout_data_dir": "/run/verl/attempt-001/dumps",
    "trainer.default_local_dir": "/run/verl/checkpoints",
    "actor_rollout_ref.model.path": "/models/base one",
    "actor_rollout_ref.model.trust_remote_code": False,
}
"""The paper's hyper-parameters (Table 5) and our defaults, under the keys that have their effect."""
CHANGES = [
    ({"grpo": {"normalise": "mean"}}, {"algorithm.norm_adv_by_std_in_grpo": False}),
    ({"grpo": {"aggregation": "sequence"}}, {f"{ACTOR}.loss_agg_mode": "seq-mean-token-mean"}),
    (
        {"grpo": {"clip_low": 0.1, "clip_high": 0.28}},
        {f"{ACTOR}.clip_ratio_low": 0.1, f"{ACTOR}.clip_ratio_high": 0.28, f"{ACTOR}.clip_ratio_c": 1e9},
    ),
    (
        {"grpo": {"kl_coefficient": 0.001}},
        {f"{ACTOR}.use_kl_loss": True, f"{ACTOR}.kl_loss_coef": 0.001, f"{ACTOR}.kl_loss_type": "low_var_kl"},
    ),
    ({"grpo": {"entropy_coefficient": 0.01}}, {f"{ACTOR}.entropy_coeff": 0.01}),
    ({"grpo": {"minibatch_groups": 64}}, {f"{ACTOR}.ppo_mini_batch_size": 64}),
    (
        {"optimiser": {"schedule": "cosine", "final_share": 0.25, "max_grad_norm": 1.0}},
        {f"{ACTOR}.optim.min_lr_ratio": 0.25, f"{ACTOR}.optim.clip_grad": 1.0, f"{ACTOR}.optim.lr_warmup_steps": -1},
    ),
    (
        {"optimiser": {"warmup_steps": 5, "betas": (0.9, 0.95)}},
        {
            f"{ACTOR}.optim.lr_warmup_steps": 6,
            f"{ACTOR}.optim.zero_indexed_step": False,
            f"{ACTOR}.optim.betas": [0.9, 0.95],
        },
    ),
    (
        {"sampling": {"temperature": 1.0, "max_response_tokens": 100, "batch_rows": 32}, "group_size": 16},
        {
            f"{ROLLOUT}.temperature": 1.0,
            f"{ROLLOUT}.n": 16,
            f"{ROLLOUT}.response_length": 100,
            f"{ROLLOUT}.max_num_seqs": 32,
            f"{ROLLOUT}.max_model_len": 4196,
        },
    ),
    (
        {"model": {"path": "m", "dtype": "bfloat16"}},
        {
            f"{ROLLOUT}.dtype": "bfloat16",
            f"{ACTOR}.fsdp_config.model_dtype": "fp32",
            f"{ACTOR}.fsdp_config.mixed_precision": {
                "param_dtype": "bf16",
                "reduce_dtype": "fp32",
                "buffer_dtype": "fp32",
            },
        },
    ),
    (
        {"verl": {"nodes": 2, "gpus_per_node": 8, "micro_batch_per_gpu": 4}},
        {
            "trainer.nnodes": 2,
            "trainer.n_gpus_per_node": 8,
            f"{ACTOR}.ppo_micro_batch_size_per_gpu": 4,
            f"{ROLLOUT}.log_prob_micro_batch_size_per_gpu": 4,
            f"{REF}.log_prob_micro_batch_size_per_gpu": 4,
        },
    ),
    (
        {"vllm": {"tensor_parallel": 2, "gpu_memory_share": 0.4}, "verl": {"gpus_per_node": 2}},
        {f"{ROLLOUT}.tensor_model_parallel_size": 2, f"{ROLLOUT}.gpu_memory_utilization": 0.4},
    ),
    (
        {"dynamic_sampling": {"from_step": 500, "max_extra_batches": 3, "min_pass_rate": 0.1, "max_pass_rate": 0.9}},
        {
            "trainer.v1.sampler.custom_sampler.name": "DynamicSampler",
            "trainer.v1.sampler.sampler_kwargs": {
                "from_step": 500,
                "max_extra_batches": 3,
                "min_pass_rate": 0.1,
                "max_pass_rate": 0.9,
            },
        },
    ),
    ({"checkpoint_every_steps": 7, "steps": 70}, {"trainer.save_freq": 7, "trainer.total_training_steps": 70}),
]


def config(**changes):
    return RptConfig.model_validate({"model": {"path": "m"}, "positions": "p", "engine": "verl", **changes})


def composed(given, paths=PATHS, has_gpu=True, has_flash=False):
    """verl's own configuration with our words, checked by verl as its main program does."""
    import verl.trainer
    from hydra import compose, initialize_config_dir
    from verl.trainer.ppo.utils import need_critic, need_reference_policy
    from verl.utils.config import validate_config

    words = [word for word in overrides(given, paths, has_gpu, has_flash) if not word.lstrip("+").startswith("hydra.")]
    folder = Path(verl.trainer.__file__).parent / "config"
    with initialize_config_dir(str(folder), version_base=None):
        found = compose("ppo_trainer", words)
    validate_config(found, need_reference_policy(found), need_critic(found))
    assert not need_critic(found)
    return found


def values(found, keys):
    from omegaconf import OmegaConf

    picked = {key: OmegaConf.select(found, key, throw_on_missing=True) for key in keys}
    return {key: OmegaConf.to_container(v) if OmegaConf.is_config(v) else v for key, v in picked.items()}


@pytest.mark.verl
def test_the_papers_hyper_parameters_reach_verl():
    assert values(composed(config()), PUBLISHED) == PUBLISHED


@pytest.mark.verl
@pytest.mark.parametrize(("changes", "expected"), CHANGES, ids=lambda value: next(iter(value)))
def test_each_option_reaches_the_key_that_has_its_effect(changes, expected):
    assert values(composed(config(**changes)), expected) == expected


MAIN = """
import sys
import hydra

@hydra.main(config_path=sys.argv.pop(1), config_name="ppo_trainer", version_base=None)
def main(config):
    print(config.trainer.total_training_steps)

main()
"""


@pytest.mark.verl
def test_hydra_writes_the_whole_configuration_where_it_is_told_to(tmp_path):
    """As a main program: only that calls what `hydra.callbacks` names."""
    folder = Path(find_spec("verl").submodule_search_locations[0]) / "trainer" / "config"
    paths = replace(PATHS, work=tmp_path, resolved=tmp_path / "resolved_config.json")
    words = overrides(config(steps=7), paths, has_gpu=True, has_flash=False)
    ran = subprocess.run([sys.executable, "-c", MAIN, str(folder), *words], capture_output=True, text=True, check=True)
    assert (ran.stdout, ran.stderr) == ("7\n", "")
    found = json.loads(paths.resolved.read_text())
    assert "hydra" not in found
    assert found["trainer"]["total_training_steps"] == 7
    rollout = found["actor_rollout_ref"]["rollout"]
    assert rollout["response_length"] == 8192  # verl takes it from `data.max_response_length`
    assert rollout["max_num_seqs"] == config().sampling.batch_rows
    assert "critic" in found  # verl's own, of which we say nothing


@pytest.mark.verl
def test_the_reference_model_is_there_only_for_a_kl_term():
    from verl.trainer.ppo.utils import need_reference_policy

    assert not need_reference_policy(composed(config()))
    assert need_reference_policy(composed(config(grpo={"kl_coefficient": 0.1})))


@pytest.mark.verl
def test_the_engine_reads_clip_and_schedule_from_where_they_are_put():
    """`actor.grad_clip` is read by nothing; the optimiser's own field is."""
    from verl.utils.config import omega_conf_to_dataclass

    actor = omega_conf_to_dataclass(composed(config(optimiser={"max_grad_norm": 0.3})).actor_rollout_ref.actor)
    assert actor.optim.clip_grad == 0.3
    assert actor.engine.mixed_precision["param_dtype"] == "fp32"
    assert actor.engine.strategy == "fsdp2"


@pytest.mark.verl
def test_a_resumed_run_names_its_checkpoint_and_a_cluster_has_no_ray_of_its_own():
    resumed = composed(config(), replace(PATHS, resume_from=Path("/run/verl/checkpoints/global_step_40")))
    assert resumed.trainer.resume_mode == "resume_path"
    assert resumed.trainer.resume_from_path == "/run/verl/checkpoints/global_step_40"
    assert resumed.ray_kwargs.ray_init.include_dashboard is False
    assert "include_dashboard" not in composed(config(), replace(PATHS, ray=None)).ray_kwargs.ray_init


@pytest.mark.verl
def test_the_cpu_profile_changes_no_hyper_parameter():
    found = values(composed(config(), has_gpu=False), PUBLISHED)
    assert found.pop("trainer.device") == "cpu"
    assert found == {key: value for key, value in PUBLISHED.items() if key != "trainer.device"}


@pytest.mark.verl
@pytest.mark.parametrize(
    ("dtype", "has_gpu", "has_flash", "attention"),
    [
        ("bfloat16", True, True, "flash_attention_2"),
        ("bfloat16", True, False, "sdpa"),
        ("float32", True, True, "sdpa"),  # FlashAttention takes no float32
        ("bfloat16", False, True, "sdpa"),
    ],
)
def test_attention_is_one_that_is_installed_and_takes_the_number_format(dtype, has_gpu, has_flash, attention):
    model = composed(config(model={"path": "m", "dtype": dtype}), PATHS, has_gpu, has_flash).actor_rollout_ref.model
    assert model.override_config.attn_implementation == attention
    assert model.use_remove_padding == (attention == "flash_attention_2")


@pytest.mark.verl
@pytest.mark.parametrize("schedule", ["constant", "cosine"])
@pytest.mark.parametrize("warmup", [0, 3])
def test_the_learning_rate_is_that_of_verls_scheduler(schedule, warmup):
    import torch
    from verl.utils.torch_functional import get_cosine_schedule_with_warmup

    given = config(steps=10, optimiser={"learning_rate": 0.2, "schedule": schedule, "warmup_steps": warmup})
    optim = composed(given).actor_rollout_ref.actor.optim
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=optim.lr)
    scheduler = get_cosine_schedule_with_warmup(
        optimiser,
        num_warmup_steps=max(0, optim.lr_warmup_steps),
        num_training_steps=10,
        min_lr_ratio=optim.min_lr_ratio,
        zero_indexed_step=optim.zero_indexed_step,
    )
    for step in range(1, 11):
        assert learning_rate(given, step) == pytest.approx(scheduler.get_last_lr()[0])
        optimiser.step()
        scheduler.step()


def test_a_constant_rate_with_a_warm_up_is_the_plain_loops():
    given = config(optimiser={"learning_rate": 0.8, "warmup_steps": 3})
    assert [learning_rate(given, step) for step in range(1, 7)] == pytest.approx([0.2, 0.4, 0.6, 0.8, 0.8, 0.8])


def test_a_cosine_without_warm_up_is_the_plain_loops():
    given = config(steps=4, optimiser={"learning_rate": 1.0, "schedule": "cosine", "final_share": 0.2})
    expected = [0.2 + 0.8 * (1 + math.cos(math.pi * done / 4)) / 2 for done in range(4)]
    assert [learning_rate(given, step) for step in range(1, 5)] == pytest.approx(expected)


def test_dynamic_sampling_may_draw_its_extra_batches():
    assert total_draws(config(steps=10, batch_problems=4)) == 40
    dynamic = {"from_step": 5, "max_extra_batches": 2}
    assert total_draws(config(steps=10, batch_problems=4, dynamic_sampling=dynamic)) == 120
