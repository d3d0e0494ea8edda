"""The runs of the tiny presets as if they had been played: plausible curves, evaluations and responses about cards.

In: users and experiments. Out: runs whose rows came the same way as a real run's; see `tests.factories`.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from rpt_core.plans.preset import load_preset
from rpt_core.run.folder import RunDir
from rpt_core.run.rollout_files import RolloutRow
from rpt_core.run.tables import emit_table
from rpt_web.corpora.models import ScoredSplit
from rpt_web.pages.configure.choice import free_name
from rpt_web.runs import services
from rpt_web.runs.models import Checkpoint, Experiment, Run, Status
from rpt_web.teams.models import User
from rpt_web.traces.models import rollout_id
from tests.card_rows import card_rows
from tests.factories import (
    EventFile,
    computed_at_the_end,
    end_run,
    evaluation_results,
    hostile_rows,
    make_experiment,
    record,
    start_run,
    with_samples,
    write_shard,
)
from tests.played_tables import played_tables

SIZES = {"parameters": 186368, "matrix_parameters": 185344}
"""Of the small model."""
BEFORE_RPT = ("base", "filter", "cold-filter", "cold")
"""The runs that those of RPT need."""


def finished_experiment(user: User, name: str = "Cards, seed 0", *, steps: int = 80, groups: int = 4) -> Experiment:
    """All runs of the tiny preset, succeeded, with charts, evaluations and responses; without these if groups is 0."""
    experiment = make_experiment(user, name, description="The whole path on a small model: does RPT beat its base?")
    preset = load_preset("tiny")
    ago = timedelta(minutes=6 * len(preset.runs))
    with computed_at_the_end(experiment):
        for planned in preset.runs:
            run = services.submit_planned(experiment, planned, user)
            ago -= timedelta(minutes=5)
            play(run, ago, steps, groups)
    return experiment


def finish_runs(experiment: Experiment, user: User | None, names: Sequence[str] = BEFORE_RPT) -> None:
    """Some runs of the tiny preset, one after another."""
    with computed_at_the_end(experiment):
        for name in names:
            finish_run(experiment, name, user)


def finish_run(experiment: Experiment, name: str, user: User | None = None, *, steps: int = 3) -> Run:
    """One run of the tiny preset by its name, played to its end; the runs it needs must have been."""
    planned = load_preset("tiny").run(name)
    run = services.submit_planned(experiment, planned, user)
    play(run, timedelta(minutes=3), steps, 2)
    run.refresh_from_db()
    return run


def put_real_files(experiment: Experiment, folder: Path) -> None:
    """A real model and real positions where the played runs "cold" and "filter" would have left them."""
    from tests.rpt_core import stages

    cold, filtered = (experiment.runs.get(name=name) for name in ("cold", "filter"))
    model = stages.save_taught(cold.directory / Checkpoint.objects.filter(run=cold).latest("step").path)
    config = {"stage": "filter", "corpus": stages.write_corpus(folder / "c.jsonl"), "proxy": model}
    stages.run_stage(folder / "filter", config | {"min_entropy_nats": 0.0})
    for file in (folder / "filter" / "positions").iterdir():
        (filtered.directory / "positions" / file.name).write_bytes(file.read_bytes())
    for told in stages.events(folder / "filter", "positions"):
        ScoredSplit.objects.update_or_create(run=filtered, split=told.pop("split"), defaults=told)


def failed_run(experiment: Experiment, user: User) -> Run:
    """A run that ended with a declared error."""
    run = services.submit_planned(experiment, load_preset("tiny").runs[0], user)
    run, events = start_run(run)
    events.emit("started", start_step=0, total_steps=400)
    bad = [{"file": "omni.jsonl", "line": line, "problem": "no text in `solution`"} for line in (17, 311, 312)]
    events.emit("corpus", 4, name="omni.jsonl", documents={"train": 811, "validation": 43}, bad=3, bad_records=bad)
    message = (
        "3 of 857 records (0.35 %) are unusable, more than max_bad_share 0.001 allows. Correct them or raise the share."
    )
    events.emit("failed", 2, message=message)
    tail = "\n".join([f"reading omni.jsonl ... {percent} %" for percent in range(20, 101, 20)] + [f"error: {message}"])
    return end_run(run, events, Status.FAILED, error=message, log_tail=tail, exit_code=2)


def running_rpt(experiment: Experiment, user: User, *, done: int = 33, groups: int = 4) -> tuple[Run, EventFile]:
    """An RPT run in the middle of its work, in an experiment whose earlier runs have succeeded."""
    planned = load_preset("tiny").run("rpt")
    name = free_name(experiment, planned.name)
    run = services.submit_planned(
        experiment, planned.model_copy(update={"name": name, "title": "RPT with a lower learning rate"}), user
    )
    run, events = start_run(run, timedelta(seconds=4 * done))
    events.emit("started", start_step=0, total_steps=run.config["steps"])
    _rpt_steps(run, events, range(1, done + 1), groups, evaluate_at=(0, 5, 10, 20))
    record(run)
    return run, events


def queued_rpt(experiment: Experiment, user: User) -> Run:
    """An RPT run that waits for a worker."""
    planned = load_preset("tiny").run("rpt")
    name = free_name(experiment, planned.name)
    planned = planned.model_copy(update={"name": name, "title": "RPT with groups of 16"})
    return services.submit_planned(experiment, planned, user)


def hostile_id(sample: int = 0, groups: int = 4) -> int:
    """Id of a hostile response within an RPT run."""
    return rollout_id(1, "train", groups * 8 + sample)


def _curve(start: float, end: float, step: int) -> float:
    return end + (start - end) / (1 + step / 5) ** 1.15


def _accuracy(step: int) -> dict[str, dict[str, float]]:
    sampled = {
        level: _curve(a, b, step) for level, a, b in (("easy", 0.47, 0.66), ("medium", 0.35, 0.84), ("hard", 0.15, 0.9))
    }
    greedy = {
        level: min(_curve(a, b, step), 0.97)
        for level, a, b in (("easy", 0.5, 0.7), ("medium", 0.33, 0.88), ("hard", 0.12, 0.95))
    }
    standard = {"easy": 0.40 + step / 4000, "medium": 0.22, "hard": 0.14}
    return {"standard": standard, "sampled": sampled, "greedy": greedy}


def play(run: Run, ago: timedelta, steps: int, groups: int) -> None:
    """Play a queued run of any stage to its end."""
    run, events = start_run(run, ago)
    total = {"rpt": steps, "ntp": 400, "sft": 120, "expert_iteration": 20, "rlvr": 20}.get(run.stage, 3)
    events.emit("started", start_step=0, total_steps=total)
    _PLAYS[run.stage](run, events, total, groups)
    end_run(run, events)


def _play_filter(run: Run, events: EventFile, total: int, groups: int) -> None:
    documents = run.config["corpus"]["tiny_documents"]
    events.emit(
        "corpus",
        3,
        name="tiny problems",
        documents={"train": documents - 300, "validation": 300},
        bad=0,
        bad_records=[],
    )
    for split, count in (("train", documents - 300), ("validation", 300)):
        events.emit(
            "positions",
            4,
            split=split,
            documents=count,
            positions=count * 21,
            kept=count * 4,
            by_difficulty={"easy": count * 4, "medium": count * 2, "hard": count},
        )
    events.emit("progress", step=total, total_steps=total, what="scanning documents")
    events.emit(
        "finished", 1, result={"train_kept": documents * 4, "tokens": documents * 84, "tokens_per_second": 51234.5}
    )


def _play_supervised(run: Run, events: EventFile, total: int, groups: int) -> None:
    random_ = random.Random(run.pk)
    flops = (run.config["budget"]["flops"] or total * 2.4e10) / total
    events.emit(
        "corpus", 1, name=f"tiny {run.name}", documents={"train": 29100, "validation": 900}, bad=0, bad_records=[]
    )
    for step in range(10, total + 1, 10):
        values = {
            "loss": 0.4 + 2.2 * math.exp(-step / 90) + random_.gauss(0, 0.02),
            "gradient_norm": 0.6 + random_.random() / 4,
            "learning_rate": 2.5e-3 * (1 - 0.9 * step / total),
            "tokens_per_second": 24000 + 900 * random_.random(),
        }
        events.emit("metrics", 2.4, step=step, values=values, flops=step * flops)
    events.emit("progress", step=total, total_steps=total, what="training")
    _checkpoint(events, run, total, total * flops)
    events.emit("finished", result={"steps": total, "flops": total * flops, **SIZES})


def _play_rpt(run: Run, events: EventFile, total: int, groups: int) -> None:
    wanted = {0, 5, 10, 20, 40, 60, total}
    _rpt_steps(run, events, range(1, total + 1), groups, evaluate_at=[step for step in wanted if step <= total])
    if total % 40:
        _checkpoint(events, run, total, total * 3.1e9)
    events.emit("finished", result={"steps": total, "flops": total * 3.1e9, **SIZES, "positions": 11600})


def _play_evaluate(run: Run, events: EventFile, total: int, groups: int) -> None:
    results, samples = _accuracy(80), run.config["evaluation"]["samples"]
    if "expert" in run.name:
        results["sampled"] |= {"hard": 0.84}
    elif not run.name.endswith("rpt-eval"):
        results = {
            "standard": {"easy": 0.66, "medium": 0.24, "hard": 0.15},
            "sampled": {"easy": 0.31, "medium": 0.12, "hard": 0.06 if run.name.endswith("ntp-eval") else 0.21},
            "greedy": {"easy": 0.33, "medium": 0.13, "hard": 0.05 if run.name.endswith("ntp-eval") else 0.24},
        }
    events.emit(
        "evaluation",
        9,
        step=80,
        flops=2.48e11,
        outcomes="evaluations/step-000080.parquet",
        results=evaluation_results(results) if samples == 1 else with_samples(evaluation_results(results)),
    )
    events.emit("progress", step=total, total_steps=total, what="evaluating")
    events.emit("finished", result={"positions": 1830})


def _play_expert_iteration(run: Run, events: EventFile, total: int, groups: int) -> None:
    flops = (run.config["budget"]["flops"] or 1.4e11) / total
    for step in range(1, total + 1):
        rpt_step(run, events, step, groups, flops)
    _checkpoint(events, run, total, total * flops)
    result = {"steps": total, "flops": total * flops, **SIZES, "positions": 11600, "responses_learnt": 2900}
    events.emit("finished", result=result)


def _play_rlvr(run: Run, events: EventFile, total: int, groups: int) -> None:
    for step in range(1, total + 1):
        rpt_step(run, events, step, groups)
    _play_tables(run, events, total, groups)
    _checkpoint(events, run, total, total * 3.1e9)


def _play_tables(run: Run, events: EventFile, total: int, groups: int) -> None:
    """Any stage whose findings are tables."""
    for table in played_tables(run.stage):
        emit_table(RunDir(run.directory), events, table)
    events.emit("finished", 2, result={"tables": len(played_tables(run.stage))})


def _rpt_steps(run: Run, events: EventFile, steps: Iterable[int], groups: int, evaluate_at: Iterable[int]) -> None:
    evaluated = set(evaluate_at)
    if 0 in evaluated:
        evaluate_policy(run, events, 0, groups)
    for step in steps:
        rpt_step(run, events, step, groups)
        if step in evaluated:
            evaluate_policy(run, events, step, groups)
        if step % 40 == 0:
            _checkpoint(events, run, step, step * 3.1e9)


def rpt_step(run: Run, events: EventFile, step: int, groups: int = 4, flops: float = 3.1e9) -> None:
    """One step of RPT, or of a stage like it: its responses (written only if groups is not 0), metrics, progress."""
    is_written, groups = groups > 0, max(groups, 1)
    random_ = random.Random(step)
    skill = _curve(0.2, 0.9, step)
    rows = card_rows(step, skill, groups, 8, seed=run.name) + (hostile_rows(step, groups) if step == 1 else [])
    if run.stage == "rlvr":  # answers to questions, which are no positions
        rows = [replace(row, entropy_nats=None, position=0, earned=row.reward) for row in rows]
    if run.stage == "expert_iteration":  # it knows no advantages
        rows = [replace(row, advantage=None, earned=row.reward) for row in rows]
    if is_written:
        write_shard(run, events, "train", step, rows)
    rewards = [row.reward for row in rows]
    rewards = rewards[: groups * 8]
    by_group = [rewards[start : start + 8] for start in range(0, len(rewards), 8)]
    predicted = [len(row.prediction) for row in rows if row.prediction is not None]
    values = {
        "reward_mean": sum(rewards) / len(rewards),
        "share_boxed": len(predicted) / len(rows),
        "share_matched": sum(rewards) / len(rewards),
        "share_cut": sum(row.finish_reason == "length" for row in rows) / len(rows),
        "share_all_zero": sum(max(group) == 0 for group in by_group) / len(by_group),
        "share_all_one": sum(min(group) == 1 for group in by_group) / len(by_group),
        "response_tokens_mean": _curve(12, 23, step) + random_.gauss(0, 0.3),
        "mean_negative_log_prob": _curve(0.9, 0.2, step),
        "predicted_bytes_mean": sum(predicted) / len(predicted) if predicted else None,
        "share_no_box": 1 - len(predicted) / len(rows),
        "share_several_boxes": 0.01 * random_.random(),
        "share_blank_prediction": 0.004 * random_.random(),
        "share_right_but_blanks": _curve(0.1, 0.02, step),
        "first_token_gap": _curve(0.08, 0.01, step),
        "share_target_quoted": _curve(0.3, 0.9, step),
        "loss": random_.gauss(0, 0.01),
        "entropy_nats": _curve(0.9, 0.2, step),
        "sampler_log_prob_gap": 1e-6 * random_.random(),
        "gradient_norm": 0.4 + random_.random() / 5,
        "learning_rate": 3e-4 * min(1, step / 5),
        "seconds_sampling": 0.31 + random_.random() / 20,
        "seconds_update": 0.2 + random_.random() / 20,
        "flops": flops * (1 + 0.03 * random_.random()),
        "tokens_per_second": 9800 + 600 * random_.random(),
    }
    events.emit("metrics", 3.6, step=step, values=values, flops=step * flops)
    events.emit("progress", step=step, total_steps=run.config.get("steps", 20), what="training")


def evaluate_policy(run: Run, events: EventFile, step: int, groups: int = 4) -> None:
    """An evaluation at a step, with its responses if groups is not 0."""
    for kind, skill in (("sampled", _curve(0.15, 0.9, step)), ("greedy", _curve(0.12, 0.95, step))):
        rows = card_rows(0, skill, 12, 1, seed=kind) if step == 0 else _same_hands(step, skill, kind)
        if groups:
            write_shard(run, events, kind, step, rows)
    events.emit(
        "evaluation",
        2,
        step=step,
        flops=step * 3.1e9,
        outcomes=f"evaluations/step-{step:06d}.parquet",
        results=evaluation_results(_accuracy(step)),
    )


def _same_hands(step: int, skill: float, kind: str) -> list[RolloutRow]:
    """Responses of a later step at the same positions."""
    return [replace(row, step=step) for row in card_rows(0, skill, 12, 1, seed=kind)]


def _checkpoint(events: EventFile, run: Run, step: int, flops: float) -> None:
    path = RunDir(run.directory).checkpoint(step)
    path.mkdir(parents=True, exist_ok=True)
    events.emit("checkpoint", 0.2, step=step, path=f"checkpoints/{path.name}", bytes=2_311_704, flops=flops)


_PLAYS: dict[str, Callable[[Run, EventFile, int, int], None]] = {
    "filter": _play_filter,
    "ntp": _play_supervised,
    "sft": _play_supervised,
    "rpt": _play_rpt,
    "expert_iteration": _play_expert_iteration,
    "rlvr": _play_rlvr,
    "evaluate": _play_evaluate,
    "templates": _play_tables,
    "benchmark": _play_tables,
    "analyse": _play_tables,
}
