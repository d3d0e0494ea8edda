r"""Information gain (RLP, arXiv 2510.01265): how much the thought raises the likelihood of the true next token.

In: responses, the policy, a moving average of it. Out: log p(x_t | prompt, thought) - log p_average(x_t | context), in
nats, both at temperature 1 and without gradients. No verdict is needed, and every position has something to say.

What is conditioned on:
- with the thought, the present policy: the prompt as it was sampled from, the response up to and including its last
  `</think>`, then `\boxed{`. The response's own tokens are kept as far as they end there; the rest is tokenised again.
- without, the moving average: the context itself, without template (RLP's no-think baseline).
The true token is the document's own, whatever the tokenizer would make of it after `\boxed{`.

What is learnt from: the thought, `</think>` included. What follows it has no part in the reward, so its gradient would
be noise.

Deviations from RLP: the thought is asked for by a prompt and ends with a box, as everywhere here. RLP ends every
thought by force; here a response without `</think>` predicts nothing and is taken for a blind guess, log p = -log of
the vocabulary's size, so that dropping the form never pays. RLP takes one random position of each document; here
positions are those of the filter run.
"""

from __future__ import annotations

import math
from itertools import accumulate

from rpt_core.inference.rollout import Rollout
from rpt_core.problems.problem import Problem
from rpt_core.rewards.base import AveragedPolicy, Groups, Policy, Problems, Reward, Verdicts
from rpt_core.text.tokens import Tokenizer, encode_within, prefix_ids, token_bytes
from rpt_core.verdict import BOX, END_OF_THOUGHT


class InformationGainReward(Reward):
    """Log-likelihood of the true next token with the thought minus without it."""

    def __init__(self, policy: Policy, average: AveragedPolicy) -> None:
        self.policy, self.average = policy, average
        self.prefix = prefix_ids(policy.tokenizer)
        self.blind_guess = -math.log(len(policy.tokenizer))

    def rewards(self, problems: Problems, groups: Groups, verdicts: Verdicts) -> list[list[float]]:
        """Log-likelihood of the true token after the thought, minus that without it."""
        contexts = [[*self.prefix, *problem.context_ids] for problem in problems]
        without = self.average.next_token_log_probs(contexts, [[problem.next_token_id] for problem in problems])
        self.flops = self.average.forward_flops(sum(map(len, contexts)))
        with_thought = self._with_thought(problems, groups)
        return [[value - before for value in group] for group, (before,) in zip(with_thought, without, strict=True)]

    def credited_tokens(self, rollout: Rollout) -> int:
        """The tokens of the thought; all of a response that does not end it."""
        end = _thought_end(rollout)
        if end is None:
            return len(rollout.token_ids)
        return _whole_tokens(self.policy.tokenizer, rollout, end - 1) + 1

    def after_update(self) -> None:
        """Let the average follow the policy's new weights."""
        self.average.update()

    def _with_thought(self, problems: Problems, groups: Groups) -> list[list[float]]:
        thoughts = [[self._thought(problem, r) for r in group] for problem, group in zip(problems, groups, strict=True)]
        # Equal thoughts are read once: rounding must not tell them apart.
        asked = list(dict.fromkeys((n, ids) for n, group in enumerate(thoughts) for ids in group if ids))
        contexts = [ids for _, ids in asked]
        found = self.policy.next_token_log_probs(contexts, [[problems[n].next_token_id] for n, _ in asked])
        self.flops += self.policy.forward_flops(sum(map(len, contexts)))
        values = {key: value for key, (value,) in zip(asked, found, strict=True)}
        return [[values.get((n, ids), self.blind_guess) for ids in group] for n, group in enumerate(thoughts)]

    def _thought(self, problem: Problem, rollout: Rollout) -> tuple[int, ...]:
        """Prompt, thought and opened box; empty without an end of the thought."""
        ids = opened_box(self.policy.tokenizer, rollout)
        return () if ids is None else (*problem.prompt_ids, *ids)


def opened_box(tokenizer: Tokenizer, rollout: Rollout) -> list[int] | None:
    r"""Token ids of the response's thought, `</think>` included, and `\boxed{` after it; None without `</think>`."""
    end = _thought_end(rollout)
    if end is None:
        return None
    whole = _whole_tokens(tokenizer, rollout, end)
    read = sum(map(len, token_bytes(tokenizer, rollout.token_ids[:whole], at_start=False)))
    begun = rollout.data[read:end].decode(errors="replace")  # sampled tokens may split letters
    return [*rollout.token_ids[:whole], *encode_within(tokenizer, begun + BOX, parse_special=False)]


def _thought_end(rollout: Rollout) -> int | None:
    """Bytes of the response up to the end of its last `</think>`."""
    found = rollout.data.rfind(END_OF_THOUGHT.encode())
    return None if found < 0 else found + len(END_OF_THOUGHT)


def _whole_tokens(tokenizer: Tokenizer, rollout: Rollout, end: int) -> int:
    """How many of the response's tokens end within its first `end` bytes."""
    lengths = accumulate(map(len, token_bytes(tokenizer, rollout.token_ids, at_start=False)))
    return sum(length <= end for length in lengths)
