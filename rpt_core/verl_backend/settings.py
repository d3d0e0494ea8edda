"""Our config as verl's complete configuration (verl 0.9, V1 trainer, synchronous). Loads without torch and verl.

In: an RptConfig, the paths of a run's files, whether there is a GPU. Out: hydra overrides for `verl.trainer.main_ppo`.
Each hyper-parameter goes to the key that has its effect: where verl has several, or one that nothing reads
(`actor.grad_clip`), the one its engine reads is set too. What verl has no equal for `config.verl_rules` refuses.

- The advantage's standard deviation is the sample's (n - 1) in verl, the population's in the plain loop, so that with
  `normalise: std` verl's advantages are smaller by sqrt((G - 1) / G).
- The learning rate follows verl's cosine, whose floor is 1 for a constant one: its own constant schedule gives the
  first update of a warm-up the rate 0. With a warm-up, the cosine begins after it; in the plain loop, under it.
- Dual clipping, which only verl has, is switched off.
- `sampling.batch_rows` bounds what vLLM decodes at once; rows of a training pass are `verl.micro_batch_per_gpu`, and
  `grpo.batch_rows` is the plain loop's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rpt_core.config import RptConfig
from rpt_core.seeds import derive_seed

NEW: Final = "+"
"""Marks a key that verl's own configuration does not list."""
NEVER_REACHED = 1e9
"""Ratio from which dual clipping would act."""


@dataclass(frozen=True)
class OwnRay:
    """A Ray of this machine, for one run."""

    folder: Path
    node_ip: str
    """Where it listens."""


@dataclass(frozen=True)
class VerlPaths:
    """The files that verl reads and writes. All absolute, and on a cluster the same on every node."""

    model: str
    """Folder, or the name of a model on a hub."""
    data: Path
    agent_loops: Path
    checkpoints: Path
    dumps: Path
    work: Path
    """Where verl runs."""
    resolved: Path
    """Where it writes its whole configuration."""
    resume_from: Path | None
    """verl's checkpoint to continue from."""
    ray: OwnRay | None
    """None on a cluster."""


def overrides(config: RptConfig, paths: VerlPaths, has_gpu: bool, has_flash: bool) -> list[str]:
    """verl's configuration as command-line words of hydra.

    has_flash: whether flash-attn is installed where verl will run.
    """
    parts = (
        _data(config, paths),
        _algorithm(config),
        _model(config, paths, has_gpu and has_flash),
        _actor(config),
        _optimiser(config),
        _rollout(config, paths),
        _reward(config, paths),
        _trainer(config, paths),
        _ray(paths, has_gpu),
        {} if has_gpu else _CPU,
    )
    merged: dict[str, Any] = {}
    for part in parts:
        merged |= part
    return [f"{key}={_text(value)}" for key, value in merged.items()]


def total_draws(config: RptConfig) -> int:
    """Most positions that a run can draw."""
    batches = 1 if config.dynamic_sampling.from_step is None else 1 + config.dynamic_sampling.max_extra_batches
    return config.steps * config.batch_problems * batches


def learning_rate(config: RptConfig, step: int) -> float:
    """Rate of verl's update in a step, counted from 1, with the settings below."""
    optimiser, warmup = config.optimiser, config.optimiser.warmup_steps
    if step <= warmup:
        return optimiser.learning_rate * step / (warmup + 1)
    floor = optimiser.final_share if optimiser.schedule == "cosine" else 1.0
    done = step - 1 if not warmup else step - (warmup + 1)
    whole = config.steps if not warmup else max(1, config.steps - (warmup + 1))
    share = floor + (1 - floor) * (1 + math.cos(math.pi * done / whole)) / 2
    return optimiser.learning_rate * max(floor, share)


def _data(config: RptConfig, paths: VerlPaths) -> dict[str, Any]:
    return {
        "data.train_files": [str(paths.data)],
        "data.val_files": [str(paths.data)],
        "data.custom_cls.path": "pkg://rpt_core.verl_backend.rows",
        "data.custom_cls.name": "DrawnRows",
        "data.train_batch_size": config.batch_problems,
        "data.max_prompt_length": config.prompt.max_prompt_tokens,
        "data.max_response_length": config.sampling.max_response_tokens,
        "data.shuffle": False,
        "data.seed": _seed(config),
        "data.dataloader_num_workers": 0,
        "data.trust_remote_code": False,
    }


def _algorithm(config: RptConfig) -> dict[str, Any]:
    return {
        "algorithm.adv_estimator": "grpo",
        "algorithm.norm_adv_by_std_in_grpo": config.grpo.normalise == "std",
        "algorithm.use_kl_in_reward": False,
        "algorithm.filter_groups.enable": False,  # our sampler does it, from the step that the config names
        "trainer.v1.trainer_mode": "sync",
        **_sampler(config),
    }


