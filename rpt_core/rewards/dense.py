"""Dense rewards (Appendix A, variants 2 and 3): a wrong first token earns what the language model itself gives it.

In: predictions, the policy as a plain language model. Out: 1 when the prediction's first token is the true one, else
P(that token | context): the probability of the **wrong** token, as the paper says, so that a plausible mistake earns
more than an absurd one. The probability is the present policy's, after the context itself, without template and
without thinking, at temperature 1. Without a prediction the reward is 0.

The conditional variant does so only in groups with at least one right first token; in a group without one every
response earns the same, 0 or minus a penalty, so that the group has nothing to teach.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from rpt_core.rewards.base import Groups, Policy, Problems, Reward, Verdicts
from rpt_core.rewards.first_token import first_tokens
from rpt_core.text.tokens import prefix_ids


class DenseReward(Reward):
    """1 for the right first token, else the probability of the one that stands there."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.prefix = prefix_ids(policy.tokenizer)

    def rewards(self, problems: Problems, groups: Groups, verdicts: Verdicts) -> list[list[float]]:
        """1 for a right first token, the policy's own probability of a wrong one, 0 without a prediction."""
        return self._dense(problems, first_tokens(self.policy.tokenizer, problems, verdicts))

    def _dense(self, problems: Problems, tokens: Sequence[Sequence[int | None]]) -> list[list[float]]:
        wrong = [
            sorted({token for token in group if token not in (None, problem.next_token_id)})
            for problem, group in zip(problems, tokens, strict=True)
        ]
        earned = [
            {None: 0.0, problem.next_token_id: 1.0} | chances
            for problem, chances in zip(problems, self._probabilities(problems, wrong), strict=True)
        ]
        return [[by_token[token] for token in group] for by_token, group in zip(earned, tokens, strict=True)]

    def _probabilities(self, problems: Problems, wrong: Sequence[Sequence[int]]) -> list[dict[int | None, float]]:
        """P(token | context) of each problem's wrong tokens; only contexts that have some are read."""
        asked = [n for n, tokens in enumerate(wrong) if tokens]
        contexts = [[*self.prefix, *problems[n].context_ids] for n in asked]
        found = self.policy.next_token_log_probs(contexts, [wrong[n] for n in asked])
        self.flops = self.policy.forward_flops(sum(map(len, contexts)))
        chances: list[dict[int | None, float]] = [{} for _ in problems]
        for n, log_probs in zip(asked, found, strict=True):
            chances[n] = dict(zip(wrong[n], map(math.exp, log_probs), strict=True))
        return chances


class ConditionalDenseReward(DenseReward):
    """Dense where a group has a right first token, else one value for all."""

    def __init__(self, policy: Policy, all_wrong_penalty: float = 0.0) -> None:
        super().__init__(policy)
        self.all_wrong = -all_wrong_penalty

    def rewards(self, problems: Problems, groups: Groups, verdicts: Verdicts) -> list[list[float]]:
        """The dense reward in groups with a right first token; the same penalty, or 0, for all in the others."""
        tokens = first_tokens(self.policy.tokenizer, problems, verdicts)
        has_right = [problem.next_token_id in group for problem, group in zip(problems, tokens, strict=True)]
        # Groups without a right response need no probabilities.
        asked = [n for n, right in enumerate(has_right) if right]
        dense = self._dense([problems[n] for n in asked], [tokens[n] for n in asked])
        earned = [[self.all_wrong] * len(group) for group in tokens]
        for n, values in zip(asked, dense, strict=True):
            earned[n] = values
        return earned
