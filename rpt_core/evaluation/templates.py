"""Stage `templates`: prompt templates compared at the same held-out positions (Tables 8 and 10).

In: a policy, the validation split of a filter run, templates by name or as files. Out: the tables `templates` and
`templates_by_difficulty`, all responses as rollouts, each template's per-position outcomes in Parquet.

A template's number, from 1 in the order of the config, is the step of all that it leaves behind: its responses are the
rollouts of kind `sampled` of that step, its outcomes the evaluation of that step. They can be compared like those of
any two evaluations. A stopped run continues with the first template whose outcomes are not there.

All templates get the same positions, the same sampling seeds, and the same contexts too: those that fit into the
longest of them. The paper says neither.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rpt_core.config import PromptConfig, TemplatesConfig
from rpt_core.evaluation.countdown import Countdown
from rpt_core.evaluation.equal_prompts import equal_prompts, load_templates
from rpt_core.evaluation.held_out import (
    choose_sample,
    held_out_problems,
    warn_of_lost_positions,
    warn_of_missing_positions,
)
from rpt_core.evaluation.outcome_table import Answers, outcome_table
from rpt_core.evaluation.outcomes import read_outcomes
from rpt_core.evaluation.reasoning import Responses, ask
from rpt_core.evaluation.template_tables import TemplateResult, template_tables
from rpt_core.inference.backend import open_backend
from rpt_core.inference.rows import rollout_rows
from rpt_core.positions.sets import PositionSample
from rpt_core.problems.plain_text import warn_of_plain_text
from rpt_core.problems.problem import Problem
from rpt_core.run.context import StageContext, StopRequested
from rpt_core.run.folder import RunDir
from rpt_core.run.rollout_files import emit_rollouts, write_table
from rpt_core.run.tables import Estimate, emit_table


def run(config: TemplatesConfig, context: StageContext) -> dict[str, Any]:
    """Ask with each template; returns each one's accuracies for the `finished` event."""
    templates = load_templates(config.templates)
    bench = _Bench(config, context)
    tokenizer = bench.backend.tokenizer
    prompts = equal_prompts(config, templates, tokenizer)
    done = bench.finished()
    context.started(done, len(templates))
    warn_of_plain_text(context, config.templates, tokenizer)
    for number in range(done + 1, len(templates) + 1):
        bench.ask(number, templates[number - 1].id, prompts[number - 1])
    results = [read_result(context.run, number, template.id) for number, template in enumerate(templates, 1)]
    summary, by_difficulty = template_tables(results, config)
    for table in (summary, by_difficulty):
        emit_table(context.run, context.log, table)
    return {
        f"{key}_{row['template']}": cell.value
        for row in summary.rows
        for key in ("random_at_1", "pass_at_k")
        if isinstance(cell := row.get(key), Estimate)
    }


def read_result(run: RunDir, number: int, template: str) -> TemplateResult:
    """What a template's files say."""
    return TemplateResult.read(template, read_outcomes(run.evaluation(number)), run.rollout_shard("sampled", number))


@dataclass
class _Bench:
    """Asks one policy at one sample of positions."""

    config: TemplatesConfig
    context: StageContext

    def __post_init__(self) -> None:
        longest = self.config.max_prompt_tokens + self.config.sampling.max_response_tokens
        self.backend = open_backend(self.config, self.config.model, longest, self._stop_if_asked)
        self._sample: PositionSample | None = None
        self._countdown: Countdown | None = None

    def finished(self) -> int:
        """How many templates have their outcomes: the file that is written last."""
        number = 0
        while number < len(self.config.templates) and self.context.run.evaluation(number + 1).exists():
            number += 1
        return number

    def ask(self, number: int, template: str, prompt: PromptConfig) -> None:
        """Sample responses with a template, judge, write and announce them."""
        config, templates = self.config, len(self.config.templates)
        problems, sample = self._problems(prompt)
        if self._countdown is None:
            total = config.samples * len(problems) * (templates - number + 1)
            self._countdown = Countdown(self.context, total, steps=templates)
        self._countdown.begin(number - 1, f"asking with the template {template}")
        responses = ask(self.backend, problems, config.samples, config.sampling, config.seed, self._countdown.add)
        self._record(number, problems, responses)
        write_table(self.context.run.evaluation(number), outcome_table(problems, sample, Answers(sampled=responses)))

    def _problems(self, prompt: PromptConfig) -> tuple[list[Problem], PositionSample]:
        """The positions do not depend on the template, so what is told of them is told once."""
        found = held_out_problems(self.config.held_out, self.backend.tokenizer, prompt)
        if self._sample is None:
            self._sample = choose_sample(found, self.config.held_out)
            warn_of_lost_positions(self.context, found)
            warn_of_missing_positions(self.context, self._sample, self.config.held_out)
        return [found.problem(index) for index in self._sample.indices], self._sample

    def _record(self, number: int, problems: list[Problem], responses: Responses) -> None:
        rows = rollout_rows(number, problems, responses.groups, responses.verdicts)
        emit_rollouts(self.context.run, self.context.log, "sampled", number, rows)

    def _stop_if_asked(self) -> None:
        if self.context.stop_requested:
            raise StopRequested(self.finished())