def _sampler(config: RptConfig) -> dict[str, Any]:
    dynamic = config.dynamic_sampling
    if dynamic.from_step is None:
        return {}
    key = "trainer.v1.sampler"
    return {
        f"{key}.custom_sampler.path": "pkg://rpt_core.verl_backend.sampler",
        f"{key}.custom_sampler.name": "DynamicSampler",
        **{f"{NEW}{key}.sampler_kwargs.{name}": value for name, value in dynamic.model_dump().items()},
    }


def _model(config: RptConfig, paths: VerlPaths, has_flash: bool) -> dict[str, Any]:
    key = "actor_rollout_ref.model"
    # FlashAttention takes no float32. Rows without padding need its kernel: PyTorch's would mask out all other rows.
    flash = has_flash and config.model.dtype == "bfloat16"
    return {
        f"{key}.path": paths.model,
        f"{key}.trust_remote_code": False,
        f"{key}.enable_gradient_checkpointing": True,
        f"{key}.use_remove_padding": flash,
        f"{NEW}{key}.override_config.attn_implementation": "flash_attention_2" if flash else "sdpa",
    }


def _actor(config: RptConfig) -> dict[str, Any]:
    key, reference, grpo = "actor_rollout_ref.actor", "actor_rollout_ref.ref", config.grpo
    narrow = "bf16" if config.model.dtype == "bfloat16" else "fp32"
    precision = {"param_dtype": narrow, "reduce_dtype": "fp32", "buffer_dtype": "fp32"}
    shared = {"model_dtype": "fp32", "seed": _seed(config)}
    return {
        f"{key}.strategy": "fsdp2",
        f"{key}.ppo_mini_batch_size": grpo.minibatch_groups or config.batch_problems,
        f"{key}.ppo_micro_batch_size_per_gpu": config.verl.micro_batch_per_gpu,
        f"{key}.ppo_epochs": 1,
        f"{key}.shuffle": False,
        f"{key}.data_loader_seed": _seed(config),
        f"{key}.clip_ratio": grpo.clip_low,
        f"{key}.clip_ratio_low": grpo.clip_low,
        f"{key}.clip_ratio_high": grpo.clip_high,
        f"{key}.clip_ratio_c": NEVER_REACHED,
        f"{key}.loss_agg_mode": {"token": "token-mean", "sequence": "seq-mean-token-mean"}[grpo.aggregation],
        f"{key}.entropy_coeff": grpo.entropy_coefficient,
        f"{key}.use_kl_loss": grpo.kl_coefficient > 0,
        f"{key}.kl_loss_coef": grpo.kl_coefficient,
        f"{key}.kl_loss_type": "low_var_kl",
        f"{key}.checkpoint.save_contents": ["model", "optimizer", "extra"],
        **{f"{part}.fsdp_config.{name}": value for part in (key, reference) for name, value in shared.items()},
        **{f"{NEW}{part}.fsdp_config.mixed_precision": precision for part in (key, reference)},
        f"{reference}.log_prob_micro_batch_size_per_gpu": config.verl.micro_batch_per_gpu,
    }


def _optimiser(config: RptConfig) -> dict[str, Any]:
    key, optimiser = "actor_rollout_ref.actor.optim", config.optimiser
    is_cosine = optimiser.schedule == "cosine"
    return {
        f"{key}.optimizer": "AdamW",
        f"{key}.lr": optimiser.learning_rate,
        f"{key}.betas": list(optimiser.betas),
        f"{key}.weight_decay": optimiser.weight_decay,
        f"{key}.clip_grad": optimiser.max_grad_norm,
        "actor_rollout_ref.actor.grad_clip": optimiser.max_grad_norm,
        f"{key}.lr_scheduler_type": "cosine",
        f"{key}.min_lr_ratio": optimiser.final_share if is_cosine else 1.0,
        f"{key}.lr_warmup_steps_ratio": 0.0,
        # Counted from 1 with a warm-up, so that its first update has a rate above 0.
        f"{key}.lr_warmup_steps": optimiser.warmup_steps + 1 if optimiser.warmup_steps else -1,
        f"{key}.zero_indexed_step": not optimiser.warmup_steps,
    }


