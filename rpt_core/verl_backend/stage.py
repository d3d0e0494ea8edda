"""Stage `rpt` with the engine verl (`engine: verl`).

In: an RptConfig, a policy, a filter run's positions. Out: the same events, shards, checkpoints, ledger and evaluations
as the plain loop's (`rpt_core.train.rpt`); pages don't know the engine. verl is a child process, or a job of a cluster,
and is observed through its files alone.

Deviations from the plain loop: verl cannot be asked for a checkpoint, so a stop goes back to the newest one, and steps
after it are done again after a resume. Evaluations are made by our own evaluator on exported checkpoints when verl has
ended, since it holds the GPUs until then.
"""

from __future__ import annotations

import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rpt_core.config import RptConfig
from rpt_core.errors import UserError
from rpt_core.evaluation.held_out import warn_of_lost_positions
from rpt_core.problems.plain_text import warn_of_plain_text
from rpt_core.run.context import StageContext, StopRequested
from rpt_core.text.tokens import load_tokenizer
from rpt_core.train.checkpoint_records import emit_untold_checkpoint
from rpt_core.train.on_positions import load_positions
from rpt_core.verl_backend.checkpoints import Course
from rpt_core.verl_backend.data_files import write_data_files
from rpt_core.verl_backend.engine_config import EngineConfigWatch
from rpt_core.verl_backend.evaluations import run_due
from rpt_core.verl_backend.failures import explain, tail
from rpt_core.verl_backend.folder import VerlFolder
from rpt_core.verl_backend.launch import Verl, cluster_address, make_verl
from rpt_core.verl_backend.progress import Phases
from rpt_core.verl_backend.settings import VerlPaths, overrides
from rpt_core.verl_backend.stall import StallWatch
from rpt_core.verl_backend.traces import Follower

POLL_SECONDS = 0.5
PROGRESS_SECONDS = 10.0
DRAIN_SECONDS = 30.0
"""How long files of an ended verl may take to arrive, from other nodes for instance."""
LOG_TAIL_CHARACTERS = 3000


def run(config: RptConfig, context: StageContext) -> dict[str, Any]:
    """Train for the configured steps; returns steps, compute and counts of positions for the `finished` event."""
    tokenizer = load_tokenizer(config.model.path)
    problems = load_positions(config, tokenizer)
    folder = VerlFolder(context.run, context.log.attempt)
    course = Course(config, context, folder, problems, tokenizer)
    context.started(course.step, config.steps)
    emit_untold_checkpoint(context, course.step)
    warn_of_lost_positions(context, problems)
    warn_of_plain_text(context, [config.prompt.template], tokenizer)
    if course.step < config.steps:
        _train(config, context, folder, course)
    run_due(config, context)
    return course.finish()


def _train(config: RptConfig, context: StageContext, folder: VerlFolder, course: Course) -> None:
    """Run verl from the newest checkpoint to the last step."""
    folder.create()
    write_data_files(config, folder, course.problems, course.tokenizer)
    has_gpu = _has_gpu(config)
    verl = make_verl(config.verl, folder, has_gpu)
    resolved = EngineConfigWatch(folder, context, verl.ray)
    try:
        words = overrides(config, _paths(config, folder, course, verl), has_gpu, bool(find_spec("flash_attn")))
        verl.start(words)
        _follow(config, context, folder, course, verl, resolved)
    finally:
        verl.stop()
        resolved.look()


def _follow(
    config: RptConfig,
    context: StageContext,
    folder: VerlFolder,
    course: Course,
    verl: Verl,
    resolved: EngineConfigWatch,
) -> None:
    """Record what verl does until it ends. Raises StopRequested, or UserError for an end that can be explained."""
    follower = Follower(folder, config.batch_problems * config.group_size)
    watch = StallWatch(folder, config.verl.stall_minutes)
    phases, told = Phases(folder.log), time.monotonic()
    while (code := verl.poll()) is None:
        resolved.look()
        _record(course, follower)
        if context.stop_requested:
            verl.stop()
            _record(course, follower)
            raise StopRequested(course.saved_step)
        if (stalled := watch.problem()) is not None:
            verl.stop()
            _record(course, follower)
            raise UserError(_in_words(folder, course, stalled))
        if time.monotonic() - told >= PROGRESS_SECONDS:
            told = time.monotonic()
            context.progress(course.step, config.steps, phases.now())
        time.sleep(POLL_SECONDS)
    _drain(config, course, follower, whole=code == 0)
    if code != 0 or course.step < config.steps:
        _explain_end(folder, course, code)


def _record(course: Course, follower: Follower) -> None:
    for step in follower.finished_steps():
        course.add(step)


def _drain(config: RptConfig, course: Course, follower: Follower, whole: bool) -> None:
    """Record the rest; of a verl that ended well, wait for all of it."""
    deadline = time.monotonic() + DRAIN_SECONDS
    _record(course, follower)
    while whole and course.step < config.steps and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        _record(course, follower)


def _explain_end(folder: VerlFolder, course: Course, code: int) -> None:
    """Raise the error of a verl that ended too early."""
    if (cause := explain(tail(folder.log))) is None:
        _show_log(folder)
        raise RuntimeError(f"verl ended at step {course.step} with exit code {code}; its whole log is {folder.log}")
    raise UserError(_in_words(folder, course, cause))


def _in_words(folder: VerlFolder, course: Course, cause: str) -> str:
    """What a failed run's page says: the cause, where to go on, where the log is."""
    _show_log(folder)
    newest = f"The newest checkpoint is step {course.saved_step}" if course.saved_step else "There is no checkpoint yet"
    return f"{cause} {newest}; retry the run to continue from there. verl's log: {folder.log}"


def _show_log(folder: VerlFolder) -> None:
    """The end of verl's log, in the stage's own."""
    print(tail(folder.log)[-LOG_TAIL_CHARACTERS:], file=sys.stderr)


def _paths(config: RptConfig, folder: VerlFolder, course: Course, verl: Verl) -> VerlPaths:
    return VerlPaths(
        model=_absolute(config.model.path),
        data=folder.data,
        agent_loops=folder.agent_loops,
        checkpoints=folder.checkpoints,
        dumps=folder.dumps,
        work=folder.attempt,
        resolved=folder.resolved,
        resume_from=folder.state(course.step) if course.step else None,
        ray=verl.ray,
    )


def _absolute(model: str) -> str:
    """A folder's whole path: verl's processes run elsewhere. The name of a model on a hub stays as it is."""
    return str(Path(model).resolve()) if Path(model).is_dir() else model


def _has_gpu(config: RptConfig) -> bool:
    """Whether verl is to use GPUs. Of a cluster's machines nothing is known here, but that they have some."""
    import torch

    if config.model.device == "cpu":
        return False
    return cluster_address(config.verl) is not None or torch.cuda.is_available()
