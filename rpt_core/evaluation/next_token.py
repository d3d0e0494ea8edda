"""Stage `evaluate`: next-token accuracy at held-out positions, standard and reasoning, by difficulty (Table 1).

In: a policy, the validation split of a filter run. Out: an `evaluation` event with n and a 95 % interval for each
accuracy, finished tables (by domain, standard against reasoning, pass@k), per-position outcomes in Parquet, all
responses as rollout shards. Easy, medium and hard are nested thresholds of the proxy's entropy, as in the paper. All
modes are judged on the same positions (see rpt_core.positions.sets for their choice):

- standard: argmax after the context itself, without template and without thinking, against the next token;
- sampled: n responses at the training temperature, by the prefix-matching reward: the share of right ones;
- pass@n and majority: from the same responses, when n is more than 1 (see rpt_core.evaluation.reasoning);
- greedy: one response of most probable tokens.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

from rpt_core.config import EvaluateConfig, EvaluationConfig, SamplingConfig
from rpt_core.evaluation.countdown import Countdown
from rpt_core.evaluation.findings import accuracies, domain_table, pass_table, standard_against_reasoning
from rpt_core.evaluation.held_out import (
    choose_sample,
    held_out_problems,
    warn_of_lost_positions,
    warn_of_missing_positions,
)
from rpt_core.evaluation.outcome_table import Answers, StandardAnswers, outcome_table
from rpt_core.evaluation.position_identity import identity_of
from rpt_core.evaluation.reasoning import Responses, ask
from rpt_core.inference.backend import Backend, open_backend
from rpt_core.inference.rows import rollout_rows
from rpt_core.models.checkpoints import read_metadata
from rpt_core.models.finite import output_not_finite
from rpt_core.problems.plain_text import warn_of_plain_text
from rpt_core.problems.problem import Problem, ProblemSet
from rpt_core.run.context import StageContext, StopRequested
from rpt_core.run.events import EventType
from rpt_core.run.rollout_files import emit_rollouts, write_table
from rpt_core.run.tables import emit_table
from rpt_core.text.tokens import prefix_ids, token_bytes, tokenizer_hash
from rpt_core.words import counted

__all__ = ["Evaluator", "run", "standard_answers", "warn_of_lost_positions"]
Results = dict[str, dict[str, dict[str, Any]]]
"""{mode: {difficulty: {correct, n, value, low, high, no_box}}}"""


def run(config: EvaluateConfig, context: StageContext) -> dict[str, Any]:
    """Evaluate one checkpoint; returns each mode's accuracy by difficulty for the `finished` event."""
    longest = config.prompt.max_prompt_tokens + config.sampling.max_response_tokens
    backend = open_backend(config, config.model, longest, lambda: _stop_if_asked(context))
    metadata = read_metadata(config.model.path)
    step, flops = int(metadata.get("step", 0)), float(metadata.get("flops", 0.0))
    problems = held_out_problems(config.evaluation, backend.tokenizer, config.prompt)
    context.started(0, None)
    warn_of_lost_positions(context, problems)
    warn_of_plain_text(context, [config.prompt.template], backend.tokenizer)
    evaluator = Evaluator(context, backend, problems, config.evaluation, config.sampling, is_whole_stage=True)
    results = evaluator.run(step, flops)
    return {
        f"{mode}_{difficulty}": share["value"]
        for mode, by_difficulty in results.items()
        for difficulty, share in by_difficulty.items()
        if share["n"]
    }


