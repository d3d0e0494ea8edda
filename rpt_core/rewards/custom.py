"""A team's own reward: a Python function named in the config, run only where an administrator allows it.

    def my_reward(prediction: bytes | None, completion: bytes, boundaries: list[int], response: bytes) -> float

In: the box's content (None without a closed box, or when the length limit cut the response), the true continuation,
the cumulative byte lengths of its tokens, the whole response. Out: any finite number. It is called once for each
response and must give equal numbers for equal arguments, or a resumed run will not go on as it would have.

The function is code from outside that runs with the worker's rights: the environment variable RPT_ALLOW_CUSTOM_REWARDS
must be 1 where the stage runs.
"""

from __future__ import annotations

import importlib
import math
import os
import traceback
from collections.abc import Callable
from typing import Any, cast

from rpt_core.errors import NotFiniteError, UserError, said
from rpt_core.inference.rollout import Rollout
from rpt_core.problems.problem import Problem
from rpt_core.rewards.base import Groups, Problems, Reward, Verdicts
from rpt_core.verdict import Verdict

ALLOWED = "RPT_ALLOW_CUSTOM_REWARDS"
Function = Callable[[bytes | None, bytes, list[int], bytes], float]


class CustomReward(Reward):
    """What the named function says."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.function = load_function(path)

    def rewards(self, problems: Problems, groups: Groups, verdicts: Verdicts) -> list[list[float]]:
        """What the function returns for each response. Raises UserError when it fails or returns no finite number."""
        return [
            [self._value(problem, rollout, verdict) for rollout, verdict in zip(group, judged, strict=True)]
            for problem, group, judged in zip(problems, groups, verdicts, strict=True)
        ]

    def _value(self, problem: Problem, rollout: Rollout, verdict: Verdict) -> float:
        try:
            value: Any = self.function(verdict.prediction, problem.completion, list(problem.boundaries), rollout.data)
        except Exception as error:
            traceback.print_exc()  # into the run's log, for whoever has written the function
            raise UserError(
                f"The custom reward {self.path!r} failed on the prediction {verdict.prediction!r} at {problem.id}: "
                f"{said(error)}. Fix the function and resume the run."
            ) from error
        return self._checked(value, problem)

    def _checked(self, value: Any, problem: Problem) -> float:
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number):
            message = (
                f"The custom reward {self.path!r} returned {value!r} at {problem.id}. It must return a finite number."
            )
            raise NotFiniteError(f"what the custom reward {self.path!r} returned at {problem.id}", number, message)
        return number


def load_function(path: str) -> Function:
    """The function at `package.module:function`. Raises UserError when it is not allowed here, or not there."""
    if os.environ.get(ALLOWED) != "1":
        raise UserError(
            f"The custom reward {path!r} is code from outside, which is not allowed here. Ask an administrator to set "
            f"{ALLOWED}=1 where stages run, or choose a built-in reward."
        )
    module, _, name = path.partition(":")
    try:
        function = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(
            f"The custom reward {path!r} cannot be imported: {said(error)}. Write `package.module:function`, with the "
            "package on PYTHONPATH where stages run."
        ) from error
    if not callable(function):
        raise UserError(f"The custom reward {path!r} is not a function.")
    return cast(Function, function)
