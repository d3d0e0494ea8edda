"""One position run again: an `evaluate` run at that position alone, whose group then stands beside the others.

A question is asked again by the stage that asked it, `benchmark` or `rlvr`, with this question alone on its list.

In: a group of responses, whose run says how the model is asked; a checkpoint; how many responses. Out: a run of high
priority in an experiment of its own, submitted as every run is, so that no other experiment's results hold it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from pydantic import ValidationError

from rpt_core.config import STAGES, SamplingConfig, StageConfig
from rpt_core.errors import UserError
from rpt_web.runs import checks, findings
from rpt_web.runs.models import GPU_QUEUE, UNFINISHED, Experiment, Priority, Run
from rpt_web.runs.queues import queue_for
from rpt_web.runs.services import create_experiment, submit
from rpt_web.teams.models import Team, User
from rpt_web.traces.models import CorpusPosition, PositionRerun, ResponseGroup

EXPERIMENT = "Positions run again"
DESCRIPTION = "Runs at one position or question each, begun on its page."
MOST_SAMPLES = 64
MOST_AT_ONCE = 3
"""Reruns of one person that have not ended: they go ahead of other runs."""


@dataclass(frozen=True)
class RerunWanted:
    """What is asked for. Without a temperature, that of the group's run."""

    model: str
    samples: int
    temperature: float | None = None


def rerun(team: Team, run: Run, group: ResponseGroup, wanted: RerunWanted, user: User) -> Run:
    """Submit it in the name of a team. Raises UserError for what cannot be run, HeldBack for what pre-flight finds."""
    position = group.position
    if position is None:
        raise UserError("These responses do not say where they were asked, so they cannot be run again.")
    _refuse_too_many(user)
    number = PositionRerun.objects.filter(position=position).count() + 1
    config = config_of(run, group, position, wanted, seed=number)
    hardware = findings.usual_hardware(config.model_dump(mode="json"))
    findings.require(findings.of_config(config, hardware, [team.pk]), anyway=True)
    where = (
        f"{position!s:.12} byte {position.byte_offset}" if position.byte_offset >= 0 else f"question {position!s:.12}"
    )
    title = f"{where}, {wanted.samples} responses as {run.name} was asked"
    with transaction.atomic():
        experiment = _experiment(team, user)
        name = _free_name(experiment, position, number)
        made = submit(experiment, name, config, user, title=title[: checks.LONGEST_TITLE], priority=Priority.HIGH)
        PositionRerun.objects.create(run=made, position=position)
    return made


def config_of(run: Run, group: ResponseGroup, position: CorpusPosition, wanted: RerunWanted, seed: int) -> StageConfig:
    """The config: the checkpoint is new, the rest is as the group was asked. Raises UserError for what does not fit."""
    if not 0 < wanted.samples <= MOST_SAMPLES:
        raise UserError(f"Ask for 1 to {MOST_SAMPLES} responses.")
    is_question = position.byte_offset < 0
    values = (_of_question if is_question else _of_place)(run, group, position, wanted, seed)
    try:
        return STAGES[values["stage"]].model_validate(values)
    except ValidationError as error:
        raise UserError(f"This cannot be run. {checks.in_words(error)}") from None


def samples_of(config: Mapping[str, Any]) -> int:
    """How many responses such a run asks for."""
    places = (config.get("evaluation") or {}).get("samples"), config.get("test_samples"), config.get("samples")
    return next(int(count) for count in places if count)


def _of_place(
    run: Run, group: ResponseGroup, position: CorpusPosition, wanted: RerunWanted, seed: int
) -> dict[str, Any]:
    config: Mapping[str, Any] = run.config
    held_out = config.get("evaluation") or config.get("held_out") or {}
    levels = {name: held_out[name] for name in ("easy_nats", "medium_nats", "hard_nats") if name in held_out}
    return {
        "stage": "evaluate",
        "model": _model(run, wanted.model),
        "evaluation": {
            "positions": positions_of(run, group.kind),
            "listed_positions": [str(position)],
            "modes": ["sampled"],
            "samples": wanted.samples,
            "seed": seed,
            **levels,
        },
        "prompt": prompt_of_group(config, group.step),
        "sampling": _sampling(config.get("sampling"), wanted),
        **{name: config[name] for name in ("rollout_backend", "vllm") if name in config},
    }