def _rollout(config: RptConfig, paths: VerlPaths) -> dict[str, Any]:
    key, sampling = "actor_rollout_ref.rollout", config.sampling
    return {
        f"{key}.name": "vllm",
        f"{key}.n": config.group_size,
        f"{key}.temperature": sampling.temperature,
        f"{key}.top_p": 1.0,
        f"{key}.top_k": -1,
        f"{key}.dtype": config.model.dtype,
        f"{key}.seed": _seed(config),
        f"{key}.max_model_len": config.prompt.max_prompt_tokens + sampling.max_response_tokens,
        f"{key}.max_num_seqs": sampling.batch_rows,
        f"{key}.max_num_batched_tokens": max(8192, config.prompt.max_prompt_tokens + sampling.max_response_tokens),
        f"{key}.tensor_model_parallel_size": config.vllm.tensor_parallel,
        f"{key}.gpu_memory_utilization": config.vllm.gpu_memory_share,
        f"{key}.enable_prefix_caching": True,
        f"{key}.calculate_log_probs": True,
        f"{key}.log_prob_micro_batch_size_per_gpu": config.verl.micro_batch_per_gpu,
        f"{key}.agent.default_agent_loop": "rpt",
        f"{key}.agent.agent_loop_config_path": str(paths.agent_loops),
    }


def _reward(config: RptConfig, paths: VerlPaths) -> dict[str, Any]:
    return {
        "reward.custom_reward_function.path": "pkg://rpt_core.verl_backend.reward",
        "reward.custom_reward_function.name": "compute_score",
        f"{NEW}reward.custom_reward_function.reward_kwargs": {
            "reward": config.reward.model_dump_json(),
            "model": paths.model,
        },
    }


def _trainer(config: RptConfig, paths: VerlPaths) -> dict[str, Any]:
    resume = paths.resume_from
    return {
        "trainer.use_v1": True,
        "trainer.device": "cuda",
        "trainer.nnodes": config.verl.nodes,
        "trainer.n_gpus_per_node": config.verl.gpus_per_node,
        "trainer.total_epochs": config.steps,  # total_training_steps ends it
        "trainer.total_training_steps": config.steps,
        "trainer.save_freq": config.checkpoint_every_steps,
        "trainer.default_local_dir": str(paths.checkpoints),
        "trainer.resume_mode": "disable" if resume is None else "resume_path",
        "trainer.resume_from_path": None if resume is None else str(resume),
        "trainer.max_actor_ckpt_to_keep": None,  # the stage removes what it has exported
        "trainer.rollout_data_dir": str(paths.dumps),
        "trainer.logger": ["console", "file"],
        "trainer.project_name": "rpt",
        "trainer.experiment_name": "rpt",
        "trainer.val_before_train": False,
        "trainer.test_freq": -1,
        "hydra.run.dir": str(paths.work),
        "hydra.output_subdir": None,
        f"{NEW}hydra.callbacks.rpt": {
            "_target_": "rpt_core.verl_backend.resolved_config.WriteResolved",
            "path": str(paths.resolved),
        },
    }


def _ray(paths: VerlPaths, has_gpu: bool) -> dict[str, Any]:
    if paths.ray is None:
        return {}
    values = {"include_dashboard": False, "_temp_dir": str(paths.ray.folder), "_node_ip_address": paths.ray.node_ip}
    own = {f"{NEW}ray_kwargs.ray_init.{name}": value for name, value in values.items()}
    return own if has_gpu else own | _CPU_RAY


_CPU_RAY: Final[dict[str, Any]] = {
    f"{NEW}ray_kwargs.ray_init.num_gpus": 1,  # a logical one
    "ray_kwargs.ray_init.num_cpus": 16,
    f"{NEW}ray_kwargs.ray_init.object_store_memory": 500_000_000,
}
"""What a Ray of one's own is told on a machine without a GPU. A cluster has been told already, and refuses it."""
_CPU: Final[dict[str, Any]] = {
    "trainer.device": "cpu",
    "actor_rollout_ref.model.enable_gradient_checkpointing": False,
    "actor_rollout_ref.actor.use_torch_compile": False,
    "actor_rollout_ref.actor.fsdp_config.use_torch_compile": False,
    "actor_rollout_ref.ref.use_torch_compile": False,
    "actor_rollout_ref.ref.fsdp_config.use_torch_compile": False,
    "actor_rollout_ref.rollout.enforce_eager": True,
    # A prompt read in parts sets its seeded generator back, which those of a CPU refuse.
    "actor_rollout_ref.rollout.enable_chunked_prefill": False,
    "actor_rollout_ref.rollout.free_cache_engine": False,
    f"{NEW}actor_rollout_ref.rollout.enable_sleep_mode": False,
    "actor_rollout_ref.rollout.agent.num_workers": 1,
    "actor_rollout_ref.rollout.checkpoint_engine.update_weights_bucket_megabytes": 64,
    "reward.num_workers": 1,
    "transfer_queue.backend.SimpleStorage.num_data_storage_units": 1,
}
"""What else a machine without a GPU needs."""


def _seed(config: RptConfig) -> int:
    """verl and vLLM take seeds below 2**31."""
    return derive_seed(config.seed, "verl") % 2**31


def _text(value: Any) -> str:
    """A value in hydra's grammar of overrides."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{name}:{_text(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_text, value)) + "]"
    quoted = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}"'
