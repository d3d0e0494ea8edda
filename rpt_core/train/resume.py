"""The model that a run continues with: that of its newest checkpoint that is whole, or the config's.

In: a stage's context, its model's config. Out: model and tokenizer. A damaged checkpoint is set aside with a warning
that names it and the one that the run continues from. Whether the config still fits a checkpoint says `train.changes`.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from rpt_core.config import ModelConfig
from rpt_core.errors import UserError
from rpt_core.models.checkpoints import check_checkpoint, choose_device, load_model, read_metadata, set_aside
from rpt_core.models.finite import check_weights
from rpt_core.run.context import StageContext
from rpt_core.run.folder import RunDir
from rpt_core.text.tokens import Tokenizer


def newest_whole(context: StageContext, config: ModelConfig) -> tuple[Any, Tokenizer]:
    """Model and tokenizer of the newest checkpoint that is whole, or of the config when there is none yet.

    Damaged ones are set aside, with a warning. Raises UserError when there are checkpoints and none can be read.
    """
    run, passed = context.run, list[tuple[Path, UserError]]()
    refuse_other_engine(run, "torch")
    choose_device(config.device)  # so that what it refuses is no fault of a checkpoint
    for step in reversed(run.checkpoint_steps()):
        path = run.checkpoint(step)
        try:
            check_checkpoint(path)
            loaded = load_model(config.model_copy(update={"path": str(path)}))
            check_weights(loaded[0])
        except UserError as error:
            passed.append((path, error))
            continue
        for bad, why in passed:
            aside = set_aside(bad)
            message = f"{bad} is damaged: {why} The run continues from {path}; the damaged one is now {aside.name}."
            context.tell_at_start("warning", message)
        return loaded
    if passed:
        path, why = passed[0]
        raise UserError(
            f"{why} So the checkpoint {path} is damaged, and no other can be read. Put the file back, or remove "
            f"{run.checkpoints} to start over."
        )
    return load_model(config)


def refuse_other_engine(run: RunDir, engine: str) -> None:
    """Raise UserError when the newest checkpoint is another engine's: neither can read the other's optimiser.

    Of a checkpoint whose metadata is damaged nothing is said here.
    """
    newest, made_by = run.newest_checkpoint(), engine
    if newest is not None:
        with suppress(UserError):
            made_by = read_metadata(newest).get("engine", "torch")
    if made_by != engine:
        raise UserError(
            f"{newest} was made by the engine {made_by}, and the engine {engine} cannot use its optimiser's state. Put "
            f"`engine: {made_by}` back, or start a new run with this checkpoint as `model.path`."
        )
