"""A step whose numbers are not finite: its batch is kept to be looked at, and a sentence says what to do.

In: a NotFiniteError, what the step had at hand. Out: `not_finite/step-000002.jsonl` in the run's folder, whose first
line says which number it was and whose others are the rows of the batch; words. Nothing here changes weights.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rpt_core.errors import NotFiniteError
from rpt_core.files import write_whole
from rpt_core.inference.rollout import Asked, Rollout
from rpt_core.models.flops import sampling_flops
from rpt_core.run.events import finite
from rpt_core.run.folder import RunDir

Rows = Iterable[Mapping[str, Any]]


@dataclass
class AtHand:
    """What a step works on, and what it has cost so far."""

    rows: Callable[[], Rows] = list
    """The batch as plain JSON values; called only when a number is not finite."""
    tokens: int = 0
    """Tokens processed."""
    trained_tokens: int = 0
    """Those of them in forward and backward passes."""
    flops: float = 0.0
    probe: Sequence[int] = (0, 1)
    """Token ids of one text of the batch."""

    def add_sampling(self, problems: Sequence[Asked], groups: Sequence[Sequence[Rollout]], parameters: int) -> None:
        """Count the tokens read and generated. parameters: N of the FLOPs."""
        prompts = sum(len(problem.prompt_ids) for problem in problems)
        responses = sum(len(rollout.token_ids) for group in groups for rollout in group)
        self.tokens += prompts + responses
        self.flops += sampling_flops(parameters, prompts, responses)

    def add_update(self, trained_tokens: int, flops: float) -> None:
        """Count the passes of an update."""
        self.tokens += trained_tokens
        self.trained_tokens += trained_tokens
        self.flops += flops


def keep_batch(run: RunDir, step: int, error: NotFiniteError, at_hand: AtHand) -> Path:
    """Write what the step had at hand, whole or not at all, and return the file."""
    head = {"step": step, "number": error.number, "value": str(error.value)}
    path = run.not_finite_batch(step)
    lines = (json.dumps(finite(dict(row)), ensure_ascii=False) for row in (head, *at_hand.rows()))
    write_whole(path, "".join(line + "\n" for line in lines).encode(errors="replace"))
    return path


def sampled_rows(
    problems: Iterable[Asked], groups: Iterable[Iterable[Rollout]], rewards: Iterable[Iterable[float]] = ()
) -> Rows:
    """A row for each problem, with its responses as far as they were sampled; rewards are written in words."""
    sampled, earned = list(groups), [[str(reward) for reward in group] for group in rewards]
    for n, problem in enumerate(problems):
        yield {
            "document": problem.document,
            "position": problem.position,
            "prompt": problem.prompt,
            "prompt_ids": problem.prompt_ids,
            "responses": [vars_of(rollout) for rollout in sampled[n]] if n < len(sampled) else None,
            "rewards": earned[n] if n < len(earned) else None,
        }


def vars_of(rollout: Rollout) -> dict[str, Any]:
    """A response as plain JSON values; log-probs that are not finite are null."""
    return {
        "text": rollout.text,
        "token_ids": rollout.token_ids,
        "log_probs": rollout.log_probs,
        "finish_reason": rollout.finish_reason,
    }


def what_stopped(error: NotFiniteError, step: int, kept: Path) -> str:
    """Which number, which step, which batch."""
    return (
        f"Step {step}: {error.number} is not finite but {error.value}, so the run ends before this step changes any "
        f"weight, and writes no checkpoint after it. The step's batch is in {kept}."
    )


def what_to_try(is_narrow: bool) -> str:
    """What may help a run that would come to the same number again. is_narrow: it does not compute in float32."""
    dtype = ", `model.dtype: float32`" if is_narrow else ""
    return (
        "As it is, the run would stop at this step again. Look at the batch, and try a lower "
        f"`optimiser.learning_rate`, a lower `optimiser.max_grad_norm`{dtype}, or let such steps be skipped "
        "(`skip_not_finite_steps`). A field that changes the numbers needs `--allow-changed FIELD`."
    )


def where_to_go_on(steps: list[int], is_newest_bad: bool) -> str:
    """Which checkpoint is good. steps: of all checkpoints, oldest first."""
    if not steps:
        return "There is no checkpoint yet: started again, the run begins from the start."
    if not is_newest_bad:
        return f"The newest checkpoint, step {steps[-1]}, is good: started again, the run continues from there."
    if len(steps) == 1:
        return (
            f"The only checkpoint, step {steps[-1]}, already gives such numbers: remove its folder, and the run begins "
            "from the start."
        )
    return (
        f"The newest checkpoint, step {steps[-1]}, already gives such numbers; the one before, step {steps[-2]}, is "
        "good: remove the newest one's folder, and the run continues from there."
    )
