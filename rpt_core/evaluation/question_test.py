"""Test questions answered by a policy in training: accuracy with its interval, and the change since before (Table 2).

In: a policy's sampler, posed test questions, a judge. Out: the table `rlvr_test` with a row for every test so far, an
outcome for each question in Parquet (the format of all evaluations: document = the question's id), the responses as
rollouts of kind `sampled`. Every test asks the same questions with the same seed. The intervals are Wilson's over
questions; with several responses to each, those of the same question do not count as independent. The change has a
bootstrap interval over the pairs that a question's two results make.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import chain
from typing import Any

import numpy as np

from rpt_core.config import DIFFICULTIES, RlvrConfig
from rpt_core.evaluation.countdown import Countdown
from rpt_core.evaluation.outcome_table import Answers, outcome_table
from rpt_core.evaluation.outcomes import read_outcomes
from rpt_core.evaluation.reasoning import Responses, estimate, respond
from rpt_core.inference.rollout import Rollout, Sampler
from rpt_core.inference.rows import rollout_rows
from rpt_core.positions.sets import PositionSample
from rpt_core.problems.questions import PosedQuestion
from rpt_core.rewards.answers import AnswerJudge
from rpt_core.run.context import StageContext
from rpt_core.run.rollout_files import emit_rollouts, write_table
from rpt_core.run.tables import Cell, Chart, Column, Estimate, ResultTable, emit_table
from rpt_core.seeds import derive_seed
from rpt_core.statistics.paired import mean_difference
from rpt_core.verdict import Verdict

TABLE = "rlvr_test"
_ESTIMATES = ("accuracy", "change", "pass_at", "majority")
Row = dict[str, Any]
"""A row of the table as plain JSON values, so that checkpoints can carry it."""


class QuestionTest:
    """Asks a policy, which may change between tests, the same questions."""

    def __init__(
        self,
        context: StageContext,
        sampler: Sampler,
        judge: AnswerJudge,
        questions: Sequence[PosedQuestion],
        config: RlvrConfig,
        steps: int | None = None,
    ) -> None:
        """steps: the training's, for the events."""
        self.steps = steps
        self.context, self.sampler, self.judge = context, sampler, judge
        self.questions, self.config = questions, config

    def run(self, step: int, epoch: float) -> Row:
        """Ask and judge; write and announce responses and outcomes; returns the row of this test.

        When the sampler is stopped, nothing has been announced.
        """
        config = self.config
        seed = derive_seed(config.seed, "test questions")
        total = config.test_samples * len(self.questions)
        countdown = Countdown(self.context, total, steps=self.steps, is_whole_stage=False)
        countdown.begin(step, "answering the test questions")
        groups = respond(self.sampler, self.questions, config.test_samples, config.test_sampling, seed, countdown.add)
        responses = Responses(groups, judge_answers(self.judge, self.questions, groups))
        self._record(step, responses)
        return {"step": step, "epoch": epoch, **self._found(step, responses)}

    def announce(self, rows: Sequence[Row], step: int) -> None:
        """Write and announce the table of all tests."""
        emit_table(self.context.run, self.context.log, table_of_tests(rows, self.config, step))

    def _record(self, step: int, responses: Responses) -> None:
        run, count = self.context.run, len(self.questions)
        rows = rollout_rows(step, self.questions, responses.groups, responses.verdicts)
        emit_rollouts(run, self.context.log, "sampled", step, rows)
        nowhere = {name: np.zeros(count, np.bool_) for name in DIFFICULTIES}
        sample = PositionSample(list(range(count)), nowhere)
        write_table(run.evaluation(step), outcome_table(self.questions, sample, Answers(sampled=responses)))

    def _found(self, step: int, responses: Responses) -> Row:
        samples, several = responses.samples, responses.samples > 1
        is_first = step == 0 or bool(self.config.questions.listed_questions)
        rollouts = list(chain.from_iterable(responses.groups))
        verdicts = list(chain.from_iterable(responses.verdicts))
        estimates = {
            "accuracy": estimate(responses.means, samples),
            "change": None if is_first else self._change(responses.means),
            "pass_at": estimate(responses.pass_at(samples)) if several else None,
            "majority": estimate(responses.majority) if several else None,
        }
        return {
            **{name: None if value is None else asdict(value) for name, value in estimates.items()},
            "tokens": sum(responses.tokens) / len(responses.tokens),
            "cut": sum(rollout.finish_reason == "length" for rollout in rollouts) / len(rollouts),
            "no_box": sum(verdict.prediction is None for verdict in verdicts) / len(verdicts),
        }

    def _change(self, means: Sequence[float]) -> Estimate:
        """Accuracy now minus accuracy before training, question by question."""
        before = read_outcomes(self.context.run.evaluation(0)).correctness("sampled")
        return mean_difference(before, means, self.config.seed)


def judge_answers(
    judge: AnswerJudge, questions: Sequence[PosedQuestion], groups: Sequence[Sequence[Rollout]]
) -> list[list[Verdict]]:
    """The verdicts on each question's responses."""
    return [
        [judge.judge(r.data, posed.question.answers, r.finish_reason == "stop") for r in group]
        for posed, group in zip(questions, groups, strict=True)
    ]


def table_of_tests(rows: Sequence[Row], config: RlvrConfig, step: int) -> ResultTable:
    """All tests so far as a finished table."""
    samples = config.test_samples
    columns = [
        Column("step", "Step", "count"),
        Column("epoch", "Epoch", "number"),
        Column("accuracy", "Accuracy", "share"),
        Column("change", "Change since before", "difference"),
        Column("pass_at", f"Pass@{samples}", "share"),
        Column("majority", "Majority", "share"),
        Column("tokens", "Tokens of a response", "tokens"),
        Column("cut", "Cut by the limit", "share"),
        Column("no_box", "Without a box", "share"),
    ]
    if samples == 1:
        columns = [column for column in columns if column.key not in ("pass_at", "majority")]
    return ResultTable(
        TABLE,
        "Test questions before and after learning from answers",
        _caption(config, rows[-1]["accuracy"]["n"]),
        columns,
        [_cells(row) for row in rows],
        Chart("line", "step", ("accuracy",), y_title="Accuracy on test questions"),
        step,
    )


def _caption(config: RlvrConfig, n: int) -> str:
    responses = "one response" if config.test_samples == 1 else f"{config.test_samples} responses"
    drawn = f"drawn with seed {config.questions.seed}"
    asked = f"listed questions of those {drawn}" if config.questions.listed_questions else f"test questions, {drawn}"
    sampling, judged = config.test_sampling, {"math_verify": "as mathematics", "exact": "as texts"}[config.answer_by]
    return (
        f"n = {n} {asked}, {responses} to each at temperature "
        f"{sampling.temperature:g} with at most {sampling.max_response_tokens:,} tokens; answers are compared "
        f"{judged}. One training run, seed {config.seed}. Intervals of 95 %: Wilson's over questions for shares, a "
        "paired bootstrap over questions for the change. "
        "Published (Table 2), before and after: R1-14B 51.2 % and 52.7 %, continual NTP 10.7 % and 13.0 %, RPT-14B "
        "56.3 % and 58.3 %."
    )


def _cells(row: Row) -> dict[str, Cell]:
    return {key: Estimate(**value) if key in _ESTIMATES and value is not None else value for key, value in row.items()}
