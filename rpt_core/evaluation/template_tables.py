"""Prompt templates compared, as finished tables (Table 8).

In: each template's outcomes and rollout shard. Out: a table over the easy sample, which is a random sample of all
positions above the lowest threshold, and one by difficulty. Random@1 is the share of right responses over all samples
of a position, Pass@k says whether one of its k samples is right; beside it stands what k guesses would reach. The paper
gives neither intervals nor tests nor a chance level.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from rpt_core.arrays import Doubles, Flags
from rpt_core.config import TemplatesConfig
from rpt_core.errors import UserError
from rpt_core.evaluation.chance import different_guesses, independent_guesses
from rpt_core.evaluation.outcomes import Outcomes
from rpt_core.evaluation.reasoning import estimate
from rpt_core.run.tables import Cell, Chart, Column, Estimate, ResultTable
from rpt_core.statistics.paired import bootstrap_interval, mean_difference, sign_flip_p, two_by_two
from rpt_core.words import counted

_CHANCE = (Column("by_chance", "Guessing", "share"), Column("by_chance_different", "Different guesses", "share"))


@dataclass(frozen=True)
class TemplateResult:
    """What a template led to; each array has one value for each position, the mean over its samples."""

    template: str
    outcomes: Outcomes
    means: Doubles
    """Share of right responses."""
    no_box: Doubles
    """Share of responses without a closed box after a closed thought, those cut by the limit included."""
    cut: Doubles
    """Share of responses cut by the length limit."""
    response_tokens: Doubles
    prompt_tokens: Doubles

    @classmethod
    def read(cls, template: str, outcomes: Outcomes, shard: Path) -> TemplateResult:
        """From an outcome file and the rollouts behind it, which list positions in the same order."""
        columns = ["group", "reason", "finish_reason", "response_tokens", "prompt_tokens"]
        rows = pq.read_table(shard, columns=columns)
        groups = rows["group"].to_numpy()
        counts = np.bincount(groups, minlength=len(outcomes))

        def mean(values: npt.NDArray[np.generic]) -> Doubles:
            means: Doubles = np.bincount(groups, values.astype(np.float64), len(outcomes)) / counts
            return means

        return cls(
            template,
            outcomes,
            outcomes.correctness("sampled"),
            mean(np.array(rows["reason"].to_pylist()) == "no_box"),
            mean(np.array(rows["finish_reason"].to_pylist()) == "length"),
            mean(rows["response_tokens"].to_numpy()),
            mean(rows["prompt_tokens"].to_numpy()),
        )

    @property
    def samples(self) -> int:
        """Responses for each position."""
        return self.outcomes.samples or 1

    @property
    def passed(self) -> Flags:
        """Whether one of a position's responses is right."""
        passed: Flags = self.means > 0
        return passed


def template_tables(results: Sequence[TemplateResult], config: TemplatesConfig) -> tuple[ResultTable, ResultTable]:
    """The summary and the table by difficulty. Raises UserError when the templates' positions differ."""
    places = [result.outcomes.places() for result in results]
    if any(other != places[0] for other in places):
        raise UserError("The templates were asked at different positions. Start the run again in an empty folder.")
    return _summary(results, config), _by_difficulty(results, config)


def _summary(results: Sequence[TemplateResult], config: TemplatesConfig) -> ResultTable:
    k, first = config.samples, results[0]
    easy = first.outcomes.members["easy"]
    return ResultTable(
        "templates",
        "Prompt templates",
        f"n is positions: the easy sample, a random sample of all held-out positions above {config.held_out.easy_nats} "
        f"nats, the same for every template; {counted(k, 'response')} at each. {_words(config, first.template)} p, "
        f"two-sided and not adjusted for the number of templates: {_test(k)} for Random@1, McNemar's for Pass@{k}.",
        [
            Column("template", "Template"),
            Column("prompt_tokens", "Prompt tokens", "tokens"),
            Column("random_at_1", "Random@1", "share"),
            Column("pass_at_k", f"Pass@{k}", "share"),
            *_CHANCE,
            Column("no_box", "No box", "share"),
            Column("cut", "Cut", "share"),
            Column("response_tokens", "Response tokens", "tokens"),
            Column("random_difference", "Random@1, difference", "difference"),
            Column("random_p", "p", "number"),
            Column("pass_difference", f"Pass@{k}, difference", "difference"),
            Column("pass_p", "p", "number"),
        ],
        [_row(result, first, easy, config.seed) for result in results],
        Chart("bars", "template", ("random_at_1", "pass_at_k"), y_title="Share of right answers"),
    )