class Evaluator:
    """Evaluates a policy, which may change between runs, on one fixed sample of positions."""

    def __init__(
        self,
        context: StageContext,
        backend: Backend,
        problems: ProblemSet,
        config: EvaluationConfig,
        sampling: SamplingConfig,
        is_whole_stage: bool = False,
    ) -> None:
        """is_whole_stage: the stage does nothing else."""
        self.is_whole_stage = is_whole_stage
        self.context, self.backend, self.config, self.sampling = context, backend, config, sampling
        self.sample = choose_sample(problems, config)
        self.problems = [problems.problem(i) for i in self.sample.indices]
        self._told_of_missing = False

    def run(self, step: int, flops: float) -> Results:
        """Evaluate the policy as it is now, write and announce the outcomes; returns the event's results.

        When the sampler is stopped, nothing of this evaluation has been announced but the modes that were complete.
        """
        if not self._told_of_missing:
            warn_of_missing_positions(self.context, self.sample, self.config)
            self._told_of_missing = True
        answers = self._answers(step)
        path = self.context.run.evaluation(step)
        table = outcome_table(self.problems, self.sample, answers)
        write_table(path, table)
        results = accuracies(answers, self.sample)
        self.context.log.emit(
            EventType.EVALUATION,
            step=step,
            flops=flops,
            outcomes=self.context.run.relative(path),
            results=results,
            position_set=identity_of(table, self.sample.above_nats).as_json(),
            tokenizer=tokenizer_hash(self.backend.tokenizer),
        )
        self._emit_tables(step, answers)
        return results

    def _answers(self, step: int) -> Answers:
        found: dict[str, Any] = {}
        each = [self._samples(mode) for mode in self.config.modes if mode != "standard"]
        countdown = Countdown(self.context, sum(each) * len(self.problems), is_whole_stage=self.is_whole_stage)
        for number, mode in enumerate(self.config.modes, 1):
            what = f"evaluating: {mode} ({number} of {counted(len(self.config.modes), 'mode')})"
            countdown.begin(step, what, is_measured=mode != "standard")
            found[mode] = (
                standard_answers(self.backend, self.problems, prefix_ids(self.backend.tokenizer))
                if mode == "standard"
                else self._reason(step, mode, countdown)
            )
        return Answers(**found)

    def _samples(self, mode: Literal["sampled", "greedy"]) -> int:
        return 1 if mode == "greedy" else self.config.samples

    def _reason(self, step: int, mode: Literal["sampled", "greedy"], countdown: Countdown) -> Responses:
        sampling = self.sampling.model_copy(update={"temperature": 0.0}) if mode == "greedy" else self.sampling
        samples, seed = self._samples(mode), self.config.seed
        responses = ask(self.backend, self.problems, samples, sampling, seed, countdown.add)
        rows = rollout_rows(step, self.problems, responses.groups, responses.verdicts)
        emit_rollouts(self.context.run, self.context.log, mode, step, rows)
        return responses

    def _emit_tables(self, step: int, answers: Answers) -> None:
        tables = (
            standard_against_reasoning(answers, self.sample, step, self.config.seed),
            domain_table(answers, self.sample, [problem.domain for problem in self.problems], step),
            pass_table(answers, self.sample, [problem.entropy_nats for problem in self.problems], step),
        )
        for table in tables:
            if table is not None:
                emit_table(self.context.run, self.context.log, table)


def standard_answers(backend: Backend, problems: Sequence[Problem], prefix: Sequence[int]) -> StandardAnswers:
    """The argmax after each context, and the entropy there. Contexts that begin others share their pass.

    prefix: special tokens that stand before every text. Raises NotFiniteError when the model's output is none.
    """
    readers = _shared_passes(problems)
    sequences = [[*prefix, *problems[reader].context_ids, problems[reader].next_token_id] for reader in readers]
    found = dict(zip(readers, backend.score(sequences), strict=True))
    reader_of = {n: reader for reader, ns in readers.items() for n in ns}
    ids, entropies = [], []
    for n, problem in enumerate(problems):
        scores, end = found[reader_of[n]], len(prefix) + len(problem.context_ids)
        ids.append(int(scores.argmax_ids[end]))
        entropies.append(float(scores.entropies[end]))
        if not math.isfinite(entropies[-1]):
            raise output_not_finite("the entropy after a context", entropies[-1], backend.source)
    correct = [i == problem.next_token_id for i, problem in zip(ids, problems, strict=True)]
    return StandardAnswers(correct, entropies, [token_bytes(backend.tokenizer, [i], at_start=False)[0] for i in ids])


def _stop_if_asked(context: StageContext) -> None:
    if context.stop_requested:
        raise StopRequested(0)


def _shared_passes(problems: Sequence[Problem]) -> dict[int, list[int]]:
    """{number of a problem: numbers of those whose context its context begins with, itself included}."""
    longest_first = sorted(range(len(problems)), key=lambda n: -len(problems[n].context_ids))
    readers: dict[int, list[int]] = {}
    by_document: dict[str, list[int]] = {}
    for n in longest_first:
        context = problems[n].context_ids
        known = by_document.setdefault(problems[n].document, [])
        reader = next((r for r in known if problems[r].context_ids[: len(context)] == context), None)
        if reader is None:
            known.append(n)
            reader = n
        readers.setdefault(reader, []).append(n)
    return readers
