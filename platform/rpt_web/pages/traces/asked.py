"""How the model was asked for a response: template, sampling, seed, as the run's frozen config says.

In: a run, a response. Out: names and values in words; what a config does not say is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

from rpt_core.problems.prompts import template_names
from rpt_web.runs.models import Run
from rpt_web.traces.models import Rollout

Line = tuple[str, str]


def asked_with(run: Run, rollout: Rollout) -> list[Line]:
    """What to show beside the prompt."""
    config: dict[str, Any] = run.config
    return [*_template(config, rollout), *_sampling(config, rollout), *_seed(config, rollout)]


def _template(config: dict[str, Any], rollout: Rollout) -> Iterator[Line]:
    prompt = config.get("prompt") or config
    name = str(prompt.get("template") or "")
    templates = config.get("templates") or ()
    if not name and 0 < rollout.step <= len(templates):  # a comparison of templates counts them as steps, from 1
        name = str(templates[rollout.step - 1])
    if name:
        built_in = name in template_names()
        yield "Template", f"{name}, built in" if built_in else PurePath(name).stem  # a saved one's name has its version
    if limit := prompt.get("max_prompt_tokens"):
        yield "Prompt at most", f"{limit:,} tokens, cut from the left"


def _sampling(config: dict[str, Any], rollout: Rollout) -> Iterator[Line]:
    tested = config.get("test_sampling") if rollout.kind != "train" else None
    sampling: dict[str, Any] = tested or config.get("sampling") or {}
    if rollout.kind == "greedy":
        yield "Temperature", "0, greedy"
    elif "temperature" in sampling:
        yield "Temperature", f"{sampling['temperature']:g}"
    if limit := sampling.get("max_response_tokens"):
        yield "Response at most", f"{limit:,} tokens"
    if backend := config.get("rollout_backend"):
        yield "Backend", str(backend)


def _seed(config: dict[str, Any], rollout: Rollout) -> Iterator[Line]:
    seed = (config.get("evaluation") or config.get("held_out") or {}).get("seed")
    seed = config.get("seed", seed) if rollout.kind == "train" or seed is None else seed
    if seed is not None:
        yield "Seed", f"{seed}; that of each step follows from it"
