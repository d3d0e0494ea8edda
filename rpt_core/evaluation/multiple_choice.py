r"""Stage `benchmark`: multiple-choice questions, without thinking and with it (Table 3).

In: a policy, questions (rpt_core.evaluation.choice_questions). Out: the table `benchmark` with each category's
accuracies and their paired difference, an outcome for each question in Parquet, the responses as rollouts of kind
`sampled`, where the document is the question's id. Both modes get the same questions:

- standard: the option whose continuation of the prompt is most probable, as lm-evaluation-harness scores MMLU. Letters
  are compared by their total log-prob, which for one token is the next token's; the options' own texts by their
  log-prob per byte (its `acc_norm`), or long options would always lose. For its prompts see choice_prompts.
- reasoning: one response; the letter (or text) in the last \boxed{} after </think>, read as choice_answers says.

The paper says neither how R1-Distill was scored without thinking nor how answers were read; the above are the field's
habits. It drew 200 questions of each category, as `per_category` does.

Why not lm-evaluation-harness (0.4.13 was read and tried): it has no SuperGPQA, and its MMLU-Pro is generated text after
five worked examples, read by a regular expression; both modes here would have to be written for it as tasks of our own,
in YAML and Python. It can cut thoughts off and read local files, but samples by its own engines, so that neither our
sampler nor rollouts, stops and events could be had; it reports standard errors, no pairs; and it brings 43 packages.
What it does well, scoring options as continuations, is followed here and compared with it in a test.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from rpt_core.config import BenchmarkConfig
from rpt_core.errors import UserError
from rpt_core.evaluation.choice_answers import Answer, read_answer
from rpt_core.evaluation.choice_prompts import AnswerOptions, ChoicePrompts, ThinkingPrompt, check_template
from rpt_core.evaluation.choice_questions import ChoiceQuestion, chosen, load_questions
from rpt_core.evaluation.choice_tables import ALL, MEAN, ChoiceOutcome, Row, accuracy_rows, choice_table
from rpt_core.evaluation.countdown import Countdown
from rpt_core.inference.backend import Backend, open_backend
from rpt_core.inference.rollout import Rollout
from rpt_core.models.checkpoints import read_metadata
from rpt_core.models.finite import output_not_finite
from rpt_core.problems.plain_text import warn_of_plain_text
from rpt_core.run.context import StageContext, StopRequested
from rpt_core.run.events import EventType
from rpt_core.run.rollout_files import AS_A_WHOLE, RolloutRow, emit_rollouts, write_table
from rpt_core.run.tables import Estimate, emit_table
from rpt_core.seeds import derive_seed
from rpt_core.text.records import Tally
from rpt_core.words import counted

ESTIMATES = ("standard", "reasoning", "difference")
PUBLISHED = {
    "mmlu_pro": "Published (Table 3): R1-14B standard 48.4 %, reasoning 68.9 %; RPT-14B reasoning 71.1 %.",
    "supergpqa": "Published (Table 3): R1-14B standard 32.0 %, reasoning 36.1 %; RPT-14B reasoning 39.0 %.",
}


def run(config: BenchmarkConfig, context: StageContext) -> dict[str, Any]:
    """Ask one checkpoint; returns accuracies, counts and tokens for the `finished` event."""
    check_template(config)
    questions, tally = load_questions(config)
    longest = config.max_prompt_tokens + config.sampling.max_response_tokens
    backend = open_backend(config, config.model, longest, lambda: _stop_if_asked(context))
    prompts = ChoicePrompts(config, backend.tokenizer)
    context.started(0, None)
    if "reasoning" in config.modes:
        warn_of_plain_text(context, [config.template], backend.tokenizer)
    _announce(config, context, len(questions), tally)
    drawn = chosen(questions, config)
    asked = [question for question in drawn if prompts.longest(question) <= config.max_prompt_tokens]
    if not asked:
        raise UserError(
            f"No question's prompt has at most {config.max_prompt_tokens} tokens. Raise `max_prompt_tokens`."
        )
    counts = {"left_out_long": len(drawn) - len(asked), "bad_records": tally.bad, "duplicates": tally.duplicates}
    benchmark = _Benchmark(config, context, backend, prompts, asked)
    rows = accuracy_rows(benchmark.run(), config.seed)
    table = choice_table(rows, f"Multiple choice: {config.name}", _caption(config, counts), benchmark.step)
    emit_table(context.run, context.log, table)
    return {**totals(rows), **counts}


class _Benchmark:
    """One policy and the questions that it is asked."""

    def __init__(
        self,
        config: BenchmarkConfig,
        context: StageContext,
        backend: Backend,
        prompts: ChoicePrompts,
        questions: Sequence[ChoiceQuestion],
    ) -> None:
        self.config, self.context, self.backend = config, context, backend
        self.prompts, self.questions = prompts, questions
        self.step = int(read_metadata(config.model.path).get("step", 0))

    def run(self) -> list[ChoiceOutcome]:
        """Ask all questions in the configured modes; write and announce what came of it."""
        standard = self._choose() if "standard" in self.config.modes else [None] * len(self.questions)
        responses = self._respond() if "reasoning" in self.config.modes else [(None, None)] * len(self.questions)
        outcomes = [
            ChoiceOutcome(question, choice, answer, tokens)
            for question, choice, (answer, tokens) in zip(self.questions, standard, responses, strict=True)
        ]
        write_table(self.context.run.evaluation(self.step), outcome_table(outcomes))
        return outcomes

    def _choose(self) -> list[int | None]:
        """The most probable option of each question."""
        choices = [self.prompts.standard(question) for question in self.questions]
        found = self.backend.option_log_probs(choices, self._before_batch)
        if any(math.isnan(log_prob) for log_probs in found for log_prob in log_probs):  # -inf: the option cannot follow
            raise output_not_finite("the log-prob of an option", math.nan, self.backend.source)
        return [best_option(c, log_probs, self.prompts.by_letter) for c, log_probs in zip(choices, found, strict=True)]

    def _respond(self) -> list[tuple[Answer | None, int | None]]:
        """What the response to each question answers, and its tokens. Batches are of similar length."""
        prompts = [self.prompts.thinking(question) for question in self.questions]
        order = sorted(range(len(prompts)), key=lambda n: len(prompts[n].ids))
        rows: dict[int, list[RolloutRow]] = {}
        answers: dict[int, Answer] = {}
        samples = self.config.samples
        first_seed = self.config.seed if self.config.sampling_seed is None else self.config.sampling_seed
        size = max(1, self.config.sampling.batch_rows // samples)
        countdown = Countdown(self.context, len(order), "questions")
        countdown.begin(self.step, "thinking")
        for start in range(0, len(order), size):
            batch = order[start : start + size]
            seed = derive_seed(first_seed, "benchmark", start)
            groups = self.backend.sample([prompts[n].ids for n in batch], samples, self.config.sampling, seed)
            for n, group in zip(batch, groups, strict=True):
                read = [read_answer(rollout, self.questions[n].options, self.prompts.by_letter) for rollout in group]
                rows[n] = [self._row(n, k, prompts[n], *pair) for k, pair in enumerate(zip(group, read, strict=True))]
                answers[n] = read[0]
            countdown.add(len(batch))
        shard = [row for n in range(len(order)) for row in rows[n]]
        emit_rollouts(self.context.run, self.context.log, "sampled", self.step, shard)
        return [(answers[n], rows[n][0].response_tokens) for n in range(len(order))]

    def _before_batch(self, done: int, total: int) -> None:
        _stop_if_asked(self.context)
        if not done:
            self._scoring = Countdown(self.context, total, "passes")
            self._scoring.begin(self.step, "scoring options")
        self._scoring.add(done - self._scoring.done)

    def _row(self, number: int, sample: int, prompt: ThinkingPrompt, rollout: Rollout, answer: Answer) -> RolloutRow:
        question = self.questions[number]
        texts = self.prompts.answer_texts(question)
        completion, right = texts[question.answer].encode(), question.is_right(answer.choice)
        reason = "match" if right else "no_box" if answer.box is None else "mismatch" if answer.box else "empty"
        return RolloutRow(
            step=self.step,
            group=number,
            sample=sample,
            document=question.id,
            position=0,
            entropy_nats=None,
            prompt=prompt.text,
            response=rollout.text,
            prediction=None if answer.box is None else answer.box.encode(),
            completion=completion,
            boundaries=[len(completion)],
            reward=float(right),
            reason=reason,
            mismatch_byte=None,
            finish_reason=rollout.finish_reason,
            prompt_tokens=len(prompt.ids),
            response_tokens=len(rollout.token_ids),
            mean_log_prob=sum(rollout.log_probs) / len(rollout.log_probs),
            advantage=None,
            context_start=prompt.context_span[0],
            context_end=prompt.context_span[1],
            text_hash=question.text_hash,
            byte_offset=AS_A_WHOLE,
            domain=question.category,
        )


def best_option(choices: AnswerOptions, log_probs: Sequence[float], by_letter: bool) -> int:
    """Index of the most probable option, for each byte of its text unless answers are letters; the first of equals."""
    sizes = [1] * len(log_probs) if by_letter else choices.option_bytes
    found = [log_prob / size for log_prob, size in zip(log_probs, sizes, strict=True)]
    return found.index(max(found))


def totals(rows: Sequence[Row]) -> dict[str, Any]:
    """Accuracies, counts and tokens over all questions, and the means of the categories; only those that there are."""
    found = {row["category"]: row for row in rows}
    cells = {key: found[ALL][key] for key in ("n", *ESTIMATES, "no_box", "cut", "unreadable", "tokens")}
    cells |= {f"{key}_mean_of_categories": found[MEAN][key] for key in ESTIMATES}
    values = {key: cell.value if isinstance(cell, Estimate) else cell for key, cell in cells.items()}
    return {key: value for key, value in values.items() if value is not None}


def outcome_table(outcomes: Sequence[ChoiceOutcome]) -> pa.Table:
    """One row for each question, by whose id two checkpoints can be compared; a mode that was not asked is null."""
    answers = [outcome.answer for outcome in outcomes]
    columns: dict[str, tuple[list[Any], pa.DataType]] = {
        "question": ([outcome.question.id for outcome in outcomes], pa.string()),
        "category": ([outcome.question.category for outcome in outcomes], pa.string()),
        "options": ([len(outcome.question.options) for outcome in outcomes], pa.int32()),
        "answer": ([outcome.question.answer for outcome in outcomes], pa.int32()),
        "standard_choice": ([outcome.standard for outcome in outcomes], pa.int32()),
        "standard": ([outcome.standard_right for outcome in outcomes], pa.bool_()),
        "reasoning_choice": ([None if answer is None else answer.choice for answer in answers], pa.int32()),
        "reasoning": ([outcome.reasoning_right for outcome in outcomes], pa.bool_()),
        "reasoning_problem": ([None if answer is None else answer.problem for answer in answers], pa.string()),
        "tokens": ([outcome.tokens for outcome in outcomes], pa.int32()),
        "text_hash": ([outcome.question.text_hash for outcome in outcomes], pa.binary(16)),
    }
    return pa.table({name: pa.array(values, type_) for name, (values, type_) in columns.items()})


def _stop_if_asked(context: StageContext) -> None:
    if context.stop_requested:
        raise StopRequested(0)


def _announce(config: BenchmarkConfig, context: StageContext, questions: int, tally: Tally) -> None:
    context.log.emit(
        EventType.CORPUS,
        name=config.name,
        documents={"train": 0, "validation": questions},
        bad=tally.bad,
        bad_records=[asdict(record) for record in tally.bad_records],
    )
    for note in tally.notes():
        context.log.emit(EventType.LOG, level="warning", message=note)


def _responses_in_words(samples: int) -> str:
    return "one response" if samples == 1 else f"{samples} responses, of which the first counts,"


def _caption(config: BenchmarkConfig, counts: Mapping[str, int]) -> str:
    drawn = "all questions" if config.per_category is None else f"at most {config.per_category} of each category"
    if config.listed_questions:
        drawn = "listed questions"
    answers = "option letters" if config.answer_as == "letter" else "the options' texts"
    sentences = [
        f"n: {drawn}, seed {config.seed}; answers are {answers}.",
        "Standard: the most probable option without thinking." if "standard" in config.modes else "",
        f"Reasoning: {_responses_in_words(config.samples)} at temperature {config.sampling.temperature:g}, at most "
        f"{config.sampling.max_response_tokens:,} tokens."
        if "reasoning" in config.modes
        else "",
        "Intervals of 95 %: Wilson's for shares, a paired bootstrap over questions for differences; of the mean of the "
        "categories by MOVER and within categories.",
        f"Left out: {counted(counts['left_out_long'], 'question')} with prompts of more than "
        f"{config.max_prompt_tokens:,} tokens, {counted(counts['bad_records'], 'unusable record')}, "
        f"{counted(counts['duplicates'], 'duplicate')}.",
        PUBLISHED.get(config.format, ""),
    ]
    return " ".join(filter(None, sentences))
