"""The numbers of each step for TensorBoard and Weights & Biases, through their own libraries.

In: what a training stage's config names, and the stage's log of events. Out: metrics under their names, and accuracies
as `evaluation/MODE/DIFFICULTY`. The run itself depends on neither: what cannot begin is refused before the stage works,
and what fails later ends with a warning in the log, while the run continues.
"""

from __future__ import annotations

import importlib.util
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol

from rpt_core.config import StageConfig
from rpt_core.config.base import TrackersConfig
from rpt_core.errors import UserError, said
from rpt_core.files import write_whole
from rpt_core.run.events import EventLog, EventType
from rpt_core.run.folder import RunDir

WANDB_ID = "id.txt"
"""In the run's folder `wandb`: a run that continues is the same run there."""


class Tracker(Protocol):
    """Somewhere that numbers go."""

    def begin(self, start_step: int) -> None:
        """Hear from which step on the stage works; what was told of later steps no longer counts."""

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        """Take the numbers of a step."""

    def close(self) -> None:
        """Let everything arrive."""


@contextmanager
def tracked(asked: TrackersConfig | None, config: StageConfig, run: RunDir, log: EventLog) -> Iterator[None]:
    """While the block lasts, every number in the log also goes where the config says. Raises UserError."""
    with ExitStack() as stack:
        for name, opened in _wanted(asked, config, run, log.attempt):
            listener = _Listener(name, opened(), log)
            stack.callback(listener.close)
            log.listeners.append(listener.hear)
        yield


def _wanted(
    asked: TrackersConfig | None, config: StageConfig, run: RunDir, attempt: int
) -> Iterator[tuple[str, Callable[[], Tracker]]]:
    if asked is not None and asked.tensorboard:
        yield "TensorBoard", lambda: _TensorBoard(run)
    if asked is not None and asked.wandb_project:
        yield "Weights & Biases", lambda: _Wandb(asked, config, run, attempt)


class _Listener:
    """Passes numbers on until passing fails."""

    def __init__(self, name: str, tracker: Tracker, log: EventLog) -> None:
        self.name, self.tracker, self.log, self.works = name, tracker, log, True

    def hear(self, type_: EventType, data: Mapping[str, Any]) -> None:
        """Of any event: only starts and numbers matter."""
        if type_ is EventType.STARTED:
            self._pass(lambda: self.tracker.begin(data["start_step"]))
        elif type_ is EventType.METRICS:
            self._pass(lambda: self.tracker.numbers(data["step"], _numbers(data["values"])))
        elif type_ is EventType.EVALUATION:
            self._pass(lambda: self.tracker.numbers(data["step"], _accuracies(data["results"])))

    def close(self) -> None:
        """Whatever happens in it, the run has ended as it has."""
        self._pass(self.tracker.close)

    def _pass(self, act: Callable[[], None]) -> None:
        if not self.works:
            return
        try:
            act()
        except Exception as error:
            self.works = False
            words = f"{self.name} gets no more numbers of this run: {said(error)}. The run continues without it."
            self.log.emit(EventType.LOG, level="warning", message=words)


class _TensorBoard:
    def __init__(self, run: RunDir) -> None:
        _require("tensorboard", "trackers.tensorboard")
        self.folder = run.tensorboard
        self.writer: Any = None

    def begin(self, start_step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(str(self.folder), purge_step=start_step + 1)

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()


class _Wandb:
    def __init__(self, asked: TrackersConfig, config: StageConfig, run: RunDir, attempt: int) -> None:
        _require("wandb", "trackers.wandb_project")
        import wandb

        folder = run.wandb / f"attempt-{attempt}"  # wandb names its own by the second, so that two could be one
        folder.mkdir(parents=True, exist_ok=True)
        entity, _, project = asked.wandb_project.rpartition("/")
        try:
            self.run = wandb.init(
                entity=entity or None,
                project=project,
                id=_wandb_id(run),
                resume="allow",
                name=run.path.name,
                mode="offline" if asked.wandb_offline else "online",
                dir=str(folder),
                config=config.model_dump(mode="json"),
                settings=wandb.Settings(silent=True, console="off", disable_git=True, disable_code=True),
            )
        except Exception as error:
            raise UserError(
                f"Weights & Biases cannot begin: {said(error)}. Log in on this machine (`wandb login`, or "
                "WANDB_API_KEY for its worker), set trackers.wandb_offline, or leave trackers.wandb_project empty."
            ) from None
        self.run.define_metric("*", step_metric="step")

    def begin(self, start_step: int) -> None:
        """Nothing: rows carry their step, and a step that is done twice is drawn as it was done last."""

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        self.run.log({"step": step, **values})

    def close(self) -> None:
        import wandb

        self.run.finish()
        wandb.teardown()  # its own process writes on after that, and ends here


def _wandb_id(run: RunDir) -> str:
    path = run.wandb / WANDB_ID
    if not path.is_file():
        write_whole(path, secrets.token_hex(8).encode())
    return path.read_text().strip()


def _require(package: str, field: str) -> None:
    if importlib.util.find_spec(package) is None:
        raise UserError(
            f"{field} needs the package {package}, which is not installed here. Install it where runs are trained "
            f"(pip install '.[trackers]'), or take {field} out of the config."
        )


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items() if isinstance(value, int | float)}


def _accuracies(results: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> dict[str, float]:
    cells = ((mode, difficulty, cell["value"]) for mode, row in results.items() for difficulty, cell in row.items())
    return {f"evaluation/{mode}/{difficulty}": float(value) for mode, difficulty, value in cells if value is not None}
