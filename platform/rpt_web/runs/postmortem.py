"""What a run that failed or was lost died of, as far as its row tells, and what to try.

In: a run with its error, exit code and end of log. Out: sentences, the last metrics, and where a retry would continue.
Nothing is guessed: a cause that only stands to reason is said to be likely, and without a sign of any there is none.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass

from rpt_web.runs.models import Run, Status, StepMetrics

ROWS_SHOWN, COLUMNS_SHOWN = 5, 6
TOLD_FIRST = ("loss", "reward_mean", "gradient_norm", "kl", "entropy_nats", "response_tokens_mean", "share_no_box")
"""Of the last metrics, those that say most about an end; what else there is follows them."""
EXIT_BUG, EXIT_DECLARED = 1, 2
"""As `rpt_core.stages` has them, which loads torch's modules."""
_GPU_MEMORY = re.compile(r"CUDA out of memory|torch\.(cuda\.)?OutOfMemoryError|CUDA error: out of memory")
_FULL_DISK = re.compile(r"disk of .* is full|No space left on device|ENOSPC")
_HUNG = "wrote nothing and computed nothing"
_NOT_FITTING = "Its config does not fit what the runs before it made."


@dataclass(frozen=True)
class Cause:
    """What it died of, and what to try."""

    words: str
    remedies: Sequence[str]


@dataclass(frozen=True)
class Postmortem:
    """All that is known of the end of a run."""

    cause: Cause | None
    names: Sequence[str]
    """Of the metrics in `rows`."""
    rows: Sequence[tuple[int, Sequence[float | None]]]
    """The last steps before the end, the newest first: step, values."""
    checkpoint_step: int | None
    """From which a retry would continue; None where it would start over."""


def postmortem(run: Run) -> Postmortem | None:
    """Of a failed or lost run; None for any other (2 queries)."""
    if run.status not in (Status.FAILED, Status.LOST):
        return None
    last = list(run.metrics.order_by("-step")[:ROWS_SHOWN])
    names = _names(last)
    rows = [(row.step, [row.values.get(name) for name in names]) for row in last]
    newest = run.checkpoints.order_by("-step").values_list("step", flat=True).first()
    return Postmortem(cause_of(run), names, rows, newest)


def cause_of(run: Run) -> Cause | None:
    """What the row has signs of; None for none."""
    text = f"{run.error}\n{run.log_tail}"
    if run.status == Status.LOST:
        return _LOST
    if _FULL_DISK.search(text):
        return _DISK
    if _GPU_MEMORY.search(text):
        return _GPU
    if _HUNG in run.error:
        return _QUIET
    if "not finite" in run.error:
        return _DIVERGED
    if run.error.startswith(_NOT_FITTING):
        return _UNFITTING
    return _of_exit_code(run.exit_code)


def _of_exit_code(code: int | None) -> Cause | None:
    if code is None or code == 0:
        return None
    if code == -signal.SIGKILL:
        return _KILLED
    if code < 0:
        return _CRASHED
    return {EXIT_BUG: _BUG, EXIT_DECLARED: _DECLARED}.get(code)


def _names(rows: Sequence[StepMetrics]) -> list[str]:
    found = dict.fromkeys(name for row in rows for name in row.values)
    return [*(name for name in TOLD_FIRST if name in found), *(name for name in found if name not in TOLD_FIRST)][
        :COLUMNS_SHOWN
    ]


_LOST = Cause(
    "Its worker fell silent, in each attempt that it had. The machine was switched off, lost its network, or ran out "
    "of memory; the run itself need not be at fault.",
    ["Look at the page of the nodes, and at the log of the worker on its machine.", "Then retry the run."],
)
_DISK = Cause(
    "The disk was full.",
    ["Free some space: delete runs or old checkpoints, or lower `keep_checkpoints` in a clone.", "Then retry the run."],
)
_GPU = Cause(
    "A GPU ran out of memory.",
    [
        "Clone the run and lower what fills the GPU: rows at once, `sampling.max_response_tokens`, the batch.",
        "Or see whether something else uses the same GPU, and retry.",
    ],
)
_QUIET = Cause(
    "It hung: it neither wrote nor computed anything until it was ended. A device or a network that does not answer is "
    "the usual reason.",
    ["Look at the machine's GPUs and at its network.", "Then retry the run."],
)
_DIVERGED = Cause(
    "A number was no longer finite: training has diverged, or a value in the data is extreme.",
    [
        "Look at the last metrics below, and at the gradient norm among the curves.",
        "Clone the run with a lower learning rate, or let it skip such steps (`skip_not_finite_steps`).",
    ],
)
_UNFITTING = Cause(
    "It never started: what the runs before it made does not fit its settings.",
    ["Put right what the error names in a clone, or in those runs; a retry tries the same settings once more."],
)
_KILLED = Cause(
    "The stage was killed from outside. Most likely the system did it because the machine's memory was used up; its "
    "own log would say nothing then.",
    [
        "See whether the system's log names the process (`dmesg | grep -i kill`).",
        "Let fewer runs share the machine, or clone the run and lower the rows at once.",
    ],
)
_CRASHED = Cause(
    "The stage crashed inside a library or a driver.",
    ["Retry the run once. If it crashes again, the end of its log is what to search for."],
)
_BUG = Cause(
    "An error that nobody has foreseen, here or in a library. The end of the log has its traceback.",
    ["Retry the run once. If it fails in the same way, report the traceback."],
)
_DECLARED = Cause(
    "The stage ended by itself and says why: the cause is in the settings, the data or the model, not in the machine.",
    [
        "Put right what the error names. If that is a setting, clone the run: a retry has the same settings.",
        "If it is a file, correct the file and retry.",
    ],
)
