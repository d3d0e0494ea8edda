"""Reasoning traces for the cold start, by a reasoner that is often wrong: the distilled model's part in the paper.

In: the positions that the filter kept of the cold-start problems, the model. Out: prompts and responses in token ids.

The reasoner sees the context alone, never the continuation. Where a terse solution is about to give its result, it
guesses (55 %), stops half-way through the work (25 %) or does all of it (20 %), each step wrong with probability 0.1;
4 % of its answers are malformed. At half as many other positions it names two continuations that the model itself finds
likely and takes one of them. Too few traces of work among too many guesses made RPT settle on guessing, hence 2 : 1.
"""

from __future__ import annotations

import random
import re
from typing import Any

import torch

from rpt_core.config import PromptConfig
from rpt_core.errors import UserError
from rpt_core.problems.problem import Problem, ProblemSet
from rpt_core.text.new_tokenizer import END_THINK
from rpt_core.text.tokens import Tokenizer, encode, token_bytes
from rpt_core.tiny.corpus import KINDS, LABELS, TERSE_OPENING, Operation, work

Trace = tuple[list[int], list[int]]
GUESSES, HALF_WAY = 0.55, 0.25
"""The rest goes all the way."""
WRONG_STEPS = 0.1
LEADING_SPACES, MISSING_BOXES = 0.02, 0.02
KEYS_FOR_EACH_OTHER = 2

_CARDS = re.compile(rf"cards ((?:[{LABELS}]\d ?)+)")


def build_traces(positions_dir: str, model: Any, tokenizer: Tokenizer, prompt: PromptConfig, seed: int) -> list[Trace]:
    """A trace at each key position and at half as many others; a response ends with the end token."""
    problems = ProblemSet.load(positions_dir, "train", tokenizer, prompt)
    rng = random.Random(f"traces {seed}")
    keys: list[tuple[Problem, Operation, list[int]]] = []
    others: list[Problem] = []
    for index in problems.kept():
        problem = problems.problem(int(index))
        asked = read_question(b"".join(token_bytes(tokenizer, problem.context_ids)).decode())
        if asked is None:
            others.append(problem)
        else:
            keys.append((problem, *asked))
    if not keys:
        raise UserError(f"{positions_dir} keeps no position where a result is asked for. Lower `min_entropy_nats`.")
    end = [int(tokenizer.eos_token_id)]
    traces = [
        (problem.prompt_ids, encode(tokenizer, reason(rng, kind, digits)) + end) for problem, kind, digits in keys
    ]
    for problem in rng.sample(others, min(len(others), len(keys) // KEYS_FOR_EACH_OTHER)):
        traces.append((problem.prompt_ids, _weigh(rng, model, tokenizer, problem) + end))
    return traces


def read_question(context: str) -> tuple[Operation, list[int]] | None:
    """Operation and digits of the problem, when a terse solution is about to give its result; else None."""
    for kind in KINDS:
        if context.endswith(f"{kind.question}\nSolution: {TERSE_OPENING} {kind.result} "):
            cards = _CARDS.search(context)
            return None if cards is None else (kind, [int(card[1]) for card in cards[1].split()])
    return None


def reason(rng: random.Random, kind: Operation, digits: list[int]) -> str:
    """What the imperfect reasoner writes: a thought, `</think>`, an answer."""
    style = rng.random()
    if style < GUESSES:
        answer = rng.randrange(kind.modulus)
        thought = f"maybe {answer}"
    else:
        steps = rng.randrange(1, len(digits)) if style < GUESSES + HALF_WAY else len(digits)
        states = _states(rng, kind, digits[:steps])
        thought, answer = f"{work(kind, digits, states)};", states[-1]
    return f"{thought}{END_THINK}{_answer(rng, answer)}"


def _states(rng: random.Random, kind: Operation, digits: list[int]) -> list[int]:
    """The states that the reasoner comes through; a wrong one is carried on."""
    states = [0]
    for digit in digits:
        is_wrong = rng.random() < WRONG_STEPS
        states.append(rng.randrange(kind.modulus) if is_wrong else kind.step(states[-1], digit))
    return states[1:]


def _answer(rng: random.Random, answer: int) -> str:
    form = rng.random()
    if form < LEADING_SPACES:
        return f"\\boxed{{ {answer}}}"
    return str(answer) if form < LEADING_SPACES + MISSING_BOXES else f"\\boxed{{{answer}}}"


def _weigh(rng: random.Random, model: Any, tokenizer: Tokenizer, problem: Problem) -> list[int]:
    """Two likely next tokens weighed against each other; in ids, so that the box holds the token as it is."""
    probabilities = _next_token_probabilities(model, tokenizer, problem.context_ids)
    pair = rng.choices(range(len(probabilities)), probabilities, k=2)
    opening, between, closing = encode(tokenizer, "maybe"), encode(tokenizer, " or"), encode(tokenizer, "}")
    box = encode(tokenizer, f"{END_THINK}\\boxed{{")
    return [*opening, pair[0], *between, pair[1], *box, rng.choice(pair), *closing]


@torch.inference_mode()
def _next_token_probabilities(model: Any, tokenizer: Tokenizer, context_ids: list[int]) -> list[float]:
    """The model's distribution after a context, special tokens excluded; one value for each id."""
    logits = model(input_ids=torch.tensor([context_ids], device=model.device)).logits[0, -1].float()
    logits[tokenizer.all_special_ids] = float("-inf")
    probabilities: list[float] = logits.softmax(-1).tolist()
    return probabilities
