"""The defaults that are said to be published are those that were."""

from __future__ import annotations

from rpt_core.config import STAGES
from rpt_core.config.sources import HYPER_PARAMETERS, LEVELS, published_settings, source_of

TABLE_5 = {
    "steps": 1000,
    "batch_problems": 256,
    "group_size": 8,
    "optimiser.learning_rate": 1e-6,
    "optimiser.betas": (0.9, 0.999),
    "optimiser.weight_decay": 0.01,
    "optimiser.max_grad_norm": 0.2,
    "sampling.temperature": 0.8,
    "sampling.max_response_tokens": 8192,
    "prompt.max_prompt_tokens": 4096,
    "grpo.kl_coefficient": 0,
    "grpo.entropy_coefficient": 0,
}


def test_the_defaults_of_rpt_are_those_of_table_5():
    config = STAGES["rpt"].model_validate({"model": {"path": "m"}, "positions": "p"})
    assert set(published_settings()) == set(TABLE_5)
    for name, value in TABLE_5.items():
        found = config
        for part in name.split("."):
            found = getattr(found, part)
        assert found == value, name
        assert source_of("rpt", name) == HYPER_PARAMETERS


def test_other_stages_and_settings_have_no_published_default_but_the_levels():
    assert source_of("ntp", "optimiser.learning_rate") == ""
    assert source_of("rpt", "seed") == ""
    assert source_of("evaluate", "evaluation.hard_nats") == LEVELS
