"""Stage `rlvr`: reinforcement learning on questions whose answers can be checked, from any checkpoint (Table 2).

In: an RlvrConfig, a policy, questions with answers. Out: checkpoints, rollouts of every step, the table `rlvr_test`
with the test questions before, during and after training. One step is that of RPT with another reward: sample a group
of responses for each question, reward 1 for a right answer, update the policy. The paper trains on 256 questions of
Skywork-OR1 in batches of 64 for 15 epochs and tests on 200 others; it starts from R1-14B, from that after continual
next-token prediction, and from RPT-14B.

Questions are drawn without replacement; a batch may reach over the end of an epoch. A budget in tokens counts every
response with its prompt, also of groups that are all right or all wrong: those are not learnt from, and a policy that
has only such groups left would never reach the budget. Compute counts what was processed, as everywhere.

With `questions.listed_questions` nothing is trained: a checkpoint answers these questions as it would in a test.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from rpt_core.config import RlvrConfig
from rpt_core.errors import UserError
from rpt_core.evaluation.question_test import QuestionTest, Row, judge_answers
from rpt_core.inference.backend import PolicyBackend, open_backend, open_policy_backend
from rpt_core.models.checkpoints import read_metadata
from rpt_core.models.flops import sampling_flops
from rpt_core.problems.plain_text import warn_of_plain_text
from rpt_core.problems.questions import PosedQuestion, Question, emit_questions, listed, load_questions, pose
from rpt_core.rewards.answers import AnswerJudge
from rpt_core.run.context import StageContext, StopRequested
from rpt_core.run.events import EventType
from rpt_core.seeds import derive_seed
from rpt_core.text.tokens import Tokenizer
from rpt_core.train.batch import Batch, make_batch
from rpt_core.train.loop import StepResult, TrainingLoop, load_trained, loaded_from
from rpt_core.train.monitors import response_metrics
from rpt_core.train.not_finite import sampled_rows
from rpt_core.train.policy_update import PolicyUpdate
from rpt_core.train.problem_order import ProblemOrder
from rpt_core.train.step_records import record_responses
from rpt_core.train.supervised import limit_of


def run(config: RlvrConfig, context: StageContext) -> dict[str, Any]:
    """Train to the budget; returns steps, compute and the test accuracies for the `finished` event."""
    if config.questions.listed_questions:
        return _ask_listed(config, context)
    questions = load_questions(config.questions)
    model, tokenizer = load_trained(context, config.model)
    train, long_train = _posed(questions.train, config, tokenizer)
    test, long_test = _posed(questions.test, config, tokenizer)
    limit = limit_of(config.budget, len(train) / config.batch_questions)
    loop = TrainingLoop(config, context, model, tokenizer, limit)
    with AnswerJudge(config.answer_by) as judge:
        trainer = _Trainer(config, context, loop, judge, train, test)
        loop.start()
        emit_questions(questions, context.log)
        _tell_of_long_ones(context, config, long_train, long_test)
        warn_of_plain_text(context, [config.template], tokenizer)
        trainer.test_if_due()
        loop.run(trainer.do_step, trainer.after_step)
        with loop.in_words():
            trainer.test_at_the_end()
    counts = {"train_questions": len(train), "test_questions": len(test), "left_out_long": long_train + long_test}
    spent = {"steps": loop.step, "flops": loop.flops, "tokens": loop.tokens, **loop.sizes}
    return {**spent, **counts, **trainer.found()}


def _ask_listed(config: RlvrConfig, context: StageContext) -> dict[str, Any]:
    """Ask the listed questions once; returns the accuracy and counts."""
    questions = load_questions(config.questions)
    wanted = listed(
        [*questions.train, *questions.test], config.questions.listed_questions, "questions.listed_questions"
    )
    longest = config.max_prompt_tokens + config.test_sampling.max_response_tokens
    backend = open_backend(config, config.model, longest, partial(_stop_if_asked, context))
    posed, too_long = _posed(wanted, config, backend.tokenizer)
    context.started(0, None)
    _tell_of_long_ones(context, config, 0, too_long)
    warn_of_plain_text(context, [config.template], backend.tokenizer)
    step = int(read_metadata(config.model.path).get("step", 0))
    with AnswerJudge(config.answer_by) as judge:
        test = QuestionTest(context, backend, judge, posed, config)
        row = test.run(step, 0.0)
    test.announce([row], step)
    found = {f"listed{suffix}": row["accuracy"][key] for key, suffix in _RESULTS.items()}
    return {**found, "left_out_long": too_long}


def _stop_if_asked(context: StageContext) -> None:
    if context.stop_requested:
        raise StopRequested(0)


class _Trainer:
    """The step of RLVR, and the tests between steps."""

    def __init__(
        self,
        config: RlvrConfig,
        context: StageContext,
        loop: TrainingLoop,
        judge: AnswerJudge,
        train: list[PosedQuestion],
        test: list[PosedQuestion],
    ) -> None:
        self.config, self.context, self.loop, self.judge, self.questions = config, context, loop, judge, train
        self.order = ProblemOrder(np.arange(len(train)), config.seed)
        self.update = PolicyUpdate(config.grpo, loop, config.sampling)
        self.backend = self._open_backend()
        self.test = QuestionTest(context, self.backend, judge, test, config, loop.limit.steps)

    @property
    def tests(self) -> list[Row]:
        """The tests so far; checkpoints carry them."""
        tests: list[Row] = self.loop.state.setdefault("tests", [])
        return tests

    def do_step(self, step: int) -> StepResult:
        """Sample, judge, update, record."""
        began, given_up = time.perf_counter(), self.judge.given_up
        batch = self._batch(step)
        sampled = time.perf_counter()
        self.loop.progress("updating the policy")
        try:
            update = self.update.update(batch)
        finally:
            self.backend.follow(self.loop.model)
        seconds = {"seconds_sampling": sampled - began, "seconds_update": time.perf_counter() - sampled}
        record_responses(self.context, step + 1, batch, batch.advantages.tolist())
        prompts, responses = batch.prompt_tokens(), batch.response_tokens()
        flops = sampling_flops(self.loop.matrix_parameters, prompts, responses) + update.flops
        values = {
            **response_metrics(batch.groups, batch.verdicts, batch.rewards.tolist()),
            "answers_given_up": float(self.judge.given_up - given_up),
            **update.metrics,
            **seconds,
            "flops": flops,
        }
        learnt_from = prompts * self.config.group_size + responses
        return StepResult(values, prompts + responses + update.trained_tokens, flops, learnt_from)

    def after_step(self, step: int) -> None:
        """Test when it is time to."""
        every = self.config.test_every_epochs
        if every is not None and int(self._epoch(step) / every) > int(self._epoch(step - 1) / every):
            self.loop.state["test_due"] = True
        self.test_if_due()

    def test_if_due(self) -> None:
        """Run the test of this step; one that a stop cuts short is done again after the resume."""
        if not self.tests or self.loop.state.get("test_due"):
            self._test()

    def test_at_the_end(self) -> None:
        """Test the trained policy, unless its last step has been tested."""
        if self.tests[-1]["step"] != self.loop.step:
            self._test()

    def found(self) -> dict[str, float]:
        """The accuracies before and after training, and the change."""
        before, after = self.tests[0], self.tests[-1]
        cells = {"test_before": before["accuracy"], "test_after": after["accuracy"], "test_change": after["change"]}
        values = {name: cell for name, cell in cells.items() if cell is not None}
        found = {f"{name}{suffix}": cell[key] for name, cell in values.items() for key, suffix in _RESULTS.items()}
        return {name: value for name, value in found.items() if value is not None}

    def _open_backend(self) -> PolicyBackend:
        config, loop = self.config, self.loop
        response = max(config.sampling.max_response_tokens, config.test_sampling.max_response_tokens)
        source = loaded_from(self.context.run, config.model)
        longest = config.max_prompt_tokens + response
        return open_policy_backend(config, source, loop.model, loop.tokenizer, longest, loop.stop_if_asked)

    def _batch(self, step: int) -> Batch[PosedQuestion]:
        config = self.config
        drawn = self.order.draw(step * config.batch_questions, config.batch_questions)
        questions = [self.questions[i] for i in drawn]
        at_hand = self.loop.at_hand
        at_hand.rows, at_hand.probe = partial(sampled_rows, questions), questions[0].prompt_ids
        self.loop.progress("sampling responses")
        seed = derive_seed(config.seed, "rollouts", step)
        prompts = [question.prompt_ids for question in questions]
        groups = self.backend.sample(prompts, config.group_size, config.sampling, seed)
        at_hand.add_sampling(questions, groups, self.loop.matrix_parameters)
        self.loop.progress("judging answers")
        verdicts = judge_answers(self.judge, questions, groups)
        earned = [[verdict.reward for verdict in group] for group in verdicts]
        at_hand.rows = partial(sampled_rows, questions, groups, earned)
        return make_batch(questions, groups, verdicts, earned, config.grpo, config.sampling)

    def _test(self) -> None:
        step = self.loop.step
        self.tests.append(self.test.run(step, self._epoch(step)))
        self.loop.state.pop("test_due", None)
        self.test.announce(self.tests, step)

    def _epoch(self, step: int) -> float:
        """Passes over the training questions after so many steps."""
        return step * self.config.batch_questions / len(self.questions)


_RESULTS = {"value": "", "low": "_low", "high": "_high", "n": "_n"}
"""Parts of an estimate -> what is put after the name of the result."""


def _posed(questions: Sequence[Question], config: RlvrConfig, tokenizer: Tokenizer) -> tuple[list[PosedQuestion], int]:
    """The questions as prompts, and how many were too long. Raises UserError when all were."""
    posed, too_long = pose(questions, config.template, tokenizer, config.max_prompt_tokens, config.prompt_date)
    if not posed:
        raise UserError(
            f"No question's prompt has at most {config.max_prompt_tokens} tokens. Raise `max_prompt_tokens`."
        )
    return posed, too_long


def _tell_of_long_ones(context: StageContext, config: RlvrConfig, train: int, test: int) -> None:
    if train or test:
        message = (
            f"{train} training and {test} test questions are left out: their prompts have more than "
            f"{config.max_prompt_tokens} tokens."
        )
        context.log.emit(EventType.LOG, level="warning", message=message)