def _of_question(
    run: Run, group: ResponseGroup, position: CorpusPosition, wanted: RerunWanted, seed: int
) -> dict[str, Any]:
    """The run's own config with this question alone; in `rlvr`, which then trains nothing, it is a test question."""
    name = bytes(position.text_hash).hex()
    fields = STAGES[run.stage].model_fields.keys() - {"trackers"}
    known = {key: value for key, value in run.config.items() if key in fields}
    values = known | {"model": _model(run, wanted.model)}
    if run.stage == "benchmark":
        one = {"listed_questions": [name], "per_category": None, "samples": wanted.samples, "modes": ["reasoning"]}
        return values | one | {"sampling": _sampling(known.get("sampling"), wanted), "sampling_seed": seed}
    if run.stage == "rlvr":
        sampling = known.get("sampling" if group.kind == "train" else "test_sampling")
        one = {"questions": known["questions"] | {"listed_questions": [name]}, "test_samples": wanted.samples}
        return values | one | {"test_sampling": _sampling(sampling, wanted), "seed": seed}
    raise UserError(f"The stage {run.stage} does not ask single questions. Open the question as another run asked it.")


def positions_of(run: Run, kind: str) -> str:
    """The folder of the positions at which a run's responses of a kind were asked. Raises UserError without one."""
    held_out = run.config.get("evaluation") or run.config.get("held_out") or {}
    training, measured = run.config.get("positions"), held_out.get("positions")
    found = (training or measured) if kind == "train" else (measured or training)
    if not found:
        raise UserError(f"The run {run.name!r} does not say which filter run its positions are of.")
    return str(found)


def prompt_of_group(config: Mapping[str, Any], step: int) -> dict[str, Any]:
    """How prompts of a step were made; a comparison of templates counts them as steps, from 1."""
    if "prompt" in config:
        return dict(config["prompt"])
    found = {name: config[name] for name in ("max_prompt_tokens", "completion_tokens") if name in config}
    if "prompt_date" in config:
        found["date"] = config["prompt_date"]
    templates = config.get("templates") or ()
    return found | ({"template": templates[step - 1]} if 0 < step <= len(templates) else {})


def usual_model(run: Run, step: int) -> str:
    """The run's newest checkpoint that is not after a step, or else the model that it began with (1 query)."""
    found = run.checkpoints.filter(step__lte=step).order_by("-step").first()
    return str(run.directory / found.path) if found else str((run.config.get("model") or {}).get("path", ""))


def _model(run: Run, path: str) -> dict[str, Any]:
    own = dict(run.config.get("model") or {})
    if own.get("device", "auto") == "auto" and run.queue == GPU_QUEUE and queue_for(own) != GPU_QUEUE:
        own["device"] = "cuda"  # what only a node with a GPU could do waits for one again
    return own | {"path": path}


def _sampling(asked: Mapping[str, Any] | None, wanted: RerunWanted) -> dict[str, Any]:
    known = {name: value for name, value in (asked or {}).items() if name in SamplingConfig.model_fields}
    return known if wanted.temperature is None else known | {"temperature": wanted.temperature}


def _refuse_too_many(user: User) -> None:
    under_way = PositionRerun.objects.filter(run__created_by=user, run__status__in=UNFINISHED).count()
    if under_way >= MOST_AT_ONCE:
        raise UserError(
            f"{under_way} positions are being run again for you; they go ahead of other runs, so {MOST_AT_ONCE} is the "
            "most for each person. Wait for one of them, or cancel it."
        )


def _experiment(team: Team, user: User) -> Experiment:
    """The team's experiment of such runs; two of one team are made one after the other. In a transaction."""
    Team.objects.select_for_update(no_key=True).get(pk=team.pk)
    rows = Experiment.objects.filter(team=team, name=EXPERIMENT, archived_at=None, deletion=None)
    found = rows.order_by("-id").first()
    return found or create_experiment(EXPERIMENT, user, team=team, description=DESCRIPTION)


def _free_name(experiment: Experiment, position: CorpusPosition, number: int) -> str:
    name = f"position-{position.pk}-{number}"
    taken = set(experiment.runs.filter(name__startswith=f"position-{position.pk}-").values_list("name", flat=True))
    while name in taken:
        number += 1
        name = f"position-{position.pk}-{number}"
    return name
