"""The all-or-nothing ledger: what became of each training position's groups in a run on positions, and what it cost.

In: each step's groups with their outcomes. Out: `ledger.parquet` with a row for each position that was tried, two
tables, and lists of the positions that were never, sometimes and always solved, from which another filter run can take
its training positions (`keep: list`). Whatever the reward is, a response solves its position when Eq. 3 rewards it.
Loads without torch.

The counts are two arrays that change in place, so that a checkpoint can hold them beside the weights: a run that
continues from a checkpoint has the ledger of that checkpoint, and counts nothing twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rpt_core.arrays import Indices
from rpt_core.models.flops import sampling_flops
from rpt_core.positions.documents import Flags
from rpt_core.positions.lists import write_position_list
from rpt_core.run.context import StageContext
from rpt_core.run.folder import RunDir
from rpt_core.run.rollout_files import write_table
from rpt_core.run.tables import Cell, Column, ResultTable, emit_table
from rpt_core.words import counted

if TYPE_CHECKING:  # problems know tokenizers, whose library loads torch
    from rpt_core.problems.problem import ProblemSet


class Outcome(StrEnum):
    """What its rewards make of a group."""

    USED = "used"
    """Rewards differ: it has something to teach, and is learnt from."""
    ALL_ZERO = "all_zero"
    """Rewards are equal, and not above 0."""
    ALL_ONE = "all_one"
    """Rewards are equal, and above 0."""
    OUTSIDE_BAND = "outside_band"
    """The pass rate is too small or too large for dynamic sampling."""
    SURPLUS = "surplus"
    """It has something to teach, but the batch is full."""


_LABELS = {
    Outcome.USED: "rewards differ, learnt from",
    Outcome.ALL_ZERO: "all 0",
    Outcome.ALL_ONE: "all 1",
    Outcome.OUTSIDE_BAND: "pass rate outside the band",
    Outcome.SURPLUS: "surplus, the batch was full",
}
EQUAL_REWARDS_TEACH_NOTHING = "A group that is all 0 or all 1 teaches nothing, even if it is not dropped."
"""What an update by advantages makes of such groups."""
_OUTCOMES = list(Outcome)
_COUNTS = ("groups", "all_zero", "all_one", "dropped", "surplus", "rollouts", "rewarded", "matched", "last_step")
_COSTS = ("groups", "dropped", "rollouts", "prompt_tokens", "response_tokens")
_ROW_GROUP_ROWS = 65536
"""The ledger is read whole; small groups would only make it slow to write."""


@dataclass(frozen=True)
class GroupRecord:
    """One group of a step."""

    index: int
    """Of its position in the problem set."""
    outcome: Outcome
    is_dropped: bool
    """Left out of the batch by dynamic sampling because it teaches nothing."""
    rollouts: int
    rewarded: int
    """Responses with a reward above 0."""
    matched: int
    """Responses that Eq. 3 rewards."""
    prompt_tokens: int
    """Read once for the group."""
    response_tokens: int


class Ledger:
    """Counts over the whole run, for each kept position and for each outcome."""

    def __init__(self, kept: Indices) -> None:
        """kept: indices of the training positions in the problem set, ascending."""
        self.kept = kept
        self.counts: npt.NDArray[np.int64] = np.zeros((len(kept), len(_COUNTS)), np.int64)
        """(kept positions, what is counted)"""
        self.costs: npt.NDArray[np.int64] = np.zeros((len(Outcome), len(_COSTS)), np.int64)
        """(outcomes, what is summed)"""

    def add(self, step: int, records: Iterable[GroupRecord]) -> None:
        """Count the groups of a step."""
        for record in records:
            self._count(step, record)
            tokens = (record.prompt_tokens, record.response_tokens)
            self.costs[_OUTCOMES.index(record.outcome)] += (1, record.is_dropped, record.rollouts, *tokens)

    def of(self, name: str) -> Indices:
        """One count of every position."""
        return self.counts[:, _COUNTS.index(name)]

    def seen(self) -> Flags:
        """Which positions were tried at all."""
        return np.greater(self.of("groups"), 0)

    def never_solved(self) -> Flags:
        """Which positions were tried and solved by no response."""
        return self.seen() & np.equal(self.of("matched"), 0)

    def sometimes_solved(self) -> Flags:
        """Which positions were solved by some response, but not by every one."""
        return self.seen() & ~self.never_solved() & ~self.always_solved()

    def always_solved(self) -> Flags:
        """Which positions were tried and solved by every response."""
        return self.seen() & np.equal(self.of("matched"), self.of("rollouts"))

    def position_counts(self) -> dict[str, int]:
        """Of the run's result: how many positions there are, were tried, never solved, always solved."""
        return {
            "positions": len(self.kept),
            "positions_tried": int(self.seen().sum()),
            "positions_never_solved": int(self.never_solved().sum()),
            "positions_always_solved": int(self.always_solved().sum()),
        }

    def _count(self, step: int, record: GroupRecord) -> None:
        row = self.counts[np.searchsorted(self.kept, record.index)]
        row[_COUNTS.index("last_step")] = step
        row[:-1] += (
            1,
            record.outcome == Outcome.ALL_ZERO,
            record.outcome == Outcome.ALL_ONE,
            record.is_dropped,
            record.outcome == Outcome.SURPLUS,
            record.rollouts,
            record.rewarded,
            record.matched,
        )


