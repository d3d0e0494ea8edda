r"""First-token reward (Appendix A, variant 1): 1 when the prediction's first token is the true next one.

In: predictions as bytes, problems with the true token. Out: 1 or 0; the rest of the prediction is ignored.

How bytes become a first token: a prediction that is exactly the true token's bytes has it as its first token. Any other
is tokenised by the policy's tokenizer as a text that continues another one, special tokens read as plain text. So with
the true token `Par`, the prediction `Paris` counts only if it is not one token itself. A prediction that is broken
inside a character is tokenised up to the break; when nothing stands before the break, it has no first token.
"""

from __future__ import annotations

from rpt_core.problems.problem import Problem
from rpt_core.rewards.base import Groups, Problems, Reward, Verdicts
from rpt_core.text.tokens import Tokenizer, encode_within


class FirstTokenReward(Reward):
    """1 for the right first token."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer

    def rewards(self, problems: Problems, groups: Groups, verdicts: Verdicts) -> list[list[float]]:
        """1 for a response whose prediction begins with the true first token, 0 for any other."""
        return [
            [float(token == problem.next_token_id) for token in tokens]
            for problem, tokens in zip(problems, first_tokens(self.tokenizer, problems, verdicts), strict=True)
        ]


def first_tokens(tokenizer: Tokenizer, problems: Problems, verdicts: Verdicts) -> list[list[int | None]]:
    """The first token of each response's prediction; None without one."""
    return [
        [first_token(tokenizer, verdict.prediction, problem) for verdict in group]
        for problem, group in zip(problems, verdicts, strict=True)
    ]


def first_token(tokenizer: Tokenizer, prediction: bytes | None, problem: Problem) -> int | None:
    """Id of the prediction's first token, or None when it has none."""
    if not prediction:
        return None
    if prediction == problem.completion[: problem.boundaries[0]]:
        return problem.next_token_id
    ids = encode_within(tokenizer, _readable(prediction), parse_special=False)
    return ids[0] if ids else None


def _readable(prediction: bytes) -> str:
    """The prediction up to where it is no UTF-8."""
    try:
        return prediction.decode()
    except UnicodeDecodeError as error:
        return prediction[: error.start].decode()
