"""Stage `evaluate`: next-token accuracy at held-out positions, standard and reasoning, by difficulty (Table 1).

In: a policy, the validation split of a filter run. Out: an `evaluation` event with n and a 95 % interval for each
accuracy, per-position outcomes in Parquet, the responses as rollout shards. Easy, medium and hard are nested
thresholds of the proxy's entropy, as in the paper. All modes are judged on the same positions:

- standard: argmax after the context itself, without template and without thinking, against the next token;
- sampled: one response at the training temperature, by the prefix-matching reward;
- greedy: one response of most probable tokens.

The paper evaluates 200 documents; here all positions above the lowest threshold stand in one random order (a hash of
seed, document and position), and each difficulty takes its first n: a simple random sample of its level.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rpt_core.analysis.statistics import wilson_interval
from rpt_core.checkpoints import load_model, read_metadata
from rpt_core.config import EvaluateConfig, EvaluationConfig, SamplingConfig
from rpt_core.errors import UserError
from rpt_core.events import EventType
from rpt_core.problems import Problem, ProblemSet
from rpt_core.reward import Verdict, judge_response
from rpt_core.rollouts import Rollout, Sampler
from rpt_core.rollouts.rows import rollout_rows
from rpt_core.rollouts.transformers import TransformersSampler
from rpt_core.seeds import derive_seed
from rpt_core.shards import write_rollouts, write_table
from rpt_core.stage import StageContext, StopRequested
from rpt_core.token_filter import score
from rpt_core.tokens import Tokenizer, prefix_ids

Mode = Literal["standard", "sampled", "greedy"]
DIFFICULTIES = ("easy", "medium", "hard")
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class PositionSample:
    """The positions of an evaluation: indices into a problem set, and who belongs to which difficulty's sample."""

    indices: list[int]
    members: dict[str, Flags]
    """For each difficulty, one flag for each of the indices."""


@dataclass(frozen=True)
class Outcome:
    """A mode's result at every position of the sample."""

    correct: list[bool]
    tokens: list[int] | None = None
    """Response tokens; None without thinking."""


def run(config: EvaluateConfig, context: StageContext) -> dict[str, Any]:
    """Evaluate one checkpoint; returns each mode's accuracy by difficulty for the `finished` event."""
    model, tokenizer = load_model(config.model)
    metadata = read_metadata(config.model.path)
    step, flops = int(metadata.get("step", 0)), float(metadata.get("flops", 0.0))
    problems = ProblemSet.load(config.evaluation.positions, "validation", tokenizer, config.prompt)
    sampler = TransformersSampler(model, tokenizer, lambda: _stop_if_asked(context))
    context.started(0, None)
    warn_of_lost_positions(context, problems)
    evaluator = Evaluator(context, model, sampler, tokenizer, problems, config.evaluation, config.sampling)
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
        model: Any,
        sampler: Sampler,
        tokenizer: Tokenizer,
        problems: ProblemSet,
        config: EvaluationConfig,
        sampling: SamplingConfig,
    ) -> None:
        self.context, self.model, self.sampler, self.config, self.sampling = context, model, sampler, config, sampling
        self.prefix = prefix_ids(tokenizer)
        self.sample = choose_sample(problems, config)
        self.problems = [problems.problem(i) for i in self.sample.indices]

    def run(self, step: int, flops: float) -> dict[str, dict[str, dict[str, Any]]]:
        """Evaluate the policy as it is now, write and announce the outcomes; returns the event's results.

        When the sampler is stopped, nothing of this evaluation has been announced but the modes that were complete.
        """
        outcomes: dict[Mode, Outcome] = {}
        for mode in self.config.modes:
            self.context.progress(step, None, f"evaluating: {mode}")
            if mode == "standard":
                outcomes[mode] = Outcome(standard_correct(self.model, self.problems, self.prefix))
            else:
                outcomes[mode] = self._reason(step, mode)
        path = self.context.run.evaluation(step)
        write_table(path, outcome_table(self.problems, self.sample, outcomes))
        results: dict[str, dict[str, dict[str, Any]]] = {
            mode: shares(outcome.correct, self.sample) for mode, outcome in outcomes.items()
        }
        outcomes_path = self.context.run.relative(path)
        self.context.log.emit(EventType.EVALUATION, step=step, flops=flops, outcomes=outcomes_path, results=results)
        return results

    def _reason(self, step: int, mode: Literal["sampled", "greedy"]) -> Outcome:
        rollouts = self._respond(step, mode)
        verdicts = [
            judge_response(rollout.data, problem.completion, problem.boundaries, rollout.finish_reason == "stop")
            for rollout, problem in zip(rollouts, self.problems, strict=True)
        ]
        self._record(step, mode, rollouts, verdicts)
        return Outcome([v.reward > 0 for v in verdicts], [len(rollout.token_ids) for rollout in rollouts])

    def _respond(self, step: int, mode: Literal["sampled", "greedy"]) -> list[Rollout]:
        """One response for each position, in batches of similar length."""
        sampling = self.sampling if mode == "sampled" else self.sampling.model_copy(update={"temperature": 0.0})
        order = sorted(range(len(self.problems)), key=lambda n: len(self.problems[n].prompt_ids))
        rollouts: dict[int, Rollout] = {}
        for start in range(0, len(order), sampling.batch_rows):
            batch = order[start : start + sampling.batch_rows]
            prompts = [self.problems[n].prompt_ids for n in batch]
            groups = self.sampler.sample(prompts, 1, sampling, derive_seed(self.config.seed, "evaluation", start))
            rollouts.update((n, group[0]) for n, group in zip(batch, groups, strict=True))
        return [rollouts[n] for n in range(len(order))]

    def _record(self, step: int, mode: str, rollouts: list[Rollout], verdicts: list[Verdict]) -> None:
        path = self.context.run.rollout_shard(mode, step)
        rows = rollout_rows(step, self.problems, [[r] for r in rollouts], [[v] for v in verdicts])
        write_rollouts(path, rows)
        self.context.log.emit(
            EventType.ROLLOUTS, step=step, kind=mode, shard=self.context.run.relative(path), rows=len(rows)
        )