def _row(result: TemplateResult, first: TemplateResult, at: Flags, seed: int) -> dict[str, Cell]:
    documents = result.outcomes.document[at].tolist()
    return {
        "template": result.template,
        "prompt_tokens": _tokens(result.prompt_tokens[at], documents, seed),
        "random_at_1": estimate(result.means[at].tolist(), result.samples),
        "pass_at_k": estimate(result.passed[at].tolist()),
        **_by_chance(result.outcomes.entropy_nats[at], result.samples),
        "no_box": estimate(result.no_box[at].tolist(), result.samples),
        "cut": estimate(result.cut[at].tolist(), result.samples),
        "response_tokens": _tokens(result.response_tokens[at], documents, seed),
        **_against_first(result, first, at, seed),
    }


def _by_chance(entropies_nats: Doubles, k: int) -> dict[str, Cell]:
    """What k guesses would reach at these positions; see `rpt_core.evaluation.chance`."""
    return {
        "by_chance": float(independent_guesses(entropies_nats, k).mean()),
        "by_chance_different": float(different_guesses(entropies_nats, k).mean()),
    }


def _against_first(result: TemplateResult, first: TemplateResult, at: Flags, seed: int) -> dict[str, Cell]:
    """Paired differences to the first template; none for that itself."""
    if result is first:
        return dict.fromkeys(("random_difference", "random_p", "pass_difference", "pass_p"))
    documents = first.outcomes.document[at].tolist()
    before, after, passed_before, passed = first.means[at], result.means[at], first.passed[at], result.passed[at]
    mcnemar = two_by_two(passed_before, passed).p
    return {
        "random_difference": mean_difference(before, after, seed, documents),
        "random_p": mcnemar if result.samples == 1 else sign_flip_p(before, after, seed),
        "pass_difference": mean_difference(passed_before, passed, seed, documents),
        "pass_p": mcnemar,
    }


def _by_difficulty(results: Sequence[TemplateResult], config: TemplatesConfig) -> ResultTable:
    k, first = config.samples, results[0]
    return ResultTable(
        "templates_by_difficulty",
        "Prompt templates by difficulty",
        f"Held-out positions, the same for every template; {counted(k, 'response')} at each. The difficulties are "
        f"nested. {_words(config, first.template)}",
        [
            Column("template", "Template"),
            Column("difficulty", "Difficulty"),
            Column("random_at_1", "Random@1", "share"),
            Column("pass_at_k", f"Pass@{k}", "share"),
            *_CHANCE,
            Column("no_box", "No box", "share"),
            Column("random_difference", "Random@1, difference", "difference"),
            Column("pass_difference", f"Pass@{k}, difference", "difference"),
        ],
        list(_difficulty_rows(results, config.seed)),
        Chart("bars", "template", ("random_at_1",), group="difficulty", y_title="Random@1"),
    )


def _difficulty_rows(results: Sequence[TemplateResult], seed: int) -> Iterator[Mapping[str, Cell]]:
    first = results[0]
    for result in results:
        for difficulty, at in first.outcomes.members.items():
            if at.any():
                yield {"difficulty": difficulty, **_row(result, first, at, seed)}


def _tokens(values: Doubles, documents: Sequence[str], seed: int) -> Estimate:
    return Estimate(float(values.mean()), *bootstrap_interval(values, seed, documents), len(values))


def _words(config: TemplatesConfig, first: str) -> str:
    k = config.samples
    return (
        f"Sampled at temperature {config.sampling.temperature:g}. No box: no closed box after a closed thought, cut "
        f"responses included. Differences are against {first} at the same positions, with 95 % paired bootstrap "
        "intervals over documents, as are the intervals of tokens; those of shares are 95 %, Wilson's, over positions, "
        f"with the effective number of observations. Next to Pass@{k}: what k guesses among exp(H) equally likely "
        "answers would reach, H being the proxy model's entropy at a position; the guesses are independent, or all "
        "different, which is the best that guessing can do."
    )


def _test(samples: int) -> str:
    return "McNemar's exact test" if samples == 1 else "sign flips of the positions' differences"
