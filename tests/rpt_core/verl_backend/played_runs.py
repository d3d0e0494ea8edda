"""Runs of the stage whose engine is verl, played by a short program."""

import importlib

from rpt_core import stages as stages_of_core
from rpt_core.config import STAGES
from rpt_core.run.context import StageContext, StopRequested
from rpt_core.run.folder import RunDir
from rpt_core.run.rollout_files import read_rollouts
from tests.rpt_core import stages

PLAYED = "tests.rpt_core.verl_backend.played_verl"


def config(ground, **changes):
    return stages.rpt(ground, engine="verl", steps=6, checkpoint_every_steps=2, **changes)


def execute(folder, given, attempt=1, stop_after=None, allow_changed=()):
    """One attempt of the stage; returns its result, or the step at which it was stopped."""
    run = RunDir(folder)
    validated = STAGES["rpt"].model_validate(given)
    run.create(validated)
    with stages.StopAfter(run.events, attempt) as log:
        log.context, log.step = StageContext(run, log, allow_changed=allow_changed), stop_after
        module = importlib.import_module(stages_of_core._module("rpt", validated))
        try:
            return module.run(validated, log.context)
        except StopRequested as stop:
            return stop.step


def rows(folder, step):
    return list(read_rollouts(RunDir(folder).rollout_shard("train", step)))