def warn_of_lost_positions(context: StageContext, problems: ProblemSet) -> None:
    """Say so when the policy's tokenizer has no boundary at some of the filter's positions."""
    if problems.lost_positions:
        message = (
            f"{problems.lost_positions} positions of the filter run are left out: the policy's tokenizer has no token "
            "that begins there."
        )
        context.log.emit(EventType.LOG, level="warning", message=message)


def choose_sample(problems: ProblemSet, config: EvaluationConfig) -> PositionSample:
    """Each difficulty's first positions of one random order; the union is evaluated once."""
    thresholds = dict(zip(DIFFICULTIES, (config.easy_nats, config.medium_nats, config.hard_nats), strict=True))
    candidates = np.flatnonzero(problems.entropies > config.easy_nats)
    if not len(candidates):
        raise UserError(
            f"No held-out position has more than {config.easy_nats} nats of entropy. Lower `easy_nats`, hold out more "
            "documents, or check that the filter run had a validation split."
        )
    hashes = [_hash(config.seed, problems.document_id(int(i)), int(problems.token_index[i])) for i in candidates]
    order = candidates[np.argsort(np.array(hashes, dtype=np.uint64), kind="stable")]
    entropies = problems.entropies[order]
    taken = {
        name: np.flatnonzero(entropies > nats)[: config.positions_per_difficulty] for name, nats in thresholds.items()
    }
    union = np.unique(np.concatenate(list(taken.values())))
    return PositionSample(
        [int(i) for i in order[union]], {name: np.isin(union, places) for name, places in taken.items()}
    )


def standard_correct(model: Any, problems: Sequence[Problem], prefix: Sequence[int]) -> list[bool]:
    """Whether the argmax after each context is the next token. Contexts that begin others share their pass."""
    readers = _shared_passes(problems)
    sequences = [[*prefix, *problems[reader].context_ids, problems[reader].next_token_id] for reader in readers]
    found = dict(zip(readers, score(model, sequences), strict=True))
    ends = [(reader, len(prefix) + len(problems[n].context_ids)) for reader, ns in readers.items() for n in ns]
    numbers = [n for ns in readers.values() for n in ns]
    predicted = {n: int(found[reader].argmax_ids[end]) for n, (reader, end) in zip(numbers, ends, strict=True)}
    return [predicted[n] == problem.next_token_id for n, problem in enumerate(problems)]


def shares(correct: Sequence[bool], sample: PositionSample) -> dict[str, dict[str, Any]]:
    """Accuracy of each difficulty as counts, fraction and 95 % interval; `value` is None without positions."""
    return {name: _share(np.asarray(correct)[flags]) for name, flags in sample.members.items()}


def outcome_table(problems: Sequence[Problem], sample: PositionSample, outcomes: Mapping[Mode, Outcome]) -> pa.Table:
    """One row for each position; a mode that was not evaluated is null. `tokens` are those of the sampled response."""
    n = len(problems)
    thought = outcomes.get("sampled") or outcomes.get("greedy") or Outcome([])
    blank: list[None] = [None] * n
    standard, sampled, greedy = (outcomes.get(mode) for mode in ("standard", "sampled", "greedy"))
    return pa.table(
        {
            "document": pa.array([p.document for p in problems], pa.string()),
            "position": pa.array([p.position for p in problems], pa.int32()),
            "entropy_nats": pa.array([p.entropy_nats for p in problems], pa.float32()),
            **{name: pa.array(flags, pa.bool_()) for name, flags in sample.members.items()},
            "standard": pa.array(standard.correct if standard else blank, pa.bool_()),
            "sampled": pa.array(map(float, sampled.correct) if sampled else blank, pa.float32()),
            "greedy": pa.array(map(float, greedy.correct) if greedy else blank, pa.float32()),
            "tokens": pa.array(thought.tokens or blank, pa.int32()),
        }
    )


def _stop_if_asked(context: StageContext) -> None:
    if context.stop_requested:
        raise StopRequested(0)


def _share(correct: npt.NDArray[np.bool_]) -> dict[str, Any]:
    n, right = len(correct), int(correct.sum())
    low, high = wilson_interval(right, n)
    return {"correct": right, "n": n, "value": right / n if n else None, "low": low, "high": high}


def _hash(seed: int, document: str, position: int) -> int:
    text = f"{seed}\x1f{document}\x1f{position}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")


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
