"""What the tests of rewards share: a policy that is a table, problems and responses made by hand."""

import math

from rpt_core.inference.rollout import Rollout
from rpt_core.problems.problem import Problem
from rpt_core.text.tokens import boundaries, encode, token_bytes, tokenise
from rpt_core.verdict import judge_response

FLOPS_PER_TOKEN = 1000.0


class TablePolicy:
    """A language model that is a table: {context: {token: probability}}. Its moving average is a table too."""

    def __init__(self, tokenizer, table, average=None):
        self.tokenizer, self.table, self.average, self.asked, self.updates = tokenizer, table, average, [], 0

    def next_token_log_probs(self, contexts, candidates):
        self.asked += [tuple(context) for context in contexts]
        pairs = zip(contexts, candidates, strict=True)
        return [[math.log(self.table[tuple(context)][token]) for token in tokens] for context, tokens in pairs]

    def forward_flops(self, tokens):
        return FLOPS_PER_TOKEN * tokens

    def moving_average(self, decay):
        self.decay = decay
        return self.average

    def update(self):
        self.updates += 1


def make_problem(tokenizer, text, position, prompt=(1, 2, 3)):
    """The problem at a token of a text."""
    tokenised = tokenise(tokenizer, text)
    ids = tokenised.token_ids
    pieces = token_bytes(tokenizer, ids)[position:]
    return Problem(
        id=f"d:{position}",
        document="d",
        position=position,
        prompt_ids=list(prompt),
        context_ids=ids[:position],
        prompt="",
        completion=b"".join(pieces),
        boundaries=boundaries(pieces),
        next_token_id=ids[position],
        entropy_nats=1.0,
        domain="",
        byte_offset=tokenised.byte_offsets[position],
    )


def answer(tokenizer, box, thought="hm", finish_reason="stop"):
    """A response that boxes something; without a box for None."""
    text = f"{thought}</think>" + ("" if box is None else f"\\boxed{{{box}}}")
    ids = encode(tokenizer, text)
    end = [tokenizer.eos_token_id] if finish_reason == "stop" else []
    return Rollout([*ids, *end], text.encode(), [-1.0] * len(ids + end), finish_reason)


def judged(problems, groups):
    """Verdicts of Eq. 3."""
    return [
        [judge_response(r.data, problem.completion, problem.boundaries, r.finish_reason == "stop") for r in group]
        for problem, group in zip(problems, groups, strict=True)
    ]


def true_token(problem):
    return problem.completion[: problem.boundaries[0]].decode()


def earned_by(reward, problem, group):
    (values,) = reward.rewards([problem], [group], judged([problem], [group]))
    return values