def write_ledger(run: RunDir, ledger: Ledger, problems: ProblemSet) -> None:
    """Write the run's ledger, whole or not at all: a row for each position that was tried, in the documents' order."""
    seen = ledger.seen()
    indices = ledger.kept[seen]
    columns = {
        "document": pa.array(map(problems.document_id, indices.tolist()), pa.string()),
        "position": pa.array(problems.token_index[indices], pa.int32()),
        "entropy_nats": pa.array(problems.entropies[indices], pa.float32()),
        **{name: pa.array(ledger.of(name)[seen], pa.int64()) for name in _COUNTS},
    }
    write_table(run.ledger, pa.table(columns), _ROW_GROUP_ROWS)


def finish_ledger(
    context: StageContext,
    ledger: Ledger,
    problems: ProblemSet,
    parameters: int,
    step: int,
    seed: int,
    lesson: str = EQUAL_REWARDS_TEACH_NOTHING,
) -> dict[str, int]:
    """Write the lists and tables of a run that has ended; returns its counts of positions. See `ledger_tables`."""
    write_lists(context.run, ledger, problems)
    for table in ledger_tables(ledger, parameters, step, seed, lesson):
        emit_table(context.run, context.log, table)
    return ledger.position_counts()


def write_lists(run: RunDir, ledger: Ledger, problems: ProblemSet) -> None:
    """Write lists of the positions that were never, sometimes and always solved, in the filter's own tokens."""
    lists = {"never": ledger.never_solved(), "sometimes": ledger.sometimes_solved(), "always": ledger.always_solved()}
    for name, chosen in lists.items():
        records = [_listed(ledger, problems, int(row)) for row in np.flatnonzero(chosen)]
        write_position_list(run.position_list(f"{name}-solved"), records)


def ledger_tables(
    ledger: Ledger, parameters: int, step: int, seed: int, lesson: str = EQUAL_REWARDS_TEACH_NOTHING
) -> list[ResultTable]:
    """What became of the groups and what it cost, and how many positions were solved. parameters: N of the FLOPs.

    lesson: a sentence on what is learnt from groups whose rewards are equal.
    """
    scope = f"One run, seed {seed}, {counted(step, 'step')}, {counted(int(ledger.of('groups').sum()), 'group')}."
    return [
        ResultTable(
            name="ledger",
            title="What became of the groups",
            caption=f"{scope} Dropped: left out by dynamic sampling. {lesson} Tokens and FLOPs are those of sampling: "
            "the prompt once for each group, and the responses.",
            columns=[
                Column("outcome", "Group"),
                Column("groups", "Groups", "count"),
                Column("dropped", "Dropped", "count"),
                Column("rollouts", "Rollouts", "count"),
                Column("tokens", "Tokens", "tokens"),
                Column("flops", "FLOPs", "flops"),
            ],
            rows=_outcome_rows(ledger, parameters),
            step=step,
        ),
        ResultTable(
            name="solved_positions",
            title="Positions solved in training",
            caption=f"{scope} A response solves its position when Eq. 3 rewards it. Responses come from all steps, "
            "so from a changing policy.",
            columns=[
                Column("solved", "Solved by"),
                Column("positions", "Positions", "count"),
                Column("groups", "Groups", "count"),
                Column("rollouts", "Rollouts", "count"),
            ],
            rows=_solved_rows(ledger),
            step=step,
        ),
    ]


def _listed(ledger: Ledger, problems: ProblemSet, row: int) -> dict[str, Any]:
    index = int(ledger.kept[row])
    problem = problems.problem(index)
    return {
        "document": problem.document,
        "position": int(problems.filter_index[index]),
        "byte_offset": problem.byte_offset,
        "rollouts": int(ledger.of("rollouts")[row]),
        "matched": int(ledger.of("matched")[row]),
    }


def _outcome_rows(ledger: Ledger, parameters: int) -> list[dict[str, Cell]]:
    sums = [*ledger.costs.tolist(), ledger.costs.sum(axis=0).tolist()]
    names = [*(_LABELS[outcome] for outcome in _OUTCOMES), "together"]
    return [
        {
            "outcome": name,
            "groups": groups,
            "dropped": dropped,
            "rollouts": rollouts,
            "tokens": prompts + responses,
            "flops": sampling_flops(parameters, prompts, responses),
        }
        for name, (groups, dropped, rollouts, prompts, responses) in zip(names, sums, strict=True)
    ]


def _solved_rows(ledger: Ledger) -> list[dict[str, Cell]]:
    chosen = {
        "no response": ledger.never_solved(),
        "some responses": ledger.sometimes_solved(),
        "every response": ledger.always_solved(),
    }
    return [
        {
            "solved": name,
            "positions": int(rows.sum()),
            "groups": int(ledger.of("groups")[rows].sum()),
            "rollouts": int(ledger.of("rollouts")[rows].sum()),
        }
        for name, rows in chosen.items()
    ]
