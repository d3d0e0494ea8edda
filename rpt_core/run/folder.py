"""The folder of one run: its config, events, checkpoints, rollouts, log. The only module that knows the names in it.

    config.json      the stage's config, frozen
    events.jsonl     numbered events of all attempts
    stage.log        standard output and error of the stage; stage.log.old: what was moved out of a large one
    stage.pid        number of the process that runs the stage
    checkpoints/     step-000100/ (complete, or not there)
    rollouts/        train-000100.parquet, sampled-000100.parquet, ...
    evaluations/     step-000100.parquet: one row for each position
    positions/       train.parquet, validation.parquet, sets/NAME.parquet (stage filter)
    tables/          NAME.json: finished tables
    ledger.parquet   what became of each position's groups (stage rpt)
    position_lists/  never-solved.jsonl, sometimes-solved.jsonl, always-solved.jsonl (stage rpt)
    not_finite/      step-000002.jsonl: the batch of a training step whose numbers were not finite
    traces.jsonl     token ids of the traces that stage sft had a model write
    verl/            what verl reads and writes: `rpt_core.verl_backend.folder` (engine verl)
    lock             held by the process that runs the stage

Loads without torch and numpy.
"""

from __future__ import annotations

import fcntl
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rpt_core.config import STAGES, StageConfig
from rpt_core.config.reading import read_config
from rpt_core.errors import UserError
from rpt_core.files import write_whole

METADATA = "metadata.json"
"""In a checkpoint's folder: what made it, and how far it is."""
_STEP = re.compile(r"step-(\d{6,})$")
_STEP_FILE = re.compile(r"(.+)-(\d{6,})\.parquet")


SETS = "sets"
"""In a folder of positions: the stored position sets."""


class RunDir:
    """Paths in a run's folder. Making the object creates nothing; `create` does."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.config = self.path / "config.json"
        self.events = self.path / "events.jsonl"
        self.log = self.path / "stage.log"
        self.pid = self.path / "stage.pid"
        self.checkpoints = self.path / "checkpoints"
        self.rollouts = self.path / "rollouts"
        self.evaluations = self.path / "evaluations"
        self.positions = self.path / "positions"
        self.tables = self.path / "tables"
        self.ledger = self.path / "ledger.parquet"
        self.position_lists = self.path / "position_lists"
        self.traces = self.path / "traces.jsonl"
        self.not_finite = self.path / "not_finite"
        self.verl = self.path / "verl"
        self.tensorboard = self.path / "tensorboard"
        self.wandb = self.path / "wandb"

    def create(self, config: StageConfig) -> None:
        """Make the folder and write the config, whole or not at all."""
        self.path.mkdir(parents=True, exist_ok=True)
        write_whole(self.config, config.model_dump_json(indent=2).encode())

    def read_config(self, stage: str) -> StageConfig:
        """The validated config. Raises UserError when it is missing, or that names each wrong field."""
        if stage not in STAGES:
            raise UserError(f"There is no stage {stage!r}. The stages are: {', '.join(STAGES)}.")
        return read_config(stage, self.config)

    def rollout_shard(self, kind: str, step: int) -> Path:
        """Parquet file of one step's rollouts; kind is train, sampled or greedy."""
        return self.rollouts / f"{kind}-{step:06d}.parquet"

    def evaluation(self, step: int) -> Path:
        """Parquet file of the per-position outcomes of one evaluation."""
        return self.evaluations / f"step-{step:06d}.parquet"

    def rollout_steps(self, kind: str) -> list[int]:
        """Steps with rollouts of a kind, oldest first."""
        return _file_steps(self.rollouts, kind)

    def evaluation_steps(self) -> list[int]:
        """Steps with per-position outcomes, oldest first."""
        return _file_steps(self.evaluations, "step")

    def table(self, name: str) -> Path:
        """File of a finished table."""
        return self.tables / f"{name}.json"

    def position_list(self, name: str) -> Path:
        """File of a list of positions, such as never-solved."""
        return self.position_lists / f"{name}.jsonl"

    def not_finite_batch(self, step: int) -> Path:
        """File of the batch of a step, counted from 1, whose numbers were not finite."""
        return self.not_finite / f"step-{step:06d}.jsonl"

    def checkpoint(self, step: int) -> Path:
        """Folder of one checkpoint."""
        return self.checkpoints / f"step-{step:06d}"

    def checkpoint_steps(self) -> list[int]:
        """Steps of the complete checkpoints, oldest first."""
        if not self.checkpoints.is_dir():
            return []
        matches = (_STEP.fullmatch(entry.name) for entry in self.checkpoints.iterdir())
        return sorted(int(match[1]) for match in matches if match)

    def step_of(self, checkpoint: Path) -> int | None:
        """The step that the name of a checkpoint of this run says; None for any other path."""
        match = _STEP.fullmatch(checkpoint.name)
        return int(match[1]) if match and checkpoint.parent == self.checkpoints else None

    def newest_checkpoint(self) -> Path | None:
        """Folder of the newest complete checkpoint, or None."""
        steps = self.checkpoint_steps()
        return self.checkpoint(steps[-1]) if steps else None

    def relative(self, path: Path) -> str:
        """A path as events name it: below the run's folder, with forward slashes."""
        return path.relative_to(self.path).as_posix()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run's lock, so that two processes never write one run. Raises UserError when it is taken."""
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UserError(f"Another process is running {self.path}. Wait for it or stop it first.") from None
            yield


def older_log(log: Path) -> Path:
    """Where the older part of a log lies that has become too large."""
    return log.with_name(log.name + ".old")


def positions_file(positions: Path | str, split: str) -> Path:
    """File of a split's scored documents, in a folder of positions."""
    return Path(positions) / f"{split}.parquet"


def position_set_file(positions: Path | str, name: str) -> Path:
    """File of a stored position set, in a folder of positions."""
    return Path(positions) / SETS / f"{name}.parquet"


def position_set_names(positions: Path | str) -> list[str]:
    """Names of the stored position sets in a folder of positions."""
    return sorted(path.stem for path in (Path(positions) / SETS).glob("*.parquet"))


def _file_steps(folder: Path, prefix: str) -> list[int]:
    """The numbers in the names of a folder's complete Parquet files with a prefix."""
    if not folder.is_dir():
        return []
    matches = (_STEP_FILE.fullmatch(entry.name) for entry in folder.iterdir())
    return sorted(int(match[2]) for match in matches if match and match[1] == prefix)
