"""Groups of responses made up at random, the same each time."""

from __future__ import annotations

from random import Random

from rpt_web.runs.models import Run
from rpt_web.traces.groups import mark, position_ids
from rpt_web.traces.models import ResponseGroup, rollout_id

DOMAINS = ("", "algebra", "geometry")


def make_groups(runs, count=60, seed=0):
    """So many groups for each run, with values that leave something for every filter."""
    rng = Random(seed)
    ids = position_ids((bytes([n] * 16), 7) for n in range(8))
    made = [_group(run, number, rng, list(ids.values())) for run in runs for number in range(count)]
    ResponseGroup.objects.bulk_create(made)
    for run in runs:
        mark(run.pk)
    return list(ResponseGroup.objects.order_by("id"))


def make_runs(experiment, *names):
    return [
        Run.objects.create(experiment=experiment, name=name, stage="rpt", config={}, code_version="x") for name in names
    ]


def _group(run, number, rng, positions):
    place, step, kind = rng.randrange(8), 1 + number // 10, ("train", "sampled", "greedy")[number % 3]
    samples = 1 if kind == "greedy" else 4
    rewarded, times = rng.choice([0, 0, rng.randrange(samples + 1)]), rng.randrange(1, samples + 1)
    entropy = None if place == 0 else rng.choice([0.25, 0.75, 1.25, 1.75, 2.25])
    return ResponseGroup(
        run=run,
        experiment=run.experiment,
        step=step,
        kind=kind,
        group=number,
        first_rollout=rollout_id(step, kind, number * samples),
        position_id=positions[place],
        document=f"d{place // 2}",
        token_position=place,
        domain=rng.choice(DOMAINS),
        entropy_nats=entropy,
        difficulty=None if entropy is None else sum(entropy > nats for nats in (0.5, 1, 1.5)),
        completion=b" 7",
        samples=samples,
        rewarded=rewarded,
        pass_rate=rewarded / samples,
        predictions=times,
        majority=rng.choice([None, b"7", b" 7"]),
        majority_rewarded=rewarded > 0,
        disagreement=1 - times / samples,
        tokens_mean=rng.choice([10.5, 20.0, 31.25]),
        tokens_min=5,
        tokens_max=40,
        match=rewarded,
        mismatch=samples - rewarded,
        no_box=rng.randrange(2),
        cut=rng.randrange(2),
        white_space=rng.randrange(2),
        boxes=rng.randrange(4),
        patterns=rng.choice([None, 0, 2, 34]),
    )
